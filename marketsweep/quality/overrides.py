"""The user's word on splits and dividends: read, checked, stored, taken back.

It wins over the provider's of the same symbol, day and kind, and no sync undoes it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import Any, Final, get_args

from marketsweep.core.calendar import NEW_YORK, is_session, session_on_or_before
from marketsweep.core.records import Dividend, Settled, Split
from marketsweep.errors import UsageError
from marketsweep.quality.inspection import find_flags
from marketsweep.quality.rules import RULES
from marketsweep.quality.series import company
from marketsweep.store.companies.rulings import Kind, Ruling, Verdict
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

_RATIO: Final = re.compile(r"(\d+(?:\.\d+)?)-for-(\d+(?:\.\d+)?)", re.IGNORECASE)
_LARGEST: Final = 10_000
"""Shares for one, or for one share: a split beyond it is a slip of the keyboard."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What holds of a symbol's splits or dividends on one day, and by whose word."""

    symbol: str
    ex_date: dt.date
    action: str
    """In words: "split 1-for-10", "dividend 0.25", "no split"."""
    by: str
    """"provider" or "you"."""
    instead_of: str
    """What a provider told and the user overruled; empty where nothing."""
    ruling: str = ""
    """What becomes of it and why, if it does not count just as it is told."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data: an element of the JSON of `marketsweep actions list --json`."""
        return {
            "symbol": self.symbol,
            "ex_date": self.ex_date.isoformat(),
            "action": self.action,
            "by": self.by,
            "instead_of": self.instead_of,
            "ruling": self.ruling,
        }


def entries(snapshot: Snapshot, symbol: str | None = None) -> list[Entry]:
    """Every told split and dividend, what becomes of it, and the user's word, by symbol and day.

    Of a symbol, those that are told under another ticker of its company are included. Raises
    UsageError for a symbol of which nothing is stored.
    """
    rulings = {
        ruling.action: ruling
        for kind in get_args(Kind)
        for ruling in snapshot.rulings(kind)
        if ruling.verdict is not Verdict.OVERRULED
    }

    def concerns(action: Split | Dividend) -> bool:
        ruling = rulings.get(action)
        return symbol in (None, action.symbol, ruling and ruling.ticker)

    words = [one for one in snapshot.settled() if symbol in (None, one.symbol)]
    told = [one for one in snapshot.told() if concerns(one)]
    if symbol is not None and not words and not told:
        ticker = snapshot.ticker(symbol)
        if ticker != symbol:
            return entries(snapshot, ticker)
    settled = {(one.symbol, one.ex_date, one.kind) for one in words}
    found = [
        Entry(one.symbol, one.ex_date, in_words(one), "provider", "", _becomes(rulings.get(one)))
        for one in told
        if (one.symbol, one.ex_date, _kind(one)) not in settled
    ]
    for word in words:
        action = in_words(word.action) if word.action else f"no {word.kind}"
        place = (word.symbol, word.ex_date, word.kind)
        overruled = [
            in_words(one) for one in told if (one.symbol, one.ex_date, _kind(one)) == place
        ]
        found.append(Entry(word.symbol, word.ex_date, action, "you", ", ".join(overruled)))
    return sorted(found, key=lambda entry: (entry.symbol, entry.ex_date, entry.action))


def _becomes(ruling: Ruling | None) -> str:
    """What becomes of a told action, in words."""
    if ruling is None:
        return ""
    if ruling.ticker and ruling.day:
        return f"applied to {ruling.ticker} on {ruling.day}: {ruling.evidence}"
    return f"{ruling.verdict.value}: {ruling.evidence}"


def in_words(action: Split | Dividend) -> str:
    """An action as the command line takes it: split 2-for-1, dividend 0.25."""
    if isinstance(action, Split):
        return f"split {action.new:.10g}-for-{action.old:.10g}"
    return f"dividend {action.cash:.10g}"


