"""Helpers of a sync by symbol: skip unchanged symbols, and group received bars by session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from marketsweep.core.calendar import last_closed_session, session_on_or_before
from marketsweep.core.records import Quote, SessionBars, Span, SymbolBars
from marketsweep.store.known_sessions import SymbolRequest

if TYPE_CHECKING:
    from marketsweep.store.snapshot import Snapshot

_DAY: Final = dt.timedelta(days=1)


def group_by_session(histories: Sequence[SymbolBars]) -> list[SessionBars]:
    """Return bars by session, ascending; the symbols of a session in the order of `histories`."""
    histories = [bars for bars in histories if bars.days.size]
    if not histories:
        return []
    days = np.concatenate([bars.days for bars in histories])
    values = np.concatenate([bars.values for bars in histories], axis=1)
    indices = np.repeat(np.arange(len(histories)), [len(bars.days) for bars in histories])
    order = np.argsort(days, kind="stable")
    sessions, starts = np.unique(days[order], return_index=True)
    return [
        SessionBars(day, [histories[i].span.symbol for i in indices[columns]], values[:, columns])
        for day, columns in zip(sessions.tolist(), np.split(order, starts[1:]), strict=True)
    ]


def spans_received(histories: Iterable[SymbolBars], now: dt.datetime) -> SymbolRequest:
    """Return the spans that these answers cover, and their final parts.

    An empty answer may be a temporary failure, so its span counts as not fetched.
    """
    final = _last_final_session(now)
    received: list[Span] = []
    for bars in histories:
        span = bars.span
        if bars.days.size:
            # A provisional session without a bar may be one that the source does not have yet.
            last = max(final, bars.days.max().item())
            received.append(Span(span.symbol, span.first, min(span.last, last)))
    return spans_fetched(received, now)


def spans_fetched(spans: Sequence[Span], now: dt.datetime) -> SymbolRequest:
    """Return the spans, together with the part of each that is past late corrections."""
    until = _last_final_session(now)
    final = [Span(s.symbol, s.first, min(s.last, until)) for s in spans if s.first <= until]
    return SymbolRequest(spans, final)


def _last_final_session(now: dt.datetime) -> dt.date:
    """Return the newest session that is past late corrections, which end at the next close."""
    return _previous_session(last_closed_session(now))


def is_recent(span: Span) -> bool:
    """Return whether a span has at most the two sessions of a quote: the last and the previous."""
    return span.first >= _previous_session(span.last)


def without_trades(
    spans: Iterable[Span], quotes: Iterable[Quote], snapshot: Snapshot
) -> list[Span]:
    """Return the recent spans for which quotes show that there is nothing new.

    The symbol was not traded in the last session, and its bar of the session before is equal to the
    stored one.
    """
    untraded = {
        quote.symbol: quote.before for quote in quotes if quote.today is None and quote.before
    }
    recent = [span for span in spans if span.symbol in untraded and is_recent(span)]
    stored = {day: snapshot.bars(day) for day in {_previous_session(span.last) for span in recent}}

    def bar(span: Span) -> tuple[float, ...] | None:
        bars = stored[_previous_session(span.last)]
        column = snapshot.index.get(span.symbol, -1)
        if bars is None or not 0 <= column < bars.shape[1]:
            return None
        return tuple(bars[:, column].tolist())

    return [span for span in recent if bar(span) == untraded[span.symbol]]


def _previous_session(session: dt.date) -> dt.date:
    return session_on_or_before(session - _DAY)
