"""Fetching symbols one by one: what need not be asked, and what the answers are in sessions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from marketsweep.core.calendar import last_closed_session, session_on_or_before
from marketsweep.core.records import Quote, SessionBars, Span, SymbolBars
from marketsweep.store.known_sessions import Asked

if TYPE_CHECKING:
    from marketsweep.store.snapshot import Snapshot

_DAY: Final = dt.timedelta(days=1)


def sessions_of(histories: Sequence[SymbolBars]) -> list[SessionBars]:
    """Return bars by session, ascending; the symbols of a session in the order of `histories`."""
    histories = [bars for bars in histories if bars.days.size]
    if not histories:
        return []
    days = np.concatenate([bars.days for bars in histories])
    values = np.concatenate([bars.values for bars in histories], axis=1)
    owners = np.repeat(np.arange(len(histories)), [len(bars.days) for bars in histories])
    order = np.argsort(days, kind="stable")
    found, starts = np.unique(days[order], return_index=True)
    return [
        SessionBars(day, [histories[i].span.symbol for i in owners[places]], values[:, places])
        for day, places in zip(found.tolist(), np.split(order, starts[1:]), strict=True)
    ]


def asked_of(histories: Iterable[SymbolBars], now: dt.datetime) -> Asked:
    """What is known by these answers; an empty one may be a stumble, and makes nothing known."""
    past = _final_by(now)
    known: list[Span] = []
    for bars in histories:
        span = bars.span
        if bars.days.size:
            # A young session without a bar may be one that the source does not have yet.
            last = max(past, bars.days.max().item())
            known.append(Span(span.symbol, span.first, min(span.last, last)))
    return asked(known, now)


def asked(spans: Sequence[Span], now: dt.datetime) -> Asked:
    """The spans, with the part of them that is past late corrections."""
    past = _final_by(now)
    final = [Span(s.symbol, s.first, min(s.last, past)) for s in spans if s.first <= past]
    return Asked(spans, final)


def _final_by(now: dt.datetime) -> dt.date:
    """The newest session that is past late corrections: they come until the next close."""
    return _before(last_closed_session(now))


def is_recent(span: Span) -> bool:
    """Whether it is no longer than what a quote tells of: a session and the one before it."""
    return span.first >= _before(span.last)


def untraded(spans: Iterable[Span], quotes: Iterable[Quote], snapshot: Snapshot) -> list[Span]:
    """The recent spans of which quotes show that there is nothing new.

    Nothing was traded in the last session, and the bar of the one before it is as it was stored.
    """
    still = {quote.symbol: quote.before for quote in quotes if quote.today is None and quote.before}
    recent = [span for span in spans if span.symbol in still and is_recent(span)]
    stored = {day: snapshot.bars(day) for day in {_before(span.last) for span in recent}}

    def bar(span: Span) -> tuple[float, ...] | None:
        bars = stored[_before(span.last)]
        column = snapshot.index.get(span.symbol, -1)
        if bars is None or not 0 <= column < bars.shape[1]:
            return None
        return tuple(bars[:, column].tolist())

    return [span for span in recent if bar(span) == still[span.symbol]]


def _before(session: dt.date) -> dt.date:
    return session_on_or_before(session - _DAY)
