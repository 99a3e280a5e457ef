"""The user's overrides of splits and dividends: read, checked, stored, removed.

An override replaces the provider's actions of the same symbol, day and kind, and no sync undoes it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import Any, Final, get_args

from marketsweep.core.calendar import NEW_YORK, is_session, session_on_or_before
from marketsweep.core.records import ActionOverride, Dividend, Split
from marketsweep.errors import UsageError
from marketsweep.quality.inspection import find_flags
from marketsweep.quality.rules import RULES
from marketsweep.quality.series import find_company
from marketsweep.store.companies.rulings import Kind, Ruling, Verdict
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

_RATIO_PATTERN: Final = re.compile(r"(\d+(?:\.\d+)?)-for-(\d+(?:\.\d+)?)", re.IGNORECASE)
_MAX_RATIO: Final = 10_000
"""Largest ratio of a split, either way: a larger one is a typing error."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What applies to a symbol's splits or dividends on one day, and who said so."""

    symbol: str
    ex_date: dt.date
    action: str
    """As text: "split 1-for-10", "dividend 0.25", "no split"."""
    by: str
    """"provider" or "you"."""
    instead_of: str
    """The provider's action that the user replaced; empty if there is none."""
    ruling: str = ""
    """The decision and its reason, if the action is not applied exactly as reported."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: an element of the JSON of `marketsweep actions list --json`."""
        return {
            "symbol": self.symbol,
            "ex_date": self.ex_date.isoformat(),
            "action": self.action,
            "by": self.by,
            "instead_of": self.instead_of,
            "ruling": self.ruling,
        }


def entries(snapshot: Snapshot, symbol: str | None = None) -> list[Entry]:
    """Return every reported action with its ruling, and the user's overrides, by symbol and day.

    For one symbol, actions reported under other tickers of its company are included. Raises
    UsageError if nothing is stored for the symbol.
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

    overrides = [override for override in snapshot.overrides() if symbol in (None, override.symbol)]
    reported = [action for action in snapshot.reported_actions() if concerns(action)]
    if symbol is not None and not overrides and not reported:
        ticker = snapshot.ticker(symbol)
        if ticker != symbol:
            return entries(snapshot, ticker)
    overridden = {(override.symbol, override.ex_date, override.kind) for override in overrides}
    listed = [
        Entry(
            action.symbol,
            action.ex_date,
            in_words(action),
            "provider",
            "",
            _ruling_text(rulings.get(action)),
        )
        for action in reported
        if (action.symbol, action.ex_date, _kind_of(action)) not in overridden
    ]
    for override in overrides:
        action = in_words(override.action) if override.action else f"no {override.kind}"
        key = (override.symbol, override.ex_date, override.kind)
        overruled = [
            in_words(action)
            for action in reported
            if (action.symbol, action.ex_date, _kind_of(action)) == key
        ]
        listed.append(Entry(override.symbol, override.ex_date, action, "you", ", ".join(overruled)))
    return sorted(listed, key=lambda entry: (entry.symbol, entry.ex_date, entry.action))


def _ruling_text(ruling: Ruling | None) -> str:
    """Return the decision about a reported action, as text."""
    if ruling is None:
        return ""
    if ruling.ticker and ruling.day:
        return f"applied to {ruling.ticker} on {ruling.day}: {ruling.evidence}"
    return f"{ruling.verdict.value}: {ruling.evidence}"


def in_words(action: Split | Dividend) -> str:
    """Return an action as the command line takes it: split 2-for-1, dividend 0.25."""
    if isinstance(action, Split):
        return f"split {action.new:.10g}-for-{action.old:.10g}"
    return f"dividend {action.cash:.10g}"


def add(store: Store, symbol: str, ex_date: dt.date, kind: Kind, value: str) -> str:
    """Store the user's split ("1-for-10") or dividend ("0.25"), and return the new state as text.

    Raises UsageError, before anything is written, for an unknown symbol, a day that is in the
    future or not a session, and an invalid value. Raises StoreLocked while another process writes.
    """
    action = (
        _parse_split(symbol, ex_date, value)
        if kind == "split"
        else _parse_cash(symbol, ex_date, value)
    )
    with store.snapshot() as snapshot:
        symbol = snapshot.ticker(symbol)
    _check_day(ex_date)
    with store.writer() as writer:
        writer.put_override(ActionOverride(symbol, ex_date, kind, action))
    return f"{symbol}: {in_words(action)} on {ex_date}, set by you"


def dismiss(store: Store, symbol: str, ex_date: dt.date, kind: Kind) -> str:
    """Store that there was no split or dividend, and return the new state as text.

    Raises UsageError if neither a provider reports one nor a rule suspects one.
    """
    with store.snapshot() as snapshot:
        symbol = snapshot.ticker(symbol)
        _check_day(ex_date)
        override = ActionOverride(symbol, ex_date, kind, None)
        is_suspected = kind == "split" and _is_suspected(snapshot, symbol, ex_date)
        is_reported = _is_reported(snapshot, symbol, ex_date, kind)
        if not (is_reported or is_suspected or override in snapshot.overrides()):
            raise UsageError(
                f"no {kind} of {symbol} is reported or suspected on {ex_date}: see marketsweep "
                f"actions list {symbol} and marketsweep status --quality --symbol {symbol}"
            )
    with store.writer() as writer:
        writer.put_override(override)
    return f"{symbol}: no {kind} on {ex_date}, set by you"


def remove(store: Store, symbol: str, ex_date: dt.date, kind: Kind) -> str:
    """Remove an override, and return the new state as text; the provider's action counts again."""
    with store.snapshot() as snapshot:
        overridden = {(entry.symbol, entry.ex_date, entry.kind) for entry in snapshot.overrides()}
    if (symbol, ex_date, kind) not in overridden:
        raise UsageError(
            f"you have no entry for a {kind} of {symbol} on {ex_date}: marketsweep actions list "
            "shows your entries"
        )
    with store.writer() as writer:
        writer.remove_override(symbol, ex_date, kind)
    return f"{symbol}: your entry for a {kind} on {ex_date} is removed"


