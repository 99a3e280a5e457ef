"""Rulings on reported splits and dividends, and the actions that count.

A reported action is never changed: a *ruling* says whether it counts, for which ticker and on which
day, and why. `judging` makes the rulings. An action without a ruling counts as reported.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Literal, NamedTuple, TypeVar, cast

from marketsweep.core.records import ActionOverride, Dividend, Split

Kind = Literal["split", "dividend"]

_Action = TypeVar("_Action", Split, Dividend)


class Verdict(StrEnum):
    """The decision about a reported action."""

    APPLIED = "applied"
    OTHER_TICKER = "applied to the ticker of that day"
    MOVED = "applied on the day on which the price shows it"
    TOLD_TWICE = "told twice for that day, and applied once"
    REPEATED = "not applied: told again, and the price does not show it"
    CANCELLED = "cancelled by its inverse on the same day"
    ALTERNATIVE = "another ratio of the same day is applied"
    CONTRADICTED = "not applied: the price does not show it"
    TOO_LARGE = "not applied: as much as the price or more"
    NEAR = "applied: an equal one is told a few sessions before"
    UNPLACED = "not applied: it fits no company"
    OVERRULED = "not applied: your word counts in its place"

    @property
    def is_suspect(self) -> bool:
        """Whether prices contradict the action, so that a scan that depends on it must warn."""
        return self in _SUSPECT_VERDICTS

    @property
    def is_told(self) -> bool:
        """Whether a sync lists such actions one by one."""
        return self not in (Verdict.OTHER_TICKER, Verdict.TOLD_TWICE, Verdict.OVERRULED)


_SUSPECT_VERDICTS: Final = {Verdict.MOVED, Verdict.REPEATED, Verdict.CONTRADICTED}


class Ruling(NamedTuple):
    """The decision about a reported action; `value` and `other` are its ratio, or cash and 0."""

    kind: Kind
    symbol: str
    ex_date: dt.date
    value: float
    other: float
    verdict: Verdict
    ticker: str | None
    """The ticker to which the action is applied; None if it is not applied."""
    day: dt.date | None
    """The ex-date on which the action is applied."""
    evidence: str

    @property
    def action(self) -> Split | Dividend:
        """The action as reported."""
        if self.kind == "split":
            return Split(self.symbol, self.ex_date, self.value, self.other)
        return Dividend(self.symbol, self.ex_date, self.value)

    @property
    def action_text(self) -> str:
        """The action as text: `NFX 2024-09-06 split 1-for-50`."""
        return f"{self.symbol} {self.ex_date} {action_text(self.action)}"


def action_text(action: Split | Dividend) -> str:
    """Return an action as text, without its ticker and day."""
    if isinstance(action, Split):
        return f"split {action.new:g}-for-{action.old:g}"
    return f"dividend {action.cash:g}"


def effective(
    reported: Iterable[_Action],
    rulings: Iterable[Ruling],
    overrides: Iterable[ActionOverride],
    override_tickers: Mapping[tuple[str, dt.date], str],
) -> list[_Action]:
    """Return the actions of one kind that count, by symbol and ex-date, under that day's ticker.

    `rulings` and the user's `overrides` are of the same kind. `override_tickers` gives the ticker
    of that day for each override that was entered under another ticker.
    """
    ruling_of = {ruling.action: ruling for ruling in rulings}
    overridden = {(override.symbol, override.ex_date) for override in overrides}
    overridden |= {(override_tickers[key], key[1]) for key in overridden if key in override_tickers}
    counted: list[_Action] = []
    for action in reported:
        ruling = ruling_of.get(action)
        if ruling is None:
            applied = action
        elif ruling.ticker is None or ruling.day is None:
            continue
        else:
            applied = action._replace(symbol=ruling.ticker, ex_date=ruling.day)
        if (applied.symbol, applied.ex_date) not in overridden:
            counted.append(applied)
    for override in overrides:
        if override.action is not None:
            ticker = override_tickers.get((override.symbol, override.ex_date), override.symbol)
            counted.append(cast("_Action", override.action._replace(symbol=ticker)))
    return sorted(counted)
