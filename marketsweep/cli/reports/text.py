"""Report receipts, status and progress as plain text."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TextIO

from marketsweep.cli.reports.actions import aside_lines, status_lines, sync_lines
from marketsweep.core.calendar import behind_today
from marketsweep.core.fields import FIELDS
from marketsweep.core.safe_text import join_first

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

_SHOWN: Final = 5
"""The number of hits of a session that are named."""


def receipt_report(hits: Hits) -> str:
    """Return the coverage receipt of a scan."""
    coverage, timing = hits.coverage, hits.timing
    lines = [
        f"{hits.counted} as of {hits.as_of:%a %Y-%m-%d}",
        f"  expected {coverage.expected:,} symbols, evaluated {coverage.evaluated:,}, "
        f"coverage {coverage.share:.1%}",
        *([f"  not evaluated: {skipped}"] if (skipped := "; ".join(_skipped(coverage))) else []),
        *_settling_line(coverage),
        *_funnel_lines(coverage.funnel),
        *([f"  incremental: {hits.reuse}"] if hits.reuse else []),
        *([f"  ray: {hits.distribution}"] if hits.distribution else []),
        f"  data version {hits.data_version}; load {_ms(timing.load)}, evaluate "
        f"{_ms(timing.evaluate)} ({hits.executor}), total {_ms(timing.total)}",
    ]
    return "\n".join(lines)


def _skipped(coverage: Coverage) -> Iterator[str]:
    """Yield the numbers of symbols that were not evaluated, by reason."""
    excluded = coverage.excluded
    if excluded.prescreen or coverage.unknown:
        description = (
            "with unknown facts, which are kept" if coverage.unknown_kept else "unknown facts"
        )
        unknown = f" ({coverage.unknown:,} {description})" if coverage.unknown else ""
        yield f"{excluded.prescreen:,} filtered out by the pre-screen{unknown}"
    if excluded.stale:
        yield f"{excluded.stale:,} without a bar in this session{_examples(coverage.stale_symbols)}"
    if excluded.short_history:
        yield f"{excluded.short_history:,} with fewer than the {coverage.bars_needed:,} bars needed"
    if excluded.unknown_facts:
        facts = coverage.unknown_facts_text
        yield f"{excluded.unknown_facts:,} with unknown facts ({facts})"
    if excluded.suspect:
        yield f"{excluded.suspect:,} suspicious{_examples(coverage.suspect_symbols)}"


def _settling_line(coverage: Coverage) -> Iterator[str]:
    """Yield how many symbols have too few bars for recursions to settle."""
    if coverage.unsettled:
        yield (
            f"  not settled: {coverage.unsettled:,} with fewer than {coverage.settled_bars} bars; "
            f"the result for {coverage.unsettled_answers:,} may depend on earlier bars"
        )


def _funnel_lines(clauses: Sequence[Clause]) -> Iterator[str]:
    """Yield what each clause of the pre-screen excluded."""
    if not clauses:
        return
    width = max(len(clause.text) for clause in clauses)
    yield f"  {'pre-screen':<{width + 2}}  removed    alone  unknown     left"
    for clause in clauses:
        counts = (clause.removed, clause.alone, clause.unknown, clause.left)
        yield f"    {clause.text:<{width}}" + "".join(f"{count:9,}" for count in counts)


def sync_report(receipt: SyncReceipt) -> str:
    """Return what a sync did and cost."""
    usage = receipt.usage
    behind = receipt.sessions_behind
    lag = f", {behind_today(behind)}" if behind else ""
    lines = [
        f"{receipt.provider}: {receipt.first} to {receipt.last}, fetched {_fetched(receipt)}{lag}",
        f"  bars: {receipt.new:,} new, {receipt.revised:,} revised, "
        f"{receipt.unchanged:,} unchanged{_set_aside_text(receipt.set_aside)}",
        f"  {receipt.splits:,} splits, {receipt.dividends:,} dividends, "
        f"{receipt.listings:,} listings{_facts_text(receipt.facts)}",
        f"  {usage.calls:,} calls ({receipt.avoided:,} avoided{_saved_text(receipt)}), "
        f"{usage.bytes_received / 1e6:.1f} MB, {usage.retries:,} retries, {usage.waited_s:.1f} s "
        f"waiting for the plan's limit, {receipt.seconds:.2f} s in total",
        *sync_lines(receipt),
        *_funnel_lines(receipt.funnel),
    ]
    if receipt.revisions:
        texts = [_revision_text(record) for record in receipt.revisions]
        lines.append(f"  revised: {', '.join(texts[:3])}{', ...' if receipt.revised > 3 else ''}")
    if receipt.contradicted:
        texts = [_revision_text(record) for record in receipt.contradicted]
        lines.append(
            f"  contradicting rows, of which the last counts: {join_first(texts, 3, between='; ')}"
        )
    lines += aside_lines(receipt.put_aside, receipt.frozen)
    lines += [
        f"  could not be fetched: {record['of']}, {record['reason']}"
        for record in receipt.unavailable[:_SHOWN]
        if record["of"] not in {aside["session"] for aside in receipt.put_aside}
    ]
    if receipt.empty:
        lines.append(
            f"  no bars yet for {len(receipt.empty)} sessions{_examples(receipt.empty)}: the next "
            "sync requests them again"
        )
    if receipt.unknown:
        lines.append(
            f"  no bars of {len(receipt.unknown):,} symbols{_examples(receipt.unknown)}: "
            "delisted, renamed or misspelled; the next sync requests them again"
        )
    return "\n".join(lines)


def _facts_text(names: Sequence[str]) -> str:
    if not names:
        return ""
    noun = "fact" if len(names) == 1 else "facts"
    return f", {len(names):,} {noun} ({join_first(names, 8)})"


def _saved_text(receipt: SyncReceipt) -> str:
    reasons = _saved_by(receipt)
    return f", {receipt.saved:,} saved {reasons}" if reasons else ""


def _saved_by(source: SyncReceipt | Forecast) -> str:
    excluded = {"pre-screen": source.prescreened, "low-volume list": source.low_volume}
    named = [f"by the {name}: {count:,} symbols" for name, count in excluded.items() if count]
    return ", ".join(named)


def _revision_text(revision: Mapping[str, Any]) -> str:
    """Return the changed fields of a bar, as `AAPL 2016-06-01 volume 1,000 -> 1,200`."""
    old, new = revision["old"], revision["new"]
    fields = [
        f"{name} {old[name]:,.10g} -> {new[name]:,.10g}" for name in old if old[name] != new[name]
    ]
    return f"{revision['symbol']} {revision['session']} {' and '.join(fields)}"


def _fetched(receipt: SyncReceipt) -> str:
    untraded = f", {receipt.untraded:,} were not traded" if receipt.untraded else ""
    return f"{receipt.fetched_part}{untraded}"


def dry_run_report(run: DryRun) -> str:
    """Return how files were understood, and what would be stored of them."""
    lines: list[str] = []
    for reading in run.readings[:_SHOWN]:
        columns = ", ".join(
            f"{field} from {column}{' (a check only)' if field == 'adj_close' else ''}"
            for field, column in reading.columns.items()
        )
        lines += [
            f"{reading.path}: {reading.kind}; {reading.layout}; {_number_of(reading.rows, 'row')}",
            *([f"  columns: {columns}"] if columns else []),
            *([f"  ignored: {', '.join(reading.ignored)}"] if reading.ignored else []),
            *([f"  dates: {reading.dates}"] if reading.dates else []),
            *(["  numbers: with a decimal comma"] if reading.decimal == "," else []),
        ]
    if len(run.readings) > _SHOWN:
        lines.append(f"and {len(run.readings) - _SHOWN:,} more files")
    lines += [f"note: {note}" for note in run.notes]
    if run.bars:
        lines.append(
            f"would store {_number_of(run.bars, 'bar')} of {_number_of(run.symbols, 'symbol')} "
            f"in {_number_of(run.sessions, 'session')}, {run.first} to {run.last}"
        )
    lines += [f"  {_row_text(row)}" for row in run.rows]
    if run.set_aside:
        lines.append(f"would set aside: {_counts_text(run.set_aside)}")
        lines += [f"  {_row_text(row)}: {row.reason}" for row in run.examples]
    lines.append(
        f"{_number_of(run.splits, 'split')}, {_number_of(run.dividends, 'dividend')}, "
        f"{_number_of(run.listings, 'listing')}"
    )
    if run.unusable:
        lines.append(f"{_number_of(len(run.unusable), 'action')} cannot be used:")
        lines += [
            f"  {action.symbol} {action.ex_date} {action.told}: {action.reason}"
            for action in run.unusable[:_SHOWN]
        ]
    lines.append("nothing was stored: remove --dry-run to store the data")
    return "\n".join(lines)


def _number_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _row_text(row: Row) -> str:
    values = "  ".join(
        f"{name} {value:,.10g}" for name, value in zip(FIELDS, row.values, strict=True)
    )
    return f"{row.symbol}  {row.session}  {values}"


def forecast_report(plan: Forecast) -> str:
    """Return what a sync would cost."""
    lines = [
        f"{plan.provider}: {plan.first} to {plan.last}, {_to_fetch(plan)} to fetch, "
        f"{plan.stored:,} sessions stored",
    ]
    if plan.route is None:
        return "\n".join([*lines, "  no call: everything is in the files"])
    others = "".join(f"; {name} it would be {n:,} calls" for name, n in plan.others.items() if n)
    by_kind = ", ".join(
        f"{count:,} {_KINDS[kind][count != 1]}" for kind, count in plan.calls.items()
    )
    approximately = "" if plan.counted else "about "
    lines += [
        f"  route: {plan.route}{others}",
        f"  calls: {approximately}{plan.total:,}: {by_kind}",
        f"  received: about {plan.bytes / 1e6:,.1f} MB of prices",
        f"  time: {_plan_time(plan)}",
        "  you can interrupt it at any time; it continues where it stopped",
    ]
    if reasons := _saved_by(plan):
        lines.insert(3, f"  saved: {plan.saved:,} calls, {reasons}")
    if plan.screens_later:
        lines.append(
            "  the pre-screen needs reference data first; it will save some of these calls"
        )
    lines += _funnel_lines(plan.funnel)
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
    "float": ("page of floats", "pages of floats"),
    "short_interest": ("page of short interest", "pages of short interest"),
    "ratios": ("page of ratios", "pages of ratios"),
    "financials": ("page of statements", "pages of statements"),
    "universe": ("page of earlier tickers", "pages of earlier tickers"),
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
    """Return the seconds of each stage against the target, and what to try next."""
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
    """Return what is stored, with its gaps and errors."""
    counts = status.counts
    if not counts.sessions:
        return f"{status.path}: no session is stored yet: run marketsweep sync"
    lines = [
        str(status.path),
        f"  {counts.sessions:,} sessions, {counts.first} to {counts.last} "
        f"({status.sessions_behind:,} sessions have closed since), {counts.symbols:,} symbols, "
        f"{counts.bars:,} bars, {counts.bytes / 1e6:,.1f} MB, data version {counts.version}",
        f"  {counts.splits:,} splits, {counts.dividends:,} dividends, "
        f"{f'{counts.settled:,} overridden by you, ' if counts.settled else ''}{counts.listings:,} "
        f"listings, {counts.revisions:,} revised bars",
        f"  gaps: {len(status.missing):,} sessions missing{_examples(status.missing)}; "
        f"{len(status.thin):,} thin{_examples(status.thin)}; "
        f"{len(status.partial):,} of single symbols{_examples(status.partial)}",
        *aside_lines([session.to_dict() for session in status.put_aside], status.frozen),
        *status_lines(status),
        f"  doubtful bars, kept: {_counts_text(counts.quality)}",
        f"  rows set aside: {_counts_text(counts.set_aside)}",
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
    """Return the symbols that pass each clause and the near misses, if requested."""
    lines = []
    if hits.funnel:
        rows = [("clause", "alone", "so far", "unsettled")]
        rows += [
            (
                clause_count.clause,
                f"{clause_count.alone:,}",
                f"{clause_count.together:,}",
                f"{clause_count.unsettled:,}",
            )
            for clause_count in hits.funnel
        ]
        shown = 4 if any(clause_count.unsettled for clause_count in hits.funnel) else 3
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
            distance = f"{miss.distance:>8.2%} away"
            lines.append(f"{miss.symbol:<{width}}  {distance}{marks:<2}{miss.clause}")
        if any(miss.unsettled for miss in hits.near):
            lines.append("~ too few bars to have settled")
        suspicious = {miss.symbol: miss.suspicious for miss in hits.near if miss.suspicious}
        if suspicious:
            texts = (f"{symbol} ({rules})" for symbol, rules in suspicious.items())
            lines.append(f"! suspicious bars: {', '.join(texts)}")
    return "".join(f"{line}\n" for line in lines)


def signals_report(result: Signals) -> str:
    """Return a line per session: hits, evaluated and expected symbols, and the first hits."""
    lines = [f"{'session':<10}  {'hits':>6}  {'evaluated':>9}  {'expected':>8}  first"]
    start = 0
    for row in result.sessions:
        first = [_hit_text(result, hit) for hit in range(start, start + min(row.matches, _SHOWN))]
        more = ", ..." if row.matches > _SHOWN else ""
        lines.append(
            f"{row.session}  {row.matches:>6,}  {row.evaluated:>9,}  {row.expected:>8,}  "
            f"{', '.join(first)}{more}".rstrip()
        )
        start += row.matches
    if any(result.suspicious):
        lines.append("! depends on suspicious bars")
    if any(result.unsettled):
        lines.append("~ too few bars to have settled")
    return "".join(f"{line}\n" for line in lines)


def _hit_text(result: Signals, hit: int) -> str:
    mark = "~" if result.unsettled[hit] else ""
    return f"{mark}{result.symbols[hit]}{'!' if result.suspicious[hit] else ''}"


def _counts_text(counts: Mapping[str, int]) -> str:
    named = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(named) or "none"


def _set_aside_text(counts: Mapping[str, int]) -> str:
    return f"; set aside: {_counts_text(counts)}" if any(counts.values()) else ""


def _examples(items: Sequence[str] | Sequence[dt.date], most: int = 3) -> str:
    if not items:
        return ""
    shown = ", ".join(map(str, items[:most]))
    return f" ({shown}{', ...' if len(items) > most else ''})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"


class ProgressLine:
    """What is done, rate and time left: redrawn on a terminal, else a line now and then."""

    def __init__(self, label: str, file: TextIO, unit: str = "bars") -> None:
        self.label = label
        self.unit = unit
        self.file = file
        self.redraw = file.isatty()
        self.started = self.shown = monotonic()
        self.open = False

    def __call__(self, done: int, total: int, count: int) -> None:
        """Show the progress, if enough time has passed."""
        now = monotonic()
        if done < total and now - self.shown < (0.1 if self.redraw else 5.0):
            return
        self.shown = now
        rate = done / max(now - self.started, 1e-9)
        remaining = f"{(total - done) / rate:,.0f} s left" if done < total else "done"
        counts = f"{done:,} of {total:,}, {count:,} {self.unit}"
        line = f"{self.label}: {counts}, {rate:,.1f} a second, {remaining}"
        if self.redraw:
            self.file.write(f"\r{line:<79}")
            self.open = True
        else:
            self.file.write(f"{line}\n")
        self.file.flush()

    def close(self) -> None:
        """End a line that was redrawn."""
        if self.open:
            self.file.write("\n")
            self.file.flush()
