"""What followed presets on the example market, worked out once more: events and returns.

Nothing of the package is used. A symbol is bought at the open of the session after the first of a
streak of bars on which its preset holds, and sold at the close of the h-th session after it. Cash
of dividends is reinvested: prices before an ex-date are multiplied by 1 - cash / close before it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray

from tests.golden.market import FILES, Market, Series, _date, _splits, read_all
from tests.golden.presets import PRESETS

HORIZONS = (1, 5, 20, 63)

PAUSE = 5
"""Sessions without a bar after which a streak ends."""

TIE = 1e-9
"""A price as near to a stop or a target as this reaches it."""

DOUBTED = ("GAINM", "TANNI")
"""The file names another security of their company as their earlier ticker."""


@dataclass(frozen=True)
class Event:
    """A signal, by the symbol's last ticker; returns by horizon, None without one."""

    symbol: str
    day: int
    returns: tuple[float | None, ...]


@dataclass(frozen=True)
class Rules:
    """What ends a position before its horizon: a stop and a target in shares or ATRs of 14 bars,
    and a close that crosses its mean of 50 bars from above, known at that close."""

    stop: float | None = None
    target: float | None = None
    in_atrs: bool = False
    below_mean: bool = False


@dataclass(frozen=True)
class History:
    """Every symbol of the example market, its dividends as shares of the close before."""

    sessions: NDArray[np.int64]
    series: dict[str, Series]
    successor: dict[tuple[str, int], str]
    paid: dict[str, list[tuple[int, float]]]
    """By symbol: the day from which on the price lacks a dividend, and what is left of it."""

    @property
    def market(self) -> Market:
        return Market(_date(self.sessions[-1]), self.series)


@cache
def history() -> History:
    sessions, series, successor = read_all()
    actions = pl.read_parquet(FILES / "actions.parquet")
    splits = _splits(actions)
    shares: defaultdict[tuple[str, int], float] = defaultdict(float)
    told = actions.filter(pl.col("kind") == "dividend").select("symbol", "ex_date", "cash")
    for ticker, ex_date, reported in told.iter_rows():
        ex_day = (ex_date - _date(0)).days
        symbol = successor.get((ticker, _last_traded(sessions, successor, ticker, ex_day)), ticker)
        at = int(np.searchsorted(sessions, ex_day))
        if symbol not in series or not 0 < at < len(sessions):
            continue
        s = series[symbol]
        before = int(np.searchsorted(s.day, sessions[at])) - 1
        if before < 0:
            continue
        later = [ratio for name in {ticker, symbol} for day, ratio in splits[name] if day > ex_date]
        cash = reported * math.prod(later)
        if s.close[before] > cash > 0:
            shares[symbol, int(sessions[at])] += cash / s.close[before]
    paid: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for (symbol, day), share in shares.items():
        if share < 1:
            paid[symbol].append((day, 1 - share))
    return History(sessions, series, successor, dict(paid))


def _last_traded(
    sessions: NDArray[np.int64], successor: dict[tuple[str, int], str], ticker: str, day: int
) -> int:
    """The first session from a day on in which an earlier ticker was traded, or the day."""
    later = (int(d) for d in sessions[np.searchsorted(sessions, day) :][:5])
    return next((d for d in later if (ticker, d) in successor), day)


def events(
    preset: str, entry: str = "next_open", *, dividends: bool = True, rules: Rules | None = None
) -> tuple[list[Event], set[str]]:
    """The events of a preset, and the symbols where a rounding error may decide it."""
    h = history()
    truths = {symbol: PRESETS[preset](s, h.market) for symbol, s in h.series.items()}
    # A clause may be false before the others are known: the preset can be evaluated where it first
    # holds for any of six thousand symbols, or where it is known for the last of them.
    first_true = min(int(np.argmax(t.true)) for t in truths.values() if t.true.any())
    last_known = max(
        int(np.argmax(t.true | t.false))
        for t in truths.values()
        if len(t.true) == len(h.sessions) and (t.true | t.false).any()
    )
    needed = 1 + max(first_true, last_known)
    found, unsure = list[Event](), set[str]()
    for symbol, s in h.series.items():
        truth = truths[symbol]
        if len(truth.true) != len(s.day):
            continue  # fewer bars than it needs
        if (truth.true & truth.false).any():
            unsure.add(symbol)
            continue
        rows = np.searchsorted(h.sessions, s.day)
        for i in np.flatnonzero(truth.true).tolist():
            goes_on = i > 0 and rows[i] - rows[i - 1] <= PAUSE and truth.true[i - 1]
            is_unknown = rows[0] < PAUSE and i + 1 <= needed
            if not goes_on and not is_unknown:
                row = int(rows[i])
                ended = None if rules is None else _ended(h, s, i, rows, entry, rules)
                returns = tuple(_returns(h, s, row, entry, dividends, ended))
                found.append(Event(symbol, int(h.sessions[row]), returns))
    return found, unsure


