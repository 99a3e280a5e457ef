"""The rules for suspicious bars, in one table; nothing is repaired or excluded by default.

A rule sees the bars of a block of symbols up to one session and nothing later, so that its answer
for a past day is the answer that it would have given then.
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
from marketsweep.quality.series import LOT, NEIGHBORS, BarSeries, replace_impossible
from marketsweep.store.companies.rulings import action_text
from marketsweep.store.validation import doubts

_MIN_FROZEN_BARS: Final = 10
"""Smallest number of consecutive bars that are equal in all fields."""

_MIN_HOLE: Final = 20
"""Sessions without a bar; a symbol without reference data then no longer counts as listed."""

_MIN_RESTATED_SPLIT: Final = log(1.4)
"""Smallest split that is judged, in logs: others move the volume less than its usual changes."""

_MIN_FOREIGN_BARS: Final = 3
"""Number of bars in whole steps of `_STEP` that are taken for another currency."""

_STEP: Final = 5.0
"""Price step: US shares trade in cents, shares in won from 1,000 on in steps of 5 or more."""

_MIN_PRICE: Final = 1000.0
_MIN_VOLUME: Final = 1000.0
"""Smallest volume in shares: below it BRK.A was quoted in steps of 25 dollars and more."""

_MIN_USUAL_BARS: Final = 5
"""Number of bars needed to know the usual volume."""


class Flag(Struct, frozen=True):
    """Suspicious bars of one symbol, from day `first` to day `last`, with the evidence."""

    symbol: str
    rule: str
    first: dt.date
    last: dt.date
    evidence: str
    since: int
    """Number of the symbol's own bars after the suspicious ones."""


class RuleInput:
    """The input of the rules: a block of bars, and results that several rules share."""

    def __init__(
        self,
        bars: BarSeries,
        thin: NDArray[np.bool_],
        dismissed: Set[tuple[str, dt.date]] = frozenset(),
    ) -> None:
        self.bars = bars
        self.thin = thin
        """Whether the whole market had few bars, bool [sessions]."""
        self.dismissed = dismissed
        """Symbols and days for which the user says that there was no split."""

    @cached_property
    def doubts(self) -> dict[str, NDArray[np.bool_]]:
        """Masks of impossible bars, by kind."""
        return doubts(self.bars.values)

    @cached_property
    def breaks(self) -> list[Break]:
        """Price levels that change without a stored reason."""
        with np.errstate(all="ignore"):
            return list(find_breaks(self._possible_bars))

    @cached_property
    def _possible_bars(self) -> BarSeries:
        return replace_impossible(self.bars)

    def flag(
        self, rule: str, column: int, first: int, last: int, evidence: str, since: int | None = None
    ) -> Flag:
        """Return a flag for the bars `first` to `last` of a column."""
        return Flag(
            self.bars.symbols[column],
            rule,
            self.bars.day(first, column),
            self.bars.day(last, column),
            evidence,
            int(self.bars.count[column]) - 1 - last if since is None else since,
        )


class Rule(Struct, frozen=True):
    """One row of the table: what is suspicious, and whether a scan can exclude it."""

    name: str
    doc: str
    excludes: bool
    """Whether `--exclude-suspect` excludes a symbol for it."""
    find: Callable[[RuleInput], Iterable[Flag]]


def _breaks(kind: Kind, data: RuleInput) -> Iterator[Flag]:
    for match in data.breaks:
        # A lasting break is between two bars: a scan that uses no bar before it is not misled.
        since = int(data.bars.count[match.column]) - match.first if kind is Kind.SPLIT else None
        flag = data.flag(kind.value, match.column, match.first, match.last, match.evidence, since)
        dismissed = kind is Kind.SPLIT and (flag.symbol, flag.first) in data.dismissed
        if match.kind is kind and not dismissed:
            yield flag


def _find_premature(data: RuleInput) -> Iterator[Flag]:
    for column, doubtful in enumerate(data.bars.doubtful):
        for split in doubtful:
            evidence = f"reported as {action_text(split.ruling.action)}: {split.ruling.evidence}"
            since = int(data.bars.count[column]) - split.row
            yield data.flag("premature split", column, split.row, split.row, evidence, since)


def _find_restated(data: RuleInput) -> Iterator[Flag]:
    bars = data.bars
    for column, splits in enumerate(bars.splits):
        for entry in splits:
            usual = bars.values[VOLUME, max(0, entry.row - 1 - NEIGHBORS) : entry.row - 1, column]
            size = -log(entry.split.factor)
            if abs(size) < _MIN_RESTATED_SPLIT or len(usual) < _MIN_USUAL_BARS:
                continue
            volume, median = bars.values[VOLUME, entry.row - 1, column], float(np.median(usual))
            if min(volume, median) < 0 or log((volume + LOT) / (median + LOT)) / size < 0.5:
                continue
            row = entry.row - 1
            evidence = (
                f"volume {volume:,.0f} before the {entry.split.new:g}-for-{entry.split.old:g} "
                f"split, usually {median:,.0f}: already in new shares, but the close is not"
            )
            yield data.flag("restated volume", column, row, row, evidence)


