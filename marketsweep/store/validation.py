"""Judging what a provider yields, and merging it into what is stored: rows to bars.

A bar is complete or it is not a bar: a row with a value that is not finite is set aside, and so is
one without a usable ticker, one of a day on which the exchange was closed, and all but the last
complete row of a ticker within one session. Absurd but finite values are bars: they are counted
here, and left to whoever reads them.
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
    from marketsweep.store.axis import Axis

REASONS: Final = (
    *("", "future day", "closed day", "no ticker", "incomplete", "duplicate", "contradicted"),
)
"""Why a row is set aside; where several hold, the first of them counts.

A duplicate has the values of a later row of its ticker, and a contradicted row has others.
"""
ECHO: Final = "bar of the session before"
"""Why a stored bar is set aside that came with a session in which the market stood still."""

_ACCEPTED, _FUTURE, _CLOSED, _NAMELESS, _INCOMPLETE, _DUPLICATE, _CONTRADICTED = range(7)


class Intake(NamedTuple):
    """One session, judged: the bars of `values` [5, n] go to `columns`, each column once."""

    session: dt.date
    columns: NDArray[np.intp]
    values: NDArray[np.float64]
    new: list[str]
    """Tickers that the axis got from this session, in its order."""
    set_aside: list[tuple[str, str, tuple[float, ...]]]
    """Ticker, reason, values."""
    contradicted: list[tuple[str, tuple[float, ...], tuple[float, ...]]]
    """Ticker, values set aside, values of the later row that counts."""


def judge(bars: SessionBars, axis: Axis, today: dt.date) -> Intake:
    """Sort a session's rows into bars and rows set aside; new tickers join the axis.

    A session after `today` is yet to come. Raises UsageError where the values' shape does not
    fit the tickers.
    """
    values, symbols = bars.values, bars.symbols
    if values.shape != (len(FIELDS), len(symbols)):
        raise UsageError(f"{bars.session}: {len(symbols)} tickers, but values {values.shape}")
    columns = axis.follow(symbols)
    unknown = np.flatnonzero(columns < 0).tolist()
    verdicts = _verdicts(bars, unknown, today)
    new = axis.append({symbols[row] for row in unknown if verdicts[row] == _ACCEPTED})
    if new:
        columns[unknown] = axis.find([symbols[row] for row in unknown])
    contradicted = []
    for row, later in _superseded(columns, verdicts, len(axis)):
        verdicts[row] = _DUPLICATE
        if (values[:, row] != values[:, later]).any():
            verdicts[row] = _CONTRADICTED
            told, kept = values[:, row].tolist(), values[:, later].tolist()
            contradicted.append((symbols[row], tuple(told), tuple(kept)))
    good = verdicts == _ACCEPTED
    if not good.all():
        columns, values = columns[good], values[:, good]
    aside = [
        (_legible(symbols[row]), REASONS[verdicts[row]], tuple(bars.values[:, row].tolist()))
        for row in np.flatnonzero(~good).tolist()
    ]
    return Intake(bars.session, columns, values, new, aside, contradicted)


def _verdicts(bars: SessionBars, unknown: list[int], today: dt.date) -> NDArray[np.int8]:
    verdicts = np.zeros(len(bars.symbols), np.int8)
    if bars.session > today:
        verdicts[:] = _FUTURE
        return verdicts
    if not is_session(bars.session):
        verdicts[:] = _CLOSED
        return verdicts
    verdicts[~np.isfinite(bars.values).all(axis=0)] = _INCOMPLETE
    # A ticker on the axis has passed already.
    verdicts[[row for row in unknown if not is_ticker(bars.symbols[row])]] = _NAMELESS
    return verdicts


_RATIOS: Final = (1e-6, 1e6)
"""New shares for an old one between which a split can be."""


def judge_splits(splits: Iterable[Split]) -> tuple[list[Split], list[ActionAside]]:
    """Sort splits into those that can be and those that are set aside."""
    good: list[Split] = []
    aside: list[ActionAside] = []
    for split in splits:
        told = f"split {split.new:g}-for-{split.old:g}"
        if reason := _no_action(split, split.old, split.new) or _no_ratio(split):
            aside.append(ActionAside(_legible(split.symbol), split.ex_date, reason, told))
        else:
            good.append(split)
    return good, aside


def judge_dividends(dividends: Iterable[Dividend]) -> tuple[list[Dividend], list[ActionAside]]:
    """Sort dividends into those that can be and those that are set aside."""
    good: list[Dividend] = []
    aside: list[ActionAside] = []
    for dividend in dividends:
        told = f"dividend {dividend.cash:g}"
        if reason := _no_action(dividend, dividend.cash):
            aside.append(ActionAside(_legible(dividend.symbol), dividend.ex_date, reason, told))
        else:
            good.append(dividend)
    return good, aside


def _no_action(action: Split | Dividend, *values: float) -> str:
    if not is_ticker(action.symbol):
        return "no ticker"
    if not all(0.0 < value < inf for value in values):
        return "no amount above 0"
    return ""


def _no_ratio(split: Split) -> str:
    least, most = _RATIOS
    return "" if least <= split.new / split.old <= most else "a ratio beyond a million"


def _legible(text: str) -> str:
    # A ticker that is none can be anything, lone surrogates included.
    return text[:200].encode(errors="backslashreplace").decode()


def _superseded(
    columns: NDArray[np.intp], verdicts: NDArray[np.int8], width: int
) -> list[tuple[int, int]]:
    """The accepted rows that a later accepted row of the same ticker replaces, and that row."""
    rows = np.flatnonzero(verdicts == _ACCEPTED)
    last = np.empty(width, np.intp)
    last[columns[rows]] = rows  # of equal indices the last assignment stays, says NumPy
    superseded = rows[last[columns[rows]] != rows]
    return list(zip(superseded.tolist(), last[columns[superseded]].tolist(), strict=True))


class Merged(NamedTuple):
    """What a session's bars did to the row they were merged into."""

    new: int
    unchanged: int
    kept: int
    """Stored before and absent now."""
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
    """Put a session's bars into its row [5, symbols] of a segment, in place."""
    columns, values = intake.columns, intake.values
    held = int(np.count_nonzero(~np.isnan(row[0])))
    if not held:  # half of the work of a first sync would be comparing with nothing
        row[:, columns] = values
        none = values[:, :0]
        return Merged(len(columns), 0, 0, columns[:0], none, none)
    old = row[:, columns]
    stored = ~np.isnan(old[0])
    different = (old != values).any(axis=0)
    revised = stored & different
    # Equal bars are not written: the file must not change where only the sign of a zero did.
    row[:, columns[different]] = values[:, different]
    overlap = int(np.count_nonzero(stored))
    return Merged(
        new=len(columns) - overlap,
        unchanged=overlap - int(np.count_nonzero(revised)),
        kept=held - overlap,
        revised=columns[revised],
        before=old[:, revised],
        after=values[:, revised],
    )


