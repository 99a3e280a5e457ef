"""The table of a sweep: a line for each variant, and what followed its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from marketsweep.core.safe_text import counted
from marketsweep.output.study_table import percent
from marketsweep.studies.sweep_outcomes import LEAST_EVENTS, LEAST_SESSIONS, SweepOutcomes
from marketsweep.studies.sweep_result import Sweep
from marketsweep.studies.trials import NOT_COUNTED

_SHOWN: Final = 20
"""The variants that the table of outcomes shows; csv and json have all of them."""


def sweep_report(result: Sweep) -> str:
    """Return a line per variant, or per session of a variant; with outcomes, the best variants."""
    if result.outcomes is not None:
        return "".join(f"{line}\n" for line in _outcomes(result, result.outcomes))
    table = result.to_polars()
    rows = [
        [
            f"{cell:,}" if name in ("matches", "evaluated") else f"{cell}"
            for name, cell in row.items()
        ]
        for row in table.to_dicts()
    ]
    return "".join(f"{line}\n" for line in _aligned([table.columns, *rows]))


def _outcomes(result: Sweep, outcomes: SweepOutcomes) -> Iterator[str]:
    first, last = result.sessions[0].session, result.sessions[-1].session
    yield (
        f"{result.condition}: {outcomes.outcome} after the first session of a streak, "
        f"{counted(len(result), 'variant')}, {len(result.sessions):,} sessions, {first} to {last}"
    )
    yield ""
    yield from _aligned(_best_rows(result, outcomes))
    if len(result) > _SHOWN:
        yield f"... and {len(result) - _SHOWN:,} more variants: --format csv has all of them"
    yield ""
    yield from _walk_forward(result, outcomes)
    yield from _judgement(result, outcomes)


def _best_rows(result: Sweep, outcomes: SweepOutcomes) -> list[list[str]]:
    """Return the cells of the best variants, those with few events last."""
    names = ["events", "mean", "hit rate", "Sharpe", "in sample", "out of sample"]
    rows = [[*result.names, *names]]
    for i in outcomes.ranking[:_SHOWN]:
        row = outcomes.figures[i]
        rows.append(
            [
                *(f"{value:g}" for value in result.values[i].tolist()),
                f"{row.events:,}",
                percent(row.mean),
                "-" if row.hit_rate is None else f"{row.hit_rate:.1%}",
                "-" if row.sharpe is None else f"{row.sharpe:.2f}",
                percent(row.mean_in),
                percent(row.mean_out),
            ]
        )
    return rows


def _walk_forward(result: Sweep, outcomes: SweepOutcomes) -> Iterator[str]:
    folds = outcomes.walk_forward
    if not folds:
        yield (
            "no walk-forward: the sessions are too few for the horizon; choose an earlier --since"
        )
        return
    yield "walk-forward: the best variant of all sessions before, and what it did next"
    rows = [["next sessions", "variant", "mean before", "mean after", "all variants after"]]
    for fold in folds:
        begin, end = (result.sessions[row].session for row in fold.test)
        rows.append(
            [
                f"{begin} to {end}",
                _variant(result, fold.variant),
                percent(fold.mean_in),
                percent(fold.mean_out),
                percent(fold.others_out),
            ]
        )
    yield from _aligned(rows)
    yield ""


def _judgement(result: Sweep, outcomes: SweepOutcomes) -> Iterator[str]:
    """Yield how much the best variant says after so many trials."""
    if outcomes.best is None:
        yield (
            f"no variant has {LEAST_EVENTS} events with an outcome, in {LEAST_SESSIONS} sessions"
        )
        return
    if outcomes.trials is None:
        yield NOT_COUNTED
        return
    yield (
        f"best: {_variant(result, outcomes.best)}; {outcomes.trials:,} variants were tried for "
        f"{outcomes.outcome} on this data so far"
    )
    if outcomes.deflated is not None and outcomes.threshold is not None:
        yield (
            f"deflated Sharpe ratio {outcomes.deflated:.2f}: the probability that it is more than "
            f"the luck of the best of so many (a Sharpe ratio of {outcomes.threshold:.2f})"
        )


def _variant(result: Sweep, number: int | None) -> str:
    values = result.variant(number)
    return "-" if values is None else " ".join(f"{name}={x:g}" for name, x in values.items())


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
