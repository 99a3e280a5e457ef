"""Judges what a provider yields, and merges it into what is stored: rows become bars.

A bar is complete: a row with a value that is not finite is set aside. So is a row without a usable
ticker, a row of a day on which the exchange was closed, and every complete row of a ticker in a
session but the last. Absurd but finite values are bars: they are counted here, and readers decide
about them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from marketsweep.core.calendar import is_session
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import ActionAside, Dividend, Split
from marketsweep.core.tickers import is_ticker
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.core.records import SessionBars
    from marketsweep.store.ticker_axis import Axis

REASONS: Final = (
    *("", "future day", "closed day", "no ticker", "incomplete", "duplicate", "contradicted"),
)
"""Why a row is set aside; if several reasons hold, the first counts.

A duplicate has the values of a later row of its ticker; a contradicted row has others.
"""
ECHO: Final = "bar of the session before"
"""Why a stored bar is set aside that came with a frozen session (`companies.stillness`)."""

_ACCEPTED, _FUTURE, _CLOSED, _NAMELESS, _INCOMPLETE, _DUPLICATE, _CONTRADICTED = range(7)


class Intake(NamedTuple):
    """One judged session: the bars of `values` [5, n] go to `columns`, each column once."""

    session: dt.date
    columns: NDArray[np.intp]
    values: NDArray[np.float64]
    new: list[str]
    """Tickers added to the axis by this session, in its order."""
    set_aside: list[tuple[str, str, tuple[float, ...]]]
    """Ticker, reason and values of each row set aside."""
    contradicted: list[tuple[str, tuple[float, ...], tuple[float, ...]]]
    """Ticker, values set aside, and values of the later row that counts."""


def judge(bars: SessionBars, axis: Axis, today: dt.date) -> Intake:
    """Sort a session's rows into bars and rows set aside; new tickers join the axis.

    All rows of a session after `today` are set aside. Raises UsageError if the shape of the values
    does not fit the tickers.
    """
    values, symbols = bars.values, bars.symbols
    if values.shape != (len(FIELDS), len(symbols)):
        raise UsageError(f"{bars.session}: {len(symbols)} tickers, but values {values.shape}")
    columns = axis.follow(symbols)
    unknown = np.flatnonzero(columns < 0).tolist()
    verdicts = _judge_rows(bars, unknown, today)
    new = axis.append({symbols[row] for row in unknown if verdicts[row] == _ACCEPTED})
    if new:
        columns[unknown] = axis.find([symbols[row] for row in unknown])
    contradicted = []
    for row, later_row in _find_superseded(columns, verdicts, len(axis)):
        verdicts[row] = _DUPLICATE
        if (values[:, row] != values[:, later_row]).any():
            verdicts[row] = _CONTRADICTED
            dropped, counted = values[:, row].tolist(), values[:, later_row].tolist()
            contradicted.append((symbols[row], tuple(dropped), tuple(counted)))
    good = verdicts == _ACCEPTED
    if not good.all():
        columns, values = columns[good], values[:, good]
    set_aside = [
        (_printable(symbols[row]), REASONS[verdicts[row]], tuple(bars.values[:, row].tolist()))
        for row in np.flatnonzero(~good).tolist()
    ]
    return Intake(bars.session, columns, values, new, set_aside, contradicted)


def _judge_rows(bars: SessionBars, unknown: list[int], today: dt.date) -> NDArray[np.int8]:
    verdicts = np.zeros(len(bars.symbols), np.int8)
    if bars.session > today:
        verdicts[:] = _FUTURE
        return verdicts
    if not is_session(bars.session):
        verdicts[:] = _CLOSED
        return verdicts
    verdicts[~np.isfinite(bars.values).all(axis=0)] = _INCOMPLETE
    # A ticker on the axis was checked before.
    verdicts[[row for row in unknown if not is_ticker(bars.symbols[row])]] = _NAMELESS
    return verdicts


_RATIOS: Final = (1e-6, 1e6)
"""Lowest and highest valid ratio of a split, in new shares for an old one."""


def judge_splits(splits: Iterable[Split]) -> tuple[list[Split], list[ActionAside]]:
    """Sort splits into valid ones and those that are set aside."""
    good: list[Split] = []
    aside: list[ActionAside] = []
    for split in splits:
        text = f"split {split.new:g}-for-{split.old:g}"
        if reason := _invalid_action(split, split.old, split.new) or _invalid_ratio(split):
            aside.append(ActionAside(_printable(split.symbol), split.ex_date, reason, text))
        else:
            good.append(split)
    return good, aside


def judge_dividends(dividends: Iterable[Dividend]) -> tuple[list[Dividend], list[ActionAside]]:
    """Sort dividends into valid ones and those that are set aside."""
    good: list[Dividend] = []
    aside: list[ActionAside] = []
    for dividend in dividends:
        text = f"dividend {dividend.cash:g}"
        if reason := _invalid_action(dividend, dividend.cash):
            aside.append(ActionAside(_printable(dividend.symbol), dividend.ex_date, reason, text))
        else:
            good.append(dividend)
    return good, aside


def _invalid_action(action: Split | Dividend, *values: float) -> str:
    if not is_ticker(action.symbol):
        return "no ticker"
    if not all(0.0 < value < inf for value in values):
        return "no amount above 0"
    return ""


def _invalid_ratio(split: Split) -> str:
    lowest, highest = _RATIOS
    return "" if lowest <= split.new / split.old <= highest else "a ratio beyond a million"


def _printable(text: str) -> str:
    # An invalid ticker can be any text, lone surrogates included.
    return text[:200].encode(errors="backslashreplace").decode()


def _find_superseded(
    columns: NDArray[np.intp], verdicts: NDArray[np.int8], width: int
) -> list[tuple[int, int]]:
    """Return pairs of accepted rows of one ticker: a replaced row, and the row that counts."""
    rows = np.flatnonzero(verdicts == _ACCEPTED)
    last = np.empty(width, np.intp)
    last[columns[rows]] = rows  # for equal indices NumPy keeps the last assignment
    superseded = rows[last[columns[rows]] != rows]
    return list(zip(superseded.tolist(), last[columns[superseded]].tolist(), strict=True))


class Merged(NamedTuple):
    """How a session's bars changed the row into which they were merged."""

    new: int
    unchanged: int
    kept: int
    """Stored bars that are absent now."""
    revised: NDArray[np.intp]
    """Columns whose bar changed."""
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    """Bars of those columns, [5, n]."""

    @property
    def changed(self) -> bool:
        """Whether any bar is new or revised."""
        return self.new > 0 or self.revised.size > 0