def drop_echoes(
    row: NDArray[np.float64], before: NDArray[np.float64], intake: Intake
) -> NDArray[np.intp]:
    """Remove bars from a session's row [5, symbols] that its new answer lacks, in place.

    Only bars equal to those of the session before, `before` [5, symbols], are removed. Return their
    columns.
    """
    absent = ~np.isnan(row[0])
    absent[intake.columns[intake.columns < len(absent)]] = False
    absent[before.shape[1] :] = False
    columns = np.flatnonzero(absent)
    echoes: NDArray[np.intp] = columns[(row[:, columns] == before[:, columns]).all(axis=0)]
    row[:, echoes] = np.nan
    return echoes


_ROUNDED: Final = 1e-6
"""Part of a price by which it may be off since it was rounded."""

ABSURD: Final = 1e7
"""Dollars a share; the dearest share ever listed here stood below a tenth of it."""


def doubts(bars: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Which bars [5, ...] there are, and which of them are doubtful, by kind."""
    opened, high, low, close, volume = bars  # NaN is false in every comparison
    # A price that was kept in four bytes is off by less than a ten-millionth of itself.
    off = _ROUNDED * np.abs(close)
    body_low, body_high = np.minimum(opened, close), np.maximum(opened, close)
    return {
        "bars": ~np.isnan(close),
        "nonpositive": np.minimum(body_low, np.minimum(high, low)) <= 0,
        "inverted": high < low,
        "outside": (body_low < low - off) | (body_high > high + off),
        "absurd": np.maximum(body_high, np.maximum(high, low)) >= ABSURD,
        "no_volume": volume == 0,
        "negative_volume": volume < 0,
    }


def quality(row: NDArray[np.float64]) -> dict[str, int]:
    """How many bars a session [5, symbols] has, and how many of them are doubtful, by kind."""
    return {name: int(np.count_nonzero(marks)) for name, marks in doubts(row).items()}