def _ended(  # noqa: PLR0911, a line for each way out
    h: History, s: Series, signal: int, rows: NDArray[np.int64], kind: str, rules: Rules
) -> tuple[int, float] | None:
    """The session in which a rule ends the position, and the return; None if no rule does."""
    row = int(rows[signal])
    entry_row = row + (kind != "close")
    entry = int(np.searchsorted(rows, entry_row))
    if entry == len(rows) or rows[entry] != entry_row:
        return None
    paid = (s.open if kind == "next_open" else s.close)[entry]
    day = int(h.sessions[row])
    dividends = [(d, part) for d, part in h.paid.get(s.symbol, ()) if d > day]

    def growth(price: float, bar: int) -> float:
        """The price over that of the entry, with what was paid out since."""
        between = (part for d, part in dividends if h.sessions[entry_row] < d <= s.day[bar])
        return float(price / paid / math.prod(between))

    atr = talib.ATR(s.high, s.low, s.close, 14)[signal]
    atr *= math.prod(part for d, part in dividends if d <= h.sessions[entry_row])
    unit = atr / paid if rules.in_atrs else 1.0
    mean = talib.SMA(s.close, 50)
    sells_at = {"next_open": s.open, "close": s.close, "next_close": s.close}[kind]
    is_leaving = False
    first = int(np.searchsorted(rows, row + (2 if kind == "next_close" else 1)))
    beyond = int(np.searchsorted(rows, row + HORIZONS[-1], "right"))
    for bar in range(first, beyond):
        if is_leaving and kind == "next_open":
            return int(rows[bar]), growth(sells_at[bar], bar) - 1
        opened, low, high = (growth(x[bar], bar) for x in (s.open, s.low, s.high))
        if rules.stop is not None and low <= (1 - rules.stop * unit) * (1 + TIE):
            return int(rows[bar]), min(opened, 1 - rules.stop * unit) - 1
        if rules.target is not None and high >= (1 + rules.target * unit) * (1 - TIE):
            return int(rows[bar]), max(opened, 1 + rules.target * unit) - 1
        if is_leaving:
            return int(rows[bar]), growth(sells_at[bar], bar) - 1
        if rules.below_mean and s.close[bar] < mean[bar]:
            if kind == "close":
                return int(rows[bar]), growth(s.close[bar], bar) - 1
            is_leaving = True
    return None


def _returns(
    h: History,
    s: Series,
    row: int,
    kind: str,
    dividends: bool,
    ended: tuple[int, float] | None = None,
) -> Iterator[float | None]:
    bought = s.open if kind == "next_open" else s.close
    for horizon in HORIZONS:
        if row + horizon >= len(h.sessions):
            yield None
            continue
        entry_day, exit_day = h.sessions[row + (kind != "close")], h.sessions[row + horizon]
        entry = int(np.searchsorted(s.day, entry_day))
        if entry == len(s.day) or s.day[entry] != entry_day or not bought[entry] > 0:
            yield None
            continue
        if ended is not None and ended[0] <= row + horizon:
            yield ended[1]
            continue
        end = int(np.searchsorted(s.day, exit_day, "right")) - 1
        left = 1.0
        for day, part in h.paid.get(s.symbol, ()) if dividends else ():
            left *= part if entry_day < day <= s.day[end] else 1.0
        yield float(s.close[end] / (bought[entry] * left) - 1)
