"""The cells and sentences of a sweep with outcomes, for the terminal and for its page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from marketsweep.output.study_table import percent
from marketsweep.studies.sweep_outcomes import LEAST_EVENTS, LEAST_SESSIONS, SweepOutcomes
from marketsweep.studies.sweep_result import Sweep
from marketsweep.studies.trials import NOT_COUNTED

Rows = list[list[str]]
"""The cells of a table, its header first."""

WALK_FORWARD: Final = "walk-forward: the best variant of all sessions before, and what it did next"
_UNKNOWN: Final = "-"


def best_rows(result: Sweep, outcomes: SweepOutcomes, most: int) -> Rows:
    """Return the best variants, those with few events last."""
    names = ["events", "mean", "hit rate", "Sharpe", "in sample", "out of sample"]
    rows = [[*result.names, *names]]
    for i in outcomes.ranking[:most]:
        row = outcomes.figures[i]
        rows.append(
            [
                *(f"{value:g}" for value in result.values[i].tolist()),
                f"{row.events:,}",
                percent(row.mean),
                _UNKNOWN if row.hit_rate is None else f"{row.hit_rate:.1%}",
                _UNKNOWN if row.sharpe is None else f"{row.sharpe:.2f}",
                percent(row.mean_in),
                percent(row.mean_out),
            ]
        )
    return rows


def walk_forward_rows(result: Sweep, outcomes: SweepOutcomes) -> Rows:
    """Return what the best variant of the past did next, span by span."""
    rows = [["next sessions", "variant", "mean before", "mean after", "all variants after"]]
    for fold in outcomes.walk_forward:
        begin, end = (result.sessions[row].session for row in fold.test)
        means = map(percent, (fold.mean_in, fold.mean_out, fold.others_out))
        rows.append([f"{begin} to {end}", variant_text(result, fold.variant), *means])
    return rows


def judgement(result: Sweep, outcomes: SweepOutcomes) -> Iterator[str]:
    """Yield how much the best variant says after so many trials."""
    if outcomes.best is None:
        yield f"no variant has {LEAST_EVENTS} events with an outcome, in {LEAST_SESSIONS} sessions"
        return
    if outcomes.trials is None:
        yield NOT_COUNTED
        return
    yield (
        f"best: {variant_text(result, outcomes.best)}; {outcomes.trials:,} variants were tried for "
        f"{outcomes.outcome} on this data so far"
    )
    if outcomes.deflated is not None and outcomes.threshold is not None:
        yield (
            f"deflated Sharpe ratio {outcomes.deflated:.2f}: the probability that it is more than "
            f"the luck of the best of so many (a Sharpe ratio of {outcomes.threshold:.2f})"
        )


def variant_text(result: Sweep, number: int | None) -> str:
    """Return the values of a variant by name."""
    values = result.variant(number)
    return _UNKNOWN if values is None else " ".join(f"{name}={x:g}" for name, x in values.items())
