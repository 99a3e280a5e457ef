"""The rules for suspicious bars, in one table; nothing is repaired, and nothing left out unasked.

A rule looks at the bars of a block of symbols up to one session and at nothing later, so that
what it says of a day in the past is what it would have said then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Set
from functools import cached_property, partial
from math import log
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, FIELDS, VOLUME
from marketsweep.quality.price_breaks import Break, Kind, find_breaks
from marketsweep.quality.series import AROUND, LOT, OwnBars, possible
from marketsweep.store.companies.rulings import said
from marketsweep.store.validation import doubts

_FROZEN: Final = 10
"""Bars alike in all fields."""

_HOLE: Final = 20
"""Sessions. After as many a symbol of which no reference data tells does not count as listed."""

_RESTATED: Final = log(1.4)
"""Smaller splits move the volume by less than it moves by itself."""

_FOREIGN: Final = 3
"""Bars in whole steps of `_STEP` from which a price is taken for one in another currency."""

_STEP: Final = 5.0
"""US shares trade in cents. From 1,000 on, won trade in steps of 5 or more."""

_DEAR: Final = 1000.0
_MANY: Final = 1000.0
"""Shares. BRK.A was quoted in steps of 25 dollars and more when fewer of it changed hands."""

_ENOUGH: Final = 5
"""Bars that say what volume is usual."""


class Flag(Struct, frozen=True):
    """Suspicious bars of one symbol, from day `first` to day `last`, and why."""

    symbol: str
    rule: str
    first: dt.date
    last: dt.date
    evidence: str
    since: int
    """How many bars of its own the symbol has had after them."""


class Judged:
    """What the rules look at: a block of bars, and what they share of its study."""

    def __init__(
        self,
        bars: OwnBars,
        thin: NDArray[np.bool_],
        dismissed: Set[tuple[str, dt.date]] = frozenset(),
    ) -> None:
        self.bars = bars
        self.thin = thin
        """Whether the whole market had few bars, by session."""
        self.dismissed = dismissed
        """Symbols and days of which the user says that no split was there."""

    @cached_property
    def doubts(self) -> dict[str, NDArray[np.bool_]]:
        """Bars that cannot be, by kind."""
        return doubts(self.bars.values)

    @cached_property
    def breaks(self) -> list[Break]:
        """Price levels that change without a reason that is stored."""
        with np.errstate(all="ignore"):
            return list(find_breaks(self._possible))

    @cached_property
    def _possible(self) -> OwnBars:
        return possible(self.bars)

    def flag(
        self, rule: str, column: int, first: int, last: int, evidence: str, since: int | None = None
    ) -> Flag:
        """A flag on the bars `first` to `last` of a column."""
        return Flag(
            self.bars.symbols[column],
            rule,
            self.bars.day(first, column),
            self.bars.day(last, column),
            evidence,
            int(self.bars.count[column]) - 1 - last if since is None else since,
        )


class Rule(Struct, frozen=True):
    """One row of the table: what is suspicious, and whether a scan can leave it out."""

    name: str
    doc: str
    excludes: bool
    """Whether `--exclude-suspect` leaves a symbol out for it."""
    find: Callable[[Judged], Iterable[Flag]]


def _breaks(kind: Kind, judged: Judged) -> Iterator[Flag]:
    for one in judged.breaks:
        # A lasting break lies between two bars: whoever looks at no bar before it is not misled.
        before = int(judged.bars.count[one.column]) - one.first if kind is Kind.SPLIT else None
        flag = judged.flag(kind.value, one.column, one.first, one.last, one.evidence, before)
        dismissed = kind is Kind.SPLIT and (flag.symbol, flag.first) in judged.dismissed
        if one.kind is kind and not dismissed:
            yield flag


def _premature(judged: Judged) -> Iterator[Flag]:
    for column, doubtful in enumerate(judged.bars.doubtful):
        for one in doubtful:
            evidence = f"told as {said(one.ruling.action)}: {one.ruling.evidence}"
            since = int(judged.bars.count[column]) - one.row
            yield judged.flag("premature split", column, one.row, one.row, evidence, since)


def _restated(judged: Judged) -> Iterator[Flag]:
    bars = judged.bars
    for column, splits in enumerate(bars.splits):
        for told in splits:
            usual = bars.values[VOLUME, max(0, told.row - 1 - AROUND) : told.row - 1, column]
            size = -log(told.split.factor)
            if abs(size) < _RESTATED or len(usual) < _ENOUGH:
                continue
            volume, median = bars.values[VOLUME, told.row - 1, column], float(np.median(usual))
            if min(volume, median) < 0 or log((volume + LOT) / (median + LOT)) / size < 0.5:
                continue
            row = told.row - 1
            evidence = (
                f"volume {volume:,.0f} before the {told.split.new:g}-for-{told.split.old:g} split, "
                f"where {median:,.0f} was usual: in new shares already, and the close is not"
            )
            yield judged.flag("restated volume", column, row, row, evidence)


def _frozen(judged: Judged) -> Iterator[Flag]:
    values = judged.bars.values
    same = (values[:, 1:] == values[:, :-1]).all(axis=0)
    for column, first, last in _runs(same):
        if last - first + 2 >= _FROZEN:
            close, volume = values[[CLOSE, VOLUME], first, column]
            evidence = f"{last - first + 2} bars at {close:,.4g} with volume {volume:,.0f}"
            yield judged.flag("frozen", column, first, last + 1, evidence)


def _foreign(judged: Judged) -> Iterator[Flag]:
    prices, volume = judged.bars.values[:VOLUME], judged.bars.values[VOLUME]
    coarse = ((prices >= _DEAR) & (prices % _STEP == 0)).all(axis=0) & (volume >= _MANY)
    coarse[:, coarse.sum(axis=0) < _FOREIGN] = False
    for column, first, last in _runs(coarse):
        close, shares = judged.bars.values[[CLOSE, VOLUME], last, column]
        evidence = (
            f"{last - first + 1} bars in whole steps of {_STEP:g}, the last at {close:,.6g} with "
            f"volume {shares:,.0f}: not prices in dollars"
        )
        yield judged.flag("foreign currency", column, first, last, evidence)


def _holes(judged: Judged) -> Iterator[Flag]:
    bars = judged.bars
    whole = np.concatenate([[0], np.cumsum(~judged.thin)])
    missed = whole[bars.session[1:]] - whole[bars.session[:-1] + 1]
    there = np.arange(1, len(bars.session))[:, None] < bars.count
    for row, column in np.argwhere(there & (missed >= _HOLE)).tolist():
        first = bars.dates[int(bars.session[row, column]) + 1]
        last = bars.dates[int(bars.session[row + 1, column]) - 1]
        closes = bars.values[CLOSE, [row, row + 1], column]
        evidence = (
            f"no bar in {missed[row, column]} sessions in which the market was there; closes "
            f"{closes[0]:,.4g} before and {closes[1]:,.4g} after"
        )
        since = int(bars.count[column]) - row - 1
        yield Flag(bars.symbols[column], "hole", first, last, evidence, since)


def _doubtful(name: str, judged: Judged) -> Iterator[Flag]:
    values = judged.bars.values
    for column, first, last in _runs(judged.doubts[name]):
        bar = ", ".join(
            f"{field} {value:,.6g}"
            for field, value in zip(FIELDS, values[:, last, column], strict=True)
        )
        evidence = bar if first == last else f"{last - first + 1} bars, the last: {bar}"
        yield judged.flag(name.replace("_", " "), column, first, last, evidence)


def _runs(marks: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """Column, first and last row of every unbroken run of marks [rows, columns]."""
    padded = np.zeros((marks.shape[1], marks.shape[0] + 2), np.int8)
    padded[:, 1:-1] = marks.T
    turns = np.diff(padded, axis=1)
    columns, firsts = np.nonzero(turns == 1)
    ends = np.nonzero(turns == -1)[1]
    yield from zip(columns.tolist(), firsts.tolist(), (ends - 1).tolist(), strict=True)


RULES: Final = (
    Rule(
        "missing split",
        "The price level changes overnight as by a split, stays, and no split is stored.",
        True,
        partial(_breaks, Kind.SPLIT),
    ),
    Rule(
        "premature split",
        "A split is told, and the price does not show it on its ex-date.",
        True,
        _premature,
    ),
    Rule(
        "wrong instrument",
        "Another instrument's bars under the ticker: the price leaves its level and comes back, "
        "or trading all but ends where it goes.",
        True,
        partial(_breaks, Kind.OTHER),
    ),
    Rule(
        "decimal slip",
        "One to three bars at 10, 100, 1/10 or 1/100 times of both neighbours.",
        True,
        partial(_breaks, Kind.SLIP),
    ),
    Rule(
        "foreign currency",
        f"Prices of {_DEAR:,.0f} or more in whole steps of {_STEP:g}, and not few shares: bars of "
        "another exchange, as in won.",
        True,
        _foreign,
    ),
    Rule(
        "hole",
        f"No bar in {_HOLE} sessions or more in which the rest of the market was there.",
        True,
        _holes,
    ),
    Rule("nonpositive", "A price at or below zero.", True, partial(_doubtful, "nonpositive")),
    Rule("inverted", "The high is below the low.", True, partial(_doubtful, "inverted")),
    Rule(
        "outside",
        "The open or the close is not between low and high.",
        True,
        partial(_doubtful, "outside"),
    ),
    Rule("absurd", "A price of ten million dollars or more.", True, partial(_doubtful, "absurd")),
    Rule(
        "negative volume",
        "A volume below zero.",
        True,
        partial(_doubtful, "negative_volume"),
    ),
    Rule(
        "restated volume",
        "The volume of the bar before a split is in new shares already, and the close is not.",
        False,
        _restated,
    ),
    Rule(
        "frozen",
        f"{_FROZEN} bars or more alike in all fields: a quote that nobody traded on.",
        False,
        _frozen,
    ),
)
