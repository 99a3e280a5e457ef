"""What becomes of a told split or dividend, and the ones that count.

A told action is never changed: a *ruling* says whether it counts, for which ticker and on which
day, and why. `judging` makes the rulings. Actions without one count just as they are told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Literal, NamedTuple, TypeVar, cast

from marketsweep.core.records import Dividend, Settled, Split

Kind = Literal["split", "dividend"]

_Action = TypeVar("_Action", Split, Dividend)


class Verdict(StrEnum):
    """What becomes of a told action."""

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
        """Whether prices contradict the action, so that a scan that rests on it must warn."""
        return self in _SUSPECT

    @property
    def is_told(self) -> bool:
        """Whether a sync tells of such actions one by one."""
        return self not in (Verdict.OTHER_TICKER, Verdict.TOLD_TWICE, Verdict.OVERRULED)


_SUSPECT: Final = {Verdict.MOVED, Verdict.REPEATED, Verdict.CONTRADICTED}


class Ruling(NamedTuple):
    """What becomes of a told action; `value` and `other` are its ratio, or its cash and 0."""

    kind: Kind
    symbol: str
    ex_date: dt.date
    value: float
    other: float
    verdict: Verdict
    ticker: str | None
    """The ticker that it is applied to; None if it is not applied."""
    day: dt.date | None
    """The ex-date that it is applied on."""
    evidence: str

    @property
    def action(self) -> Split | Dividend:
        """The action as told."""
        if self.kind == "split":
            return Split(self.symbol, self.ex_date, self.value, self.other)
        return Dividend(self.symbol, self.ex_date, self.value)

    @property
    def said(self) -> str:
        """The action in words, as `NFX 2024-09-06 split 1-for-50`."""
        return f"{self.symbol} {self.ex_date} {said(self.action)}"


def said(action: Split | Dividend) -> str:
    """An action in words, without its ticker and day."""
    if isinstance(action, Split):
        return f"split {action.new:g}-for-{action.old:g}"
    return f"dividend {action.cash:g}"


def effective(
    told: Iterable[_Action],
    rulings: Iterable[Ruling],
    words: Iterable[Settled],
    places: Mapping[tuple[str, dt.date], str],
) -> list[_Action]:
    """The actions of one kind that count, by symbol and ex-date, under the tickers of their days.

    `rulings` and `words` are those of this kind. `places` gives the ticker of that day for the
    symbol and day of a word that the user gave under another one.
    """
    ruled = {ruling.action: ruling for ruling in rulings}
    spoken = {(word.symbol, word.ex_date) for word in words}
    spoken |= {(places[place], place[1]) for place in spoken if place in places}
    found: list[_Action] = []
    for action in told:
        ruling = ruled.get(action)
        if ruling is None:
            one = action
        elif ruling.ticker is None or ruling.day is None:
            continue
        else:
            one = action._replace(symbol=ruling.ticker, ex_date=ruling.day)
        if (one.symbol, one.ex_date) not in spoken:
            found.append(one)
    for word in words:
        if word.action is not None:
            ticker = places.get((word.symbol, word.ex_date), word.symbol)
            found.append(cast("_Action", word.action._replace(symbol=ticker)))
    return sorted(found)
