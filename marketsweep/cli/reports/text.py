"""What people read: receipts, status, indicators, progress. Plain text, no colour."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TextIO

from marketsweep.cli.reports.actions import aside_lines, status_lines, sync_lines
from marketsweep.core.calendar import behind_today
from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.core.safe_text import some_of
from marketsweep.errors import UsageError
from marketsweep.language.indicators.events import OCCURRENCES, Occurrence
from marketsweep.language.indicators.table import INDICATORS, Indicator
from marketsweep.language.vocabulary import EXAMPLES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from marketsweep.cli.demo import DemoResult
    from marketsweep.core.funnel import Clause
    from marketsweep.ingest.dry_run import DryRun, Row
    from marketsweep.ingest.estimate import Forecast
    from marketsweep.ingest.receipt import SyncReceipt
    from marketsweep.scan.results import Coverage, Hits
    from marketsweep.store.status import Status
    from marketsweep.studies.signals_result import Signals
    from marketsweep.studies.sweep_result import Sweep

_FIRST: Final = 5
"""Hits of a session that are named."""


def receipt_report(hits: Hits) -> str:
    """The coverage receipt of a scan."""
    coverage, timing = hits.coverage, hits.timing
    lines = [
        f"{hits.counted} as of {hits.as_of:%a %Y-%m-%d}",
        f"  expected {coverage.expected:,} symbols, evaluated {coverage.evaluated:,}, "
        f"coverage {coverage.share:.1%}",
        *([f"  not evaluated: {skipped}"] if (skipped := "; ".join(_skipped(coverage))) else []),
        *_settling(coverage),
        *_funnel(coverage.funnel),
        *([f"  incremental: {hits.reuse}"] if hits.reuse else []),
        *([f"  ray: {hits.distribution}"] if hits.distribution else []),
        f"  data version {hits.data_version}; load {_ms(timing.load)}, evaluate "
        f"{_ms(timing.evaluate)} ({hits.executor}), total {_ms(timing.total)}",
    ]
    return "\n".join(lines)


def _skipped(coverage: Coverage) -> Iterator[str]:
    """The symbols that were not evaluated, by reason."""
    left = coverage.excluded
    if left.prescreen or coverage.unknown:
        whose = "with unknown facts, which are kept" if coverage.unknown_kept else "unknown facts"
        unknown = f" ({coverage.unknown:,} {whose})" if coverage.unknown else ""
        yield f"{left.prescreen:,} filtered out by the pre-screen{unknown}"
    if left.stale:
        yield f"{left.stale:,} without a bar in this session{_examples(coverage.stale_symbols)}"
    if left.short_history:
        yield f"{left.short_history:,} with fewer than the {coverage.bars_needed:,} bars needed"
    if left.suspect:
        yield f"{left.suspect:,} suspicious{_examples(coverage.suspect_symbols)}"


def _settling(coverage: Coverage) -> Iterator[str]:
    """How many symbols have too few bars for recursions to settle."""
    if coverage.unsettled:
        yield (
            f"  not settled: {coverage.unsettled:,} with fewer than {coverage.settled_bars} bars; "
            f"the answer of {coverage.unsettled_answers:,} may depend on earlier ones"
        )


def _funnel(clauses: Sequence[Clause]) -> Iterator[str]:
    """What each part of the pre-screen left out of what the parts before it had left."""
    if not clauses:
        return
    width = max(len(clause.text) for clause in clauses)
    yield f"  {'pre-screen':<{width + 2}}  removed    alone  unknown     left"
    for clause in clauses:
        counts = (clause.removed, clause.alone, clause.unknown, clause.left)
        yield f"    {clause.text:<{width}}" + "".join(f"{count:9,}" for count in counts)


def sync_report(receipt: SyncReceipt) -> str:
    """What a sync did and cost."""
    usage = receipt.usage
    behind = receipt.sessions_behind
    late = f", {behind_today(behind)}" if behind else ""
    lines = [
        f"{receipt.provider}: {receipt.first} to {receipt.last}, fetched {_fetched(receipt)}{late}",
        f"  bars: {receipt.new:,} new, {receipt.revised:,} revised, "
        f"{receipt.unchanged:,} unchanged{_set_aside(receipt.set_aside)}",
        f"  {receipt.splits:,} splits, {receipt.dividends:,} dividends, "
        f"{receipt.listings:,} listings",
        f"  {usage.calls:,} calls ({receipt.avoided:,} avoided{_saved(receipt)}), "
        f"{usage.bytes_received / 1e6:.1f} MB, {usage.retries:,} retries, "
        f"{usage.waited_s:.1f} s waited for the plan's limit, {receipt.seconds:.2f} s in all",
        *sync_lines(receipt),
        *_funnel(receipt.funnel),
    ]
    if receipt.revisions:
        shown = [_changed(one) for one in receipt.revisions]
        lines.append(f"  revised: {', '.join(shown[:3])}{', ...' if receipt.revised > 3 else ''}")
    if receipt.contradicted:
        shown = [_changed(one) for one in receipt.contradicted]
        lines.append(
            "  rows that contradict each other, the last of which counts: "
            f"{some_of(shown, 3, between='; ')}"
        )
    lines += aside_lines(receipt.put_aside, receipt.frozen)
    lines += [
        f"  could not be had: {one['of']}, {one['reason']}"
        for one in receipt.unavailable[:_FIRST]
        if one["of"] not in {aside["session"] for aside in receipt.put_aside}
    ]
    if receipt.empty:
        lines.append(
            f"  no bars yet for {len(receipt.empty)} sessions{_examples(receipt.empty)}: "
            "the next sync asks again"
        )
    if receipt.unknown:
        lines.append(
            f"  no bars of {len(receipt.unknown):,} symbols{_examples(receipt.unknown)}: delisted, "
            "renamed or misspelt; a sync asks again"
        )
    return "\n".join(lines)


def _saved(receipt: SyncReceipt) -> str:
    by = _saved_by(receipt)
    return f", {receipt.saved:,} saved {by}" if by else ""


def _saved_by(of: SyncReceipt | Forecast) -> str:
    left_out = {"pre-screen": of.prescreened, "low-volume list": of.low_volume}
    named = [f"by the {name}: {count:,} symbols" for name, count in left_out.items() if count]
    return ", ".join(named)


def _changed(revision: Mapping[str, Any]) -> str:
    """What of a bar is different, as `AAPL 2016-06-01 volume 1,000 -> 1,200`."""
    old, new = revision["old"], revision["new"]
    fields = [
        f"{name} {old[name]:,.10g} -> {new[name]:,.10g}" for name in old if old[name] != new[name]
    ]
    return f"{revision['symbol']} {revision['session']} {' and '.join(fields)}"


def _fetched(receipt: SyncReceipt) -> str:
    if not receipt.symbols_wanted:
        return f"{receipt.fetched:,} of {receipt.wanted:,} sessions"
    still = f", {receipt.untraded:,} were not traded" if receipt.untraded else ""
    return f"{receipt.symbols_fetched:,} of {receipt.symbols_wanted:,} symbols{still}"


def dry_run_report(found: DryRun) -> str:
    """What was understood of files, and what of it would be stored."""
    lines: list[str] = []
    for reading in found.readings[:_FIRST]:
        columns = ", ".join(
            f"{ours} from {theirs}{' (a check only)' if ours == 'adj_close' else ''}"
            for ours, theirs in reading.columns.items()
        )
        lines += [
            f"{reading.path}: {reading.kind}; {reading.layout}; {_number_of(reading.rows, 'row')}",
            *([f"  columns: {columns}"] if columns else []),
            *([f"  ignored: {', '.join(reading.ignored)}"] if reading.ignored else []),
            *([f"  dates: {reading.dates}"] if reading.dates else []),
            *(["  numbers: with a decimal comma"] if reading.decimal == "," else []),
        ]
    if len(found.readings) > _FIRST:
        lines.append(f"and {len(found.readings) - _FIRST:,} more files")
    lines += [f"note: {note}" for note in found.notes]
    if found.bars:
        lines.append(
            f"would store {_number_of(found.bars, 'bar')} of {_number_of(found.symbols, 'symbol')} "
            f"in {_number_of(found.sessions, 'session')}, {found.first} to {found.last}"
        )
    lines += [f"  {_row(row)}" for row in found.rows]
    if found.set_aside:
        lines.append(f"would set aside: {_counted(found.set_aside)}")
        lines += [f"  {_row(row)}: {row.reason}" for row in found.examples]
    lines.append(
        f"{_number_of(found.splits, 'split')}, {_number_of(found.dividends, 'dividend')}, "
        f"{_number_of(found.listings, 'listing')}"
    )
    if found.unusable:
        lines.append(f"{_number_of(len(found.unusable), 'action')} cannot be used:")
        lines += [
            f"  {one.symbol} {one.ex_date} {one.told}: {one.reason}"
            for one in found.unusable[:_FIRST]
        ]
    lines.append("nothing was stored: leave --dry-run out to store it")
    return "\n".join(lines)


def _number_of(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _row(row: Row) -> str:
    values = "  ".join(
        f"{name} {value:,.10g}" for name, value in zip(FIELDS, row.values, strict=True)
    )
    return f"{row.symbol}  {row.session}  {values}"


def forecast_report(plan: Forecast) -> str:
    """What a sync would cost."""
    lines = [
        f"{plan.provider}: {plan.first} to {plan.last}, {_to_fetch(plan)} to fetch, "
        f"{plan.stored:,} sessions stored",
    ]
    if plan.route is None:
        return "\n".join([*lines, "  no call: everything is in the files"])
    others = "".join(f"; {name} it would be {n:,} calls" for name, n in plan.others.items() if n)
    by_kind = ", ".join(
        f"{count:,} {_KINDS[what][count != 1]}" for what, count in plan.calls.items()
    )
    about = "" if plan.counted else "about "
    lines += [
        f"  route: {plan.route}{others}",
        f"  calls: {about}{plan.total:,}: {by_kind}",
        f"  received: about {plan.bytes / 1e6:,.1f} MB of prices",
        f"  time: {_plan_time(plan)}",
        "  it may be interrupted at any time, and goes on where it stopped",
    ]
    if by := _saved_by(plan):
        lines.insert(3, f"  saved: {plan.saved:,} calls, {by}")
    if plan.screens_later:
        lines.append("  the pre-screen waits for reference data: it will save some of these calls")
    lines += _funnel(plan.funnel)
    if plan.beyond_free:
        lines.append(
            f"  a free plan goes two years back: {plan.beyond_free:,} of the sessions are older"
        )
    return "\n".join(lines)


def _to_fetch(plan: Forecast) -> str:
    return f"{plan.symbols:,} symbols" if plan.symbols else f"{plan.sessions:,} sessions"


_KINDS: Final = {
    "before": ("for the clock", "for the clock"),
    "prices": ("for prices", "for prices"),
    "splits": ("page of splits", "pages of splits"),
    "dividends": ("page of dividends", "pages of dividends"),
    "listings": ("page of tickers", "pages of tickers"),
    "details": ("for details", "for details"),
}


def _plan_time(plan: Forecast) -> str:
    if plan.calls_a_minute is not None:
        return f"{_duration(plan.seconds)} at {plan.calls_a_minute:,} calls a minute"
    from marketsweep.ingest.estimate import FREE_CALLS

    return (
        f"about {_duration(plan.seconds)} without a limit; {_duration(plan.seconds_free)} on a "
        f"free plan, with --calls-per-minute {FREE_CALLS}"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def demo_report(result: DemoResult, data: Path) -> str:
    """The seconds of each stage against the target, and what to try next on the folder."""
    from marketsweep.cli.demo import TARGET_S

    usage = result.sync.usage
    stages = "".join(f"  {name:<10}{value:8.3f} s\n" for name, value in result.seconds.items())
    return (
        f"{usage.calls:,} calls, {usage.bytes_received / 1e6:.1f} MB, {result.sync.new:,} bars, "
        f"{result.sync.splits:,} splits, {result.sync.dividends:,} dividends\n{stages}"
        f"  {'total':<10}{result.total:8.3f} s of the {TARGET_S:.0f} s target: "
        f"{TARGET_S / result.total:.1f} times faster\n"
        f"The market is in {data}. Try:\n"
        f"  marketsweep scan 'rsi(14) < 30 and close > sma(200)' --data {data}\n"
        f"  marketsweep explain AAPL 'close > sma(50) and rsi(14) < 50' --data {data}\n"
        f"  marketsweep scan golden_cross --data {data} --charts charts"
    )


def status_report(status: Status) -> str:
    """What is stored, with its gaps and faults."""
    counts = status.counts
    if not counts.sessions:
        return f"{status.path}: no session is stored yet: run marketsweep sync"
    lines = [
        str(status.path),
        f"  {counts.sessions:,} sessions, {counts.first} to {counts.last} "
        f"({status.sessions_behind:,} sessions have closed since), {counts.symbols:,} symbols, "
        f"{counts.bars:,} bars, {counts.bytes / 1e6:,.1f} MB, data version {counts.version}",
        f"  {counts.splits:,} splits, {counts.dividends:,} dividends, "
        f"{f'{counts.settled:,} settled by you, ' if counts.settled else ''}"
        f"{counts.listings:,} listings, {counts.revisions:,} revised bars",
        f"  gaps: {len(status.missing):,} sessions missing{_examples(status.missing)}; "
        f"{len(status.thin):,} thin{_examples(status.thin)}; "
        f"{len(status.partial):,} of single symbols{_examples(status.partial)}",
        *aside_lines([one.to_dict() for one in status.put_aside], status.frozen),
        *status_lines(status),
        f"  doubtful bars, kept: {_counted(counts.quality)}",
        f"  rows set aside: {_counted(counts.set_aside)}",
        f"  integrity: {_integrity(status)}",
    ]
    return "\n".join(lines + [f"  DAMAGE {damage}" for damage in status.damages])


def _integrity(status: Status) -> str:
    if not status.verified:
        return "not checked"
    if status.damages:
        return f"{len(status.damages)} damages"
    return f"{status.counts.segments:,} segments and the catalog checked, no damage"


def clauses_report(hits: Hits) -> str:
    """Return the symbols that pass each clause and the near misses, where these were asked for."""
    lines = []
    if hits.funnel:
        rows = [("clause", "alone", "so far", "unsettled")]
        rows += [
            (one.clause, f"{one.alone:,}", f"{one.together:,}", f"{one.unsettled:,}")
            for one in hits.funnel
        ]
        shown = 4 if any(one.unsettled for one in hits.funnel) else 3
        width, *widths = (max(6, *map(len, column)) for column in zip(*rows, strict=True))
        lines.append("")
        for clause, *counts in rows:
            cells = [f"{count:>{size}}" for count, size in zip(counts, widths, strict=True)]
            lines.append("  ".join([f"{clause:<{width}}", *cells[: shown - 1]]))
    if hits.near:
        width = max(len(miss.symbol) for miss in hits.near)
        lines += ["", "near: one clause fails"]
        for miss in hits.near:
            marks = "~" * miss.unsettled + "!" * bool(miss.suspicious)
            away = f"{miss.distance:>8.2%} away"
            lines.append(f"{miss.symbol:<{width}}  {away}{marks:<2}{miss.clause}")
        if any(miss.unsettled for miss in hits.near):
            lines.append("~ too few bars to have settled")
        suspicious = {miss.symbol: miss.suspicious for miss in hits.near if miss.suspicious}
        if suspicious:
            named = (f"{symbol} ({rules})" for symbol, rules in suspicious.items())
            lines.append(f"! suspicious bars: {', '.join(named)}")
    return "".join(f"{line}\n" for line in lines)


def signals_report(found: Signals) -> str:
    """A line a session: hits, whom they were looked for among, and the first of them."""
    lines = [f"{'session':<10}  {'hits':>6}  {'evaluated':>9}  {'expected':>8}  first"]
    place = 0
    for one in found.sessions:
        first = [_marked(found, hit) for hit in range(place, place + min(one.matches, _FIRST))]
        more = ", ..." if one.matches > _FIRST else ""
        lines.append(
            f"{one.session}  {one.matches:>6,}  {one.evaluated:>9,}  {one.expected:>8,}  "
            f"{', '.join(first)}{more}".rstrip()
        )
        place += one.matches
    if any(found.suspicious):
        lines.append("! rests on suspicious bars")
    if any(found.unsettled):
        lines.append("~ too few bars to have settled")
    return "".join(f"{line}\n" for line in lines)


def _marked(found: Signals, hit: int) -> str:
    before = "~" if found.unsettled[hit] else ""
    return f"{before}{found.symbols[hit]}{'!' if found.suspicious[hit] else ''}"


def sweep_report(found: Sweep) -> str:
    """A line a variant, or a session of one: its values, its matches, and of how many."""
    table = found.to_polars()
    columns = []
    for name in table.columns:
        cells = table[name].to_list()
        numbers = name in ("matches", "evaluated")
        texts = [f"{cell:,}" if numbers else f"{cell}" for cell in cells]
        width = max(len(name), *map(len, texts))
        columns.append([f"{text:>{width}}" for text in (name, *texts)])
    return "".join(f"{'  '.join(row)}\n" for row in zip(*columns, strict=True))


def indicators_facts(name: str | None) -> list[dict[str, Any]]:
    """The table of indicators as plain data."""
    return [
        {
            "name": row.name,
            "signature": row.signature,
            "outputs": list(row.outputs),
            "doc": row.doc,
            "parameters": [
                {
                    "name": parameter.name,
                    "default": parameter.default,
                    "minimum": parameter.minimum,
                    "maximum": parameter.maximum,
                }
                for parameter in row.parameters
            ],
        }
        for row in _chosen(name)
    ]


def indicators_report(name: str | None) -> str:
    """The indicators, a line each; one in full where it is named."""
    rows = _chosen(name)
    width = max(len(row.signature) for row in rows)
    lines = [f"{row.signature:<{width}}  {row.doc}{_outputs(row)}" for row in rows]
    if name is not None:
        (row,) = rows
        for parameter in row.parameters:
            kind = "whole number" if parameter.whole else "number"
            lines.append(
                f"  {parameter.name}: {kind} from {parameter.minimum:g} to {parameter.maximum:,g}, "
                f"{parameter.default:g} by default"
            )
        return "\n".join(lines)
    derived = ", ".join(f"{key} = {formula}" for key, formula in DERIVED.items())
    others = ", ".join(EXAMPLES.values())
    return "\n".join(
        [*lines, "", f"fields: {', '.join(FIELDS)}", f"derived: {derived}", f"functions: {others}"]
    )


def _chosen(name: str | None) -> list[Indicator | Occurrence]:
    rows: dict[str, Indicator | Occurrence] = {**INDICATORS, **OCCURRENCES}
    if name is None:
        return list(rows.values())
    if name.lower() not in rows:
        raise UsageError(f"unknown indicator {name!r}: there are {', '.join(rows)}")
    return [rows[name.lower()]]


def _outputs(row: Indicator | Occurrence) -> str:
    return f" Outputs: {', '.join('.' + name for name in row.outputs)}." if row.outputs else ""


def _counted(counts: Mapping[str, int]) -> str:
    named = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(named) or "none"


def _set_aside(counts: Mapping[str, int]) -> str:
    return f"; set aside: {_counted(counts)}" if any(counts.values()) else ""


def _examples(items: Sequence[str] | Sequence[dt.date], most: int = 3) -> str:
    if not items:
        return ""
    shown = ", ".join(map(str, items[:most]))
    return f" ({shown}{', ...' if len(items) > most else ''})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"


class ProgressLine:
    """What is done, rate and time left: redrawn on a terminal, a line now and then elsewhere."""

    def __init__(self, what: str, file: TextIO, found: str = "bars") -> None:
        self.what = what
        self.found = found
        self.file = file
        self.redraw = file.isatty()
        self.started = self.shown = monotonic()
        self.open = False

    def __call__(self, done: int, total: int, found: int) -> None:
        """Show it, if it is time to."""
        now = monotonic()
        if done < total and now - self.shown < (0.1 if self.redraw else 5.0):
            return
        self.shown = now
        rate = done / max(now - self.started, 1e-9)
        left = f"{(total - done) / rate:,.0f} s left" if done < total else "done"
        counts = f"{done:,} of {total:,}, {found:,} {self.found}"
        line = f"{self.what}: {counts}, {rate:,.1f} a second, {left}"
        if self.redraw:
            self.file.write(f"\r{line:<79}")
            self.open = True
        else:
            self.file.write(f"{line}\n")
        self.file.flush()

    def close(self) -> None:
        """End a line that was being redrawn."""
        if self.open:
            self.file.write("\n")
            self.file.flush()
