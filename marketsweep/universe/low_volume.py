"""Maintain the low-volume list: built from median dollar volume, and overridden by the user.

A built list holds from its session until it expires. So a scan of the past does not use later
knowledge, and a list that nobody renews lets all symbols in again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from marketsweep.core.records import LowVolume
from marketsweep.core.safe_text import join_first
from marketsweep.core.spellings import resolve_tickers
from marketsweep.core.suggest import names_near
from marketsweep.engine.panel.adjustments import History
from marketsweep.errors import CoverageError, UsageError
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.universe.liquidity import liquidity
from marketsweep.universe.market_day import MarketDay
from marketsweep.universe.screen import SESSIONS

DEFAULT_FLOOR: Final = 1e6
"""Dollars per session; by default, symbols below are put on the list."""

DEFAULT_EXPIRY: Final = "30d"

_DAYS: Final = re.compile(r"(\d{1,5})d")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of building the list anew."""

    session: dt.date
    """The session that the list was built from."""
    expires: dt.date
    sessions: int
    """The number of sessions over which dollar volume was measured."""
    least: float
    expected: int
    """The number of symbols measured."""
    listed: int
    """How many of these symbols are on the list now."""
    without_bars: int
    """How many of these symbols have no bar in the sessions."""
    new: int
    gone: int
    waiting: int
    """Symbols that could not be measured, and stay on the list until they expire."""
    data_version: int

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        return facts | {"session": str(self.session), "expires": str(self.expires)}


def rebuild(
    store: Store,
    least: float = DEFAULT_FLOOR,
    sessions: int = SESSIONS,
    expires: str = DEFAULT_EXPIRY,
) -> Rebuilt:
    """Build the list anew from the newest session; the overrides of the user stay.

    The list holds the expected symbols of that session whose median dollar volume over the last
    `sessions` is below `least`, or that have no bar in these sessions. Symbols that were left out
    of a fetch cannot be measured, and stay on the list until they expire. Raises UsageError for an
    invalid `expires`, CoverageError if nothing is stored, StoreLocked and StoreError.
    """
    with store.writer() as writer, store.snapshot() as snapshot:
        if snapshot.newest is None:
            raise CoverageError("no session is stored yet: run marketsweep sync")
        day = MarketDay(History(snapshot, snapshot.newest))
        session, until = snapshot.newest, day_of(expires, snapshot.newest)
        volumes = liquidity(day.history, sessions)
        listed = {
            symbol: LowVolume(symbol, False, True, session, until, dollars, volumes.sessions, least)
            for symbol, dollars in _dollars(day, volumes.dollars)
            if dollars is None or dollars < least
        }
        stored = [line for line in snapshot.low_volume() if line.holds_on(session)]
        measured = frozenset(day.expected)
        tickers = {line: snapshot.ticker_on(line, session) for line in stored}
        previous = {ticker for line, ticker in tickers.items() if not line.manual and ticker}
        remaining = [line for line in stored if line.manual or tickers[line] not in measured]
        writer.put_low_volume([*remaining, *listed.values()])
    return Rebuilt(
        session=session,
        expires=until,
        sessions=volumes.sessions,
        least=least,
        expected=len(day.expected),
        listed=len(listed),
        without_bars=sum(line.dollars is None for line in listed.values()),
        new=len(listed.keys() - previous),
        gone=len((previous & measured) - listed.keys()),
        waiting=len(previous - measured),
        data_version=store.version(),
    )


def _dollars(
    day: MarketDay, of_columns: np.ndarray[Any, Any]
) -> Iterable[tuple[str, float | None]]:
    index, medians = day.history.snapshot.index, of_columns.tolist()
    for symbol in day.expected:
        median = medians[index[symbol]] if symbol in index else np.nan
        yield symbol, None if np.isnan(median) else median


def set_override(store: Store, symbols: Sequence[str], expires: str | None, *, out: bool) -> str:
    """Store the user's decision that symbols are to be on the list or never; return it in words.

    `out` puts the symbols on the list. `expires` is a number of days from today ("30d") or a day;
    None is never. Raises UsageError for an unknown symbol or an invalid `expires`, before anything
    is written.
    """
    today = dt.date.today()
    until = None if expires is None else day_of(expires, today)
    with store.writer() as writer, store.snapshot() as snapshot:
        symbols = _resolve(snapshot, symbols)
        chosen = frozenset(symbols)
        others = [
            line for line in snapshot.low_volume() if not (line.manual and line.symbol in chosen)
        ]
        overrides = [LowVolume(symbol, True, out, today, until) for symbol in chosen]
        writer.put_low_volume([*others, *overrides])
    effect = "on the low-volume list" if out else "never on the low-volume list"
    return f"{join_first(symbols, 5)}: {effect}, set by you" + (f", until {until}" if until else "")


def day_of(expires: str, start: dt.date) -> dt.date:
    """Return the day of expiry: a number of days after `start` ("30d"), or an ISO date.

    Raises UsageError if the text is invalid or the day is not after `start`.
    """
    days = _DAYS.fullmatch(expires.strip())
    try:
        day = start + dt.timedelta(int(days[1])) if days else dt.date.fromisoformat(expires)
    except (ValueError, OverflowError):
        raise UsageError(f"{expires!r} is not a valid end: write 30d or 2027-01-31") from None
    if day <= start:
        raise UsageError(
            f"an entry that starts on {start} cannot end on {day}: write 30d or a later day"
        )
    return day


def _resolve(snapshot: Snapshot, symbols: Iterable[str]) -> list[str]:
    """Return the symbols in the store's spelling. Raises UsageError for an unknown symbol."""
    known = {*snapshot.symbols, *(symbol for symbol, *_ in snapshot.lives())}
    spellings, _ = resolve_tickers(symbols, known)
    for symbol in spellings:
        if symbol not in known:
            suggestions = names_near(symbol, known, cutoff=0.5)
            hint = f": did you mean {' or '.join(suggestions)}?" if suggestions else ""
            raise UsageError(f"{symbol!r} is neither listed nor stored{hint}")
    return spellings


def reason(line: LowVolume) -> str:
    """Return why a symbol is on the list, in words."""
    if line.manual:
        return "by your word"
    assert line.least is not None
    if line.dollars is None:
        return f"no bar in {line.sessions:,} sessions"
    return (
        f"median of {line.dollars:,.0f} dollars in {line.sessions:,} sessions, "
        f"below {line.least:,.10g}"
    )


def to_dict(line: LowVolume, day: dt.date | None) -> dict[str, Any]:
    """Return a line of the list as plain data; `holds` is true if it applies on `day`."""
    return {
        "symbol": line.symbol,
        "out": line.out,
        "by": "you" if line.manual else "rebuild",
        "reason": reason(line),
        "dollars": line.dollars,
        "sessions": line.sessions,
        "least": line.least,
        "since": str(line.since),
        "expires": None if line.expires is None else str(line.expires),
        "holds": day is None or line.holds_on(day),
    }