def _find_frozen(data: RuleInput) -> Iterator[Flag]:
    values = data.bars.values
    same = (values[:, 1:] == values[:, :-1]).all(axis=0)
    for column, first, last in _runs(same):
        if last - first + 2 >= _MIN_FROZEN_BARS:
            close, volume = values[[CLOSE, VOLUME], first, column]
            evidence = f"{last - first + 2} bars at {close:,.4g} with volume {volume:,.0f}"
            yield data.flag("frozen", column, first, last + 1, evidence)


def _find_foreign(data: RuleInput) -> Iterator[Flag]:
    prices, volume = data.bars.values[:VOLUME], data.bars.values[VOLUME]
    coarse = ((prices >= _MIN_PRICE) & (prices % _STEP == 0)).all(axis=0) & (volume >= _MIN_VOLUME)
    coarse[:, coarse.sum(axis=0) < _MIN_FOREIGN_BARS] = False
    for column, first, last in _runs(coarse):
        close, shares = data.bars.values[[CLOSE, VOLUME], last, column]
        evidence = (
            f"{last - first + 1} bars in whole steps of {_STEP:g}, the last at {close:,.6g} with "
            f"volume {shares:,.0f}: not prices in dollars"
        )
        yield data.flag("foreign currency", column, first, last, evidence)


def _find_holes(data: RuleInput) -> Iterator[Flag]:
    bars = data.bars
    full_sessions = np.concatenate([[0], np.cumsum(~data.thin)])
    missed = full_sessions[bars.session[1:]] - full_sessions[bars.session[:-1] + 1]
    has_bar = np.arange(1, len(bars.session))[:, None] < bars.count
    for row, column in np.argwhere(has_bar & (missed >= _MIN_HOLE)).tolist():
        first = bars.dates[int(bars.session[row, column]) + 1]
        last = bars.dates[int(bars.session[row + 1, column]) - 1]
        closes = bars.values[CLOSE, [row, row + 1], column]
        evidence = (
            f"no bar in {missed[row, column]} sessions in which the market traded; closes "
            f"{closes[0]:,.4g} before and {closes[1]:,.4g} after"
        )
        since = int(bars.count[column]) - row - 1
        yield Flag(bars.symbols[column], "hole", first, last, evidence, since)


def _find_impossible(name: str, data: RuleInput) -> Iterator[Flag]:
    values = data.bars.values
    for column, first, last in _runs(data.doubts[name]):
        bar = ", ".join(
            f"{field} {value:,.6g}"
            for field, value in zip(FIELDS, values[:, last, column], strict=True)
        )
        evidence = bar if first == last else f"{last - first + 1} bars, the last: {bar}"
        yield data.flag(name.replace("_", " "), column, first, last, evidence)


def _runs(marks: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """Yield column, first and last row of every unbroken run of marks, bool [rows, columns]."""
    padded = np.zeros((marks.shape[1], marks.shape[0] + 2), np.int8)
    padded[:, 1:-1] = marks.T
    turns = np.diff(padded, axis=1)
    columns, firsts = np.nonzero(turns == 1)
    ends = np.nonzero(turns == -1)[1]
    yield from zip(columns.tolist(), firsts.tolist(), (ends - 1).tolist(), strict=True)


RULES: Final = (
    Rule(
        "missing split",
        "The price level changes overnight as after a split and stays there, but no split is "
        "stored.",
        True,
        partial(_breaks, Kind.SPLIT),
    ),
    Rule(
        "premature split",
        "A split is reported, but the price does not show it on its ex-date.",
        True,
        _find_premature,
    ),
    Rule(
        "wrong instrument",
        "Bars of another instrument under the ticker: the price leaves its level and returns, or "
        "trading nearly ends at the new level.",
        True,
        partial(_breaks, Kind.OTHER),
    ),
    Rule(
        "decimal slip",
        "One to three bars at 10, 100, 1/10 or 1/100 times the price of both neighbours.",
        True,
        partial(_breaks, Kind.SLIP),
    ),
    Rule(
        "foreign currency",
        f"Prices of {_MIN_PRICE:,.0f} or more in whole steps of {_STEP:g}, and many shares "
        "traded: bars of another exchange, such as prices in won.",
        True,
        _find_foreign,
    ),
    Rule(
        "hole",
        f"No bar in {_MIN_HOLE} sessions or more in which the rest of the market traded.",
        True,
        _find_holes,
    ),
    Rule(
        "nonpositive", "A price at or below zero.", True, partial(_find_impossible, "nonpositive")
    ),
    Rule("inverted", "The high is below the low.", True, partial(_find_impossible, "inverted")),
    Rule(
        "outside",
        "The open or the close is not between low and high.",
        True,
        partial(_find_impossible, "outside"),
    ),
    Rule(
        "absurd",
        "A price of ten million dollars or more.",
        True,
        partial(_find_impossible, "absurd"),
    ),
    Rule(
        "negative volume",
        "A volume below zero.",
        True,
        partial(_find_impossible, "negative_volume"),
    ),
    Rule(
        "restated volume",
        "The volume of the bar before a split is already in new shares, but the close is not.",
        False,
        _find_restated,
    ),
    Rule(
        "frozen",
        f"{_MIN_FROZEN_BARS} bars or more, equal in all fields: a quote without trades.",
        False,
        _find_frozen,
    ),
)