def add(store: Store, symbol: str, ex_date: dt.date, kind: Kind, value: str) -> str:
    """Store the user's split ("1-for-10") or dividend ("0.25"); what is known then, in words.

    Raises UsageError, before anything is written, for an unknown symbol, a day without trading
    or to come, and a value that is none; StoreLocked while another process writes.
    """
    action = _split(symbol, ex_date, value) if kind == "split" else _cash(symbol, ex_date, value)
    with store.snapshot() as snapshot:
        symbol = snapshot.ticker(symbol)
    _check_day(ex_date)
    with store.writer() as writer:
        writer.settle(Settled(symbol, ex_date, kind, action))
    return f"{symbol}: {in_words(action)} on {ex_date}, by your word"


def dismiss(store: Store, symbol: str, ex_date: dt.date, kind: Kind) -> str:
    """Store that there was no split or dividend; what is known then, in words.

    Raises UsageError where neither a provider tells one nor a rule suspects one.
    """
    with store.snapshot() as snapshot:
        symbol = snapshot.ticker(symbol)
        _check_day(ex_date)
        word = Settled(symbol, ex_date, kind, None)
        suspected = kind == "split" and _is_suspected(snapshot, symbol, ex_date)
        told = _is_told(snapshot, symbol, ex_date, kind)
        if not (told or suspected or word in snapshot.settled()):
            raise UsageError(
                f"no {kind} of {symbol} is told or suspected on {ex_date}: marketsweep actions "
                f"list {symbol} and marketsweep status --quality --symbol {symbol} show what is"
            )
    with store.writer() as writer:
        writer.settle(word)
    return f"{symbol}: no {kind} on {ex_date}, by your word"


def remove(store: Store, symbol: str, ex_date: dt.date, kind: Kind) -> str:
    """Forget the user's word, so that the provider's holds again; what is known then, in words."""
    with store.snapshot() as snapshot:
        words = {(one.symbol, one.ex_date, one.kind) for one in snapshot.settled()}
    if (symbol, ex_date, kind) not in words:
        raise UsageError(
            f"you have said nothing of a {kind} of {symbol} on {ex_date}: marketsweep actions list "
            "shows what you have"
        )
    with store.writer() as writer:
        writer.unsettle(symbol, ex_date, kind)
    return f"{symbol}: your word on a {kind} on {ex_date} is taken back"


def _split(symbol: str, ex_date: dt.date, value: str) -> Split:
    match = _RATIO.fullmatch(value.strip())
    new, old = map(float, match.groups()) if match else (0.0, 0.0)
    if not (new > 0 and old > 0):
        raise UsageError(
            f"{value!r} is not a valid split: write NEW-for-OLD, as 2-for-1, or 1-for-10 for a "
            "reverse split"
        )
    if new == old or max(new / old, old / new) > _LARGEST:
        raise UsageError(f"a split of {value} cannot be: it changes nothing, or more than 10,000x")
    return Split(symbol, ex_date, old, new)


def _cash(symbol: str, ex_date: dt.date, value: str) -> Dividend:
    try:
        cash = float(value)
    except ValueError:
        cash = math.nan
    if not 0 < cash < math.inf:
        raise UsageError(
            f"{value!r} is not a valid dividend: write dollars a share above 0, as 0.25"
        )
    return Dividend(symbol, ex_date, cash)


def _check_day(ex_date: dt.date) -> None:
    if ex_date > dt.datetime.now(NEW_YORK).date():
        raise UsageError(f"{ex_date} lies in the future: an action is told once it has happened")
    if not is_session(ex_date):
        raise UsageError(
            f"the exchange was closed on {ex_date}: an ex-date is a session, as "
            f"{session_on_or_before(ex_date)} before it"
        )


def _kind(action: Split | Dividend) -> Kind:
    return "split" if isinstance(action, Split) else "dividend"


def _is_told(snapshot: Snapshot, symbol: str, ex_date: dt.date, kind: Kind) -> bool:
    place = (symbol, ex_date, kind)
    return any((one.symbol, one.ex_date, _kind(one)) == place for one in snapshot.told())


def _is_suspected(snapshot: Snapshot, symbol: str, ex_date: dt.date) -> bool:
    rules = [rule for rule in RULES if rule.name == "missing split"]
    wanted = [company(snapshot, snapshot.sessions, symbol)]
    flags = find_flags(snapshot, snapshot.sessions, wanted, rules)
    return any(flag.first == ex_date for flag in flags)