def merge(row: NDArray[np.float64], intake: Intake) -> Merged:
    """Write a session's bars into its row [5, symbols] of a segment, in place."""
    columns, values = intake.columns, intake.values
    stored_count = int(np.count_nonzero(~np.isnan(row[0])))
    if not stored_count:  # saves half of the work of a first sync
        row[:, columns] = values
        empty = values[:, :0]
        return Merged(len(columns), 0, 0, columns[:0], empty, empty)
    old_bars = row[:, columns]
    is_stored = ~np.isnan(old_bars[0])
    different = (old_bars != values).any(axis=0)
    revised = is_stored & different
    # Equal bars are not written: the file must not change if only the sign of a zero does.
    row[:, columns[different]] = values[:, different]
    overlap = int(np.count_nonzero(is_stored))
    return Merged(
        new=len(columns) - overlap,
        unchanged=overlap - int(np.count_nonzero(revised)),
        kept=stored_count - overlap,
        revised=columns[revised],
        before=old_bars[:, revised],
        after=values[:, revised],
    )


def drop_echoes(
    row: NDArray[np.float64], before: NDArray[np.float64], intake: Intake
) -> NDArray[np.intp]:
    """Remove bars from a session's row [5, symbols] that its new fetch lacks, in place.

    Only bars equal to those of the session before, `before` [5, symbols], are removed. Return their
    columns, intp [n].
    """
    is_absent = ~np.isnan(row[0])
    is_absent[intake.columns[intake.columns < len(is_absent)]] = False
    is_absent[before.shape[1] :] = False
    columns = np.flatnonzero(is_absent)
    echoes: NDArray[np.intp] = columns[(row[:, columns] == before[:, columns]).all(axis=0)]
    row[:, echoes] = np.nan
    return echoes


_ROUNDING: Final = 1e-6
"""Part of a price by which it may be wrong because it was rounded."""

ABSURD: Final = 1e7
"""Dollars per share; no listed US share has reached a tenth of it."""


def doubts(bars: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Return masks of bars [5, ...]: which bars exist ("bars"), and which are doubtful, by kind."""
    open_price, high, low, close, volume = bars  # NaN compares as false
    # A price stored in four bytes is off by less than a ten-millionth of itself.
    tolerance = _ROUNDING * np.abs(close)
    body_low, body_high = np.minimum(open_price, close), np.maximum(open_price, close)
    return {
        "bars": ~np.isnan(close),
        "nonpositive": np.minimum(body_low, np.minimum(high, low)) <= 0,
        "inverted": high < low,
        "outside": (body_low < low - tolerance) | (body_high > high + tolerance),
        "absurd": np.maximum(body_high, np.maximum(high, low)) >= ABSURD,
        "no_volume": volume == 0,
        "negative_volume": volume < 0,
    }


def quality(row: NDArray[np.float64]) -> dict[str, int]:
    """Return how many bars a session [5, symbols] has, and how many are doubtful, by kind."""
    return {name: int(np.count_nonzero(marks)) for name, marks in doubts(row).items()}
