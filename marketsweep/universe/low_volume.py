"""The kept low-volume list: built from median dollar volume, and ruled by the user's word.

What is built holds from the session that it was built from until it expires, so that a scan of
the past does not know what came later, and a list that nobody renews lets everybody in again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from marketsweep.core.records import LowVolume
from marketsweep.core.safe_text import some_of
from marketsweep.core.spellings import resolved
from marketsweep.core.suggest import names_near
from marketsweep.engine.panel.adjustments import History
from marketsweep.errors import CoverageError, UsageError
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.universe.liquidity import liquidity
from marketsweep.universe.market_day import MarketDay
from marketsweep.universe.screen import SESSIONS

LEAST: Final = 1e6
"""Dollars a session, below which a symbol is on the list where nothing else is asked for."""

EXPIRES: Final = "30d"

_DAYS: Final = re.compile(r"(\d{1,5})d")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of the list."""

    session: dt.date
    """That it was built from."""
    expires: dt.date
    sessions: int
    """Over which dollar volume was looked at."""
    least: float
    expected: int
    """Symbols that were judged."""
    listed: int
    """Symbols among them that are on the list now."""
    without_bars: int
    """Symbols among them without a bar in these sessions."""
    new: int
    gone: int
    waiting: int
    """Symbols that could not be judged, and stay on the list until they expire."""
    data_version: int

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        return facts | {"session": str(self.session), "expires": str(self.expires)}


def rebuild(
    store: Store, least: float = LEAST, sessions: int = SESSIONS, expires: str = EXPIRES
) -> Rebuilt:
    """Build the list anew from the newest session; the user's word stays.

    On it are the symbols that the market of that day should hold, and whose dollar volume has a
    median below `least` over the last `sessions`, or that have no bar in them. Those that were
    left out of a fetch cannot be judged, and stay until they expire. Raises UsageError for a day
    that cannot be, CoverageError where nothing is stored, StoreLocked and StoreError.
    """
    with store.writer() as writer, store.snapshot() as snapshot:
        if snapshot.newest is None:
            raise CoverageError("no session is stored yet: run marketsweep sync")
        day = MarketDay(History(snapshot, snapshot.newest))
        session, until = snapshot.newest, day_of(expires, snapshot.newest)
        traded = liquidity(day.history, sessions)
        found = {
            symbol: LowVolume(symbol, False, True, session, until, dollars, traded.sessions, least)
            for symbol, dollars in _dollars(day, traded.dollars)
            if dollars is None or dollars < least
        }
        stored = [line for line in snapshot.low_volume() if line.holds_on(session)]
        judged = frozenset(day.expected)
        named = {line: snapshot.ticker_on(line, session) for line in stored}
        before = {ticker for line, ticker in named.items() if not line.manual and ticker}
        kept = [line for line in stored if line.manual or named[line] not in judged]
        writer.put_low_volume([*kept, *found.values()])
    return Rebuilt(
        session=session,
        expires=until,
        sessions=traded.sessions,
        least=least,
        expected=len(day.expected),
        listed=len(found),
        without_bars=sum(line.dollars is None for line in found.values()),
        new=len(found.keys() - before),
        gone=len((before & judged) - found.keys()),
        waiting=len(before - judged),
        data_version=store.version(),
    )


def _dollars(
    day: MarketDay, of_columns: np.ndarray[Any, Any]
) -> Iterable[tuple[str, float | None]]:
    index, medians = day.history.snapshot.index, of_columns.tolist()
    for symbol in day.expected:
        median = medians[index[symbol]] if symbol in index else np.nan
        yield symbol, None if np.isnan(median) else median


def put_word(store: Store, symbols: Sequence[str], expires: str | None, *, out: bool) -> str:
    """Keep the user's word that symbols are to be left out, or never to be; it, in words.

    `expires` is a number of days from today ("30d") or a day; None is never. Raises UsageError
    for an unknown symbol and a day that cannot be, before anything is written.
    """
    today = dt.date.today()
    until = None if expires is None else day_of(expires, today)
    with store.writer() as writer, store.snapshot() as snapshot:
        symbols = _known(snapshot, symbols)
        given = frozenset(symbols)
        others = [
            line for line in snapshot.low_volume() if not (line.manual and line.symbol in given)
        ]
        words = [LowVolume(symbol, True, out, today, until) for symbol in given]
        writer.put_low_volume([*others, *words])
    what = "on the low-volume list" if out else "never on the low-volume list"
    return f"{some_of(symbols, 5)}: {what}, by your word" + (f", until {until}" if until else "")


def day_of(expires: str, start: dt.date) -> dt.date:
    """The day that a list expires on: so many days after `start` ("30d"), or a day after it."""
    days = _DAYS.fullmatch(expires.strip())
    try:
        day = start + dt.timedelta(int(days[1])) if days else dt.date.fromisoformat(expires)
    except (ValueError, OverflowError):
        raise UsageError(f"{expires!r} is not a time to expire: write 30d or 2027-01-31") from None
    if day <= start:
        raise UsageError(f"what begins on {start} cannot expire on {day}: write 30d or a later day")
    return day


def _known(snapshot: Snapshot, symbols: Iterable[str]) -> list[str]:
    """The symbols in the store's spelling. Raises UsageError for one that is not known."""
    known = {*snapshot.symbols, *(symbol for symbol, *_ in snapshot.lives())}
    found, _ = resolved(symbols, known)
    for symbol in found:
        if symbol not in known:
            near = names_near(symbol, known, cutoff=0.5)
            hint = f": did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"{symbol!r} is neither listed nor stored{hint}")
    return found


def reason(line: LowVolume) -> str:
    """Why a symbol is on the list, in words."""
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
    """A line as plain data; `holds` on `day`."""
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