def _parse_split(symbol: str, ex_date: dt.date, value: str) -> Split:
    match = _RATIO_PATTERN.fullmatch(value.strip())
    new, old = map(float, match.groups()) if match else (0.0, 0.0)
    if not (new > 0 and old > 0):
        raise UsageError(
            f"{value!r} is not a valid split: write NEW-for-OLD, such as 2-for-1, or 1-for-10 for "
            "a reverse split"
        )
    if new == old or max(new / old, old / new) > _MAX_RATIO:
        raise UsageError(f"invalid split {value}: the ratio is 1, or above 10,000")
    return Split(symbol, ex_date, old, new)


def _parse_cash(symbol: str, ex_date: dt.date, value: str) -> Dividend:
    try:
        cash = float(value)
    except ValueError:
        cash = math.nan
    if not 0 < cash < math.inf:
        raise UsageError(
            f"{value!r} is not a valid dividend: write dollars per share above 0, such as 0.25"
        )
    return Dividend(symbol, ex_date, cash)


def _check_day(ex_date: dt.date) -> None:
    if ex_date > dt.datetime.now(NEW_YORK).date():
        raise UsageError(f"{ex_date} lies in the future: add an action after it has happened")
    if not is_session(ex_date):
        raise UsageError(
            f"the exchange was closed on {ex_date}: an ex-date must be a session, such as "
            f"{session_on_or_before(ex_date)} before it"
        )


def _kind_of(action: Split | Dividend) -> Kind:
    return "split" if isinstance(action, Split) else "dividend"


def _is_reported(snapshot: Snapshot, symbol: str, ex_date: dt.date, kind: Kind) -> bool:
    key = (symbol, ex_date, kind)
    return any(
        (action.symbol, action.ex_date, _kind_of(action)) == key
        for action in snapshot.reported_actions()
    )


def _is_suspected(snapshot: Snapshot, symbol: str, ex_date: dt.date) -> bool:
    rules = [rule for rule in RULES if rule.name == "missing split"]
    companies = [find_company(snapshot, snapshot.sessions, symbol)]
    flags = find_flags(snapshot, snapshot.sessions, companies, rules)
    return any(flag.first == ex_date for flag in flags)
