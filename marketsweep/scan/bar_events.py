"""Find the bars that a chart marks: splits, dividends and suspicious bars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal, NamedTuple

from marketsweep.engine.panel.adjustments import History
from marketsweep.quality.inspection import find_flags
from marketsweep.quality.rules import RULES
from marketsweep.quality.series import actions_of, by_ticker, company_of
from marketsweep.store.companies.rulings import action_text

Kind = Literal["split", "dividend", "suspicious"]


class BarEvent(NamedTuple):
    """An event of a session, with the text that a chart shows."""

    day: dt.date
    kind: Kind
    text: str


def find_events(history: History, symbols: Sequence[str]) -> dict[str, list[BarEvent]]:
    """Return the events of the symbols' companies up to the last session of a history, by symbol.

    A bar is suspicious if it breaks a rule for which a scan can exclude a symbol. Raises
    StoreDamaged.
    """
    snapshot, dates = history.snapshot, history.dates
    companies = [company_of(history, symbol) for symbol in symbols]
    events: dict[str, list[BarEvent]] = {symbol: [] for symbol in symbols}
    splits, dividends = by_ticker(history.splits), by_ticker(history.dividends)
    for company in companies:
        symbol_events = events[company.symbol]
        for split in actions_of(snapshot, dates, company, splits):
            symbol_events.append(BarEvent(split.ex_date, "split", action_text(split)))
        for dividend in actions_of(snapshot, dates, company, dividends):
            symbol_events.append(BarEvent(dividend.ex_date, "dividend", action_text(dividend)))
    rules = [rule for rule in RULES if rule.excludes]
    for flag in find_flags(snapshot, dates, companies, rules):
        event = BarEvent(flag.first, "suspicious", f"{flag.rule}: {flag.evidence}")
        events[flag.symbol].append(event)
    return {symbol: sorted(symbol_events) for symbol, symbol_events in events.items()}
