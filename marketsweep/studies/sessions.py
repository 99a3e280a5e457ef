"""Answers of many past sessions: which they are, how many go into one pass, what they cover."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from marketsweep.core.calendar import sessions_from_to
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.facts import DATED
from marketsweep.engine.panel.vintages import breaks_of
from marketsweep.engine.plan import Plan
from marketsweep.errors import CoverageError, UsageError
from marketsweep.language import tree
from marketsweep.language.tree import Node
from marketsweep.scan.loader import Loader
from marketsweep.scan.scan import MIN_COVERAGE
from marketsweep.studies.signals_result import SessionReceipt
from marketsweep.universe.screen import Screen

BLOCK: Final = 252
"""Sessions evaluated at once at the most: a year."""


def chosen_sessions(
    loader: Loader, since: dt.date | None, until: dt.date | None, last: dt.date
) -> list[dt.date]:
    """The stored sessions from `since` (None: a year before) to `last`, that of `until`.

    Raises UsageError where there is none.
    """
    stored = loader.snapshot.whole or loader.sessions
    end = bisect_right(stored, last)
    first = max(0, end - BLOCK) if since is None else bisect_left(stored, since)
    if first < end:
        return stored[first:end]
    if since and until and since > until:
        raise UsageError(f"--since {since} comes after --until {until}")
    if since and since > stored[-1]:
        raise UsageError(
            f"--since {since} is after the last stored session, {stored[-1]}: run marketsweep sync"
        )
    raise UsageError(f"no session is stored from {since} to {until or last}")


# -- one pass or several


def are_whole(loader: Loader, sessions: Sequence[dt.date]) -> bool:
    """Whether no session among these has the bars of some symbols alone."""
    return not any(sessions[0] <= day <= sessions[-1] for day in loader.snapshot.partial)


def is_of_one_pass(screen: Screen, nodes: Iterable[Node], plan: Plan) -> bool:
    """Whether what is asked at a bar depends on that session's symbols alone, or on one symbol.

    A pre-screen must depend on facts that do not change from day to day.
    """
    by_day = screen.skip_low_volume or screen.min_price is not None
    by_day |= screen.min_dollar_volume is not None
    where = [condition.node for condition in screen.where]
    parts = [part for node in (*nodes, *where) for part in node.walk()]
    dated = any(isinstance(part, tree.Fact) and part.name in DATED for part in parts)
    ranked = any(isinstance(part, tree.Derived) for node in where for part in node.walk())
    return not (by_day or dated or ranked) and _compares_today(plan)


def _compares_today(plan: Plan) -> bool:
    """Whether symbols are compared in the session at hand alone.

    In an earlier one, whoever has no bar today would not count. Running weeks and months are of
    the newest bar by their nature.
    """
    return all(
        (isinstance(one.node, tree.Other) or _compares_today(one.plan))
        and not (isinstance(one.node, tree.Standing | tree.Breadth) and one.rows > 1)
        and not (isinstance(one.node, tree.Framed) and (one.node.running or _is_compared(one.plan)))
        for one in plan.derived
    )


def _is_compared(plan: Plan) -> bool:
    return any(isinstance(one.node, tree.Standing | tree.Breadth) for one in plan.derived)


def blocks_of(
    nodes: Iterable[Node], loader: Loader, sessions: Sequence[dt.date], adjust: Adjust
) -> Iterator[list[dt.date]]:
    """Sessions to evaluate at once: a new block where another symbol's past becomes another."""
    history = loader.day(sessions[-1]).history
    first = bisect_left(history.dates, sessions[0])
    others = {part.symbol for node in nodes for part in node.walk() if isinstance(part, tree.Other)}
    breaks = sorted(set().union(*(breaks_of(history, symbol, first, adjust) for symbol in others)))
    places = [bisect_left(sessions, history.dates[place]) for place in breaks]
    most = BLOCK if adjust != "total" else BLOCK // 4
    begin = 0
    for end in [*places, len(sessions)]:
        while begin < end:
            yield list(sessions[begin : min(end, begin + most)])
            begin = min(end, begin + most)


# -- what is covered


def doubts(
    stored: Sequence[dt.date], needed: int, receipts: Sequence[SessionReceipt]
) -> Iterator[str]:
    """What speaks against the answers: gaps between sessions, and sessions that lack bars."""
    first = bisect_left(stored, receipts[0].session)
    end = bisect_right(stored, receipts[-1].session)
    looked_at = stored[max(0, first + 1 - needed) : end]
    missing = sessions_from_to(looked_at[0], looked_at[-1]) + 1 - len(looked_at)
    if missing:
        yield (
            f"{missing:,} of the sessions from {looked_at[0]} to {looked_at[-1]} are not stored: "
            "they have no hits, and indicators run over the gap: run marketsweep sync"
        )
    thin = [one for one in receipts if one.share < MIN_COVERAGE]
    if thin:
        worst = min(thin, key=lambda one: one.share)
        yield (
            f"in {len(thin):,} of the {len(receipts):,} sessions less than {MIN_COVERAGE:.0%} of "
            f"the symbols asked for have a bar, in that of {worst.session} {worst.share:.1%}: run "
            "marketsweep sync"
        )


def require_answers(sessions: Sequence[SessionReceipt], needed: int) -> None:
    """Raises CoverageError where nothing was evaluated, or too little of the newest session."""
    newest = sessions[-1]
    if not any(one.evaluated for one in sessions):
        if all(one.prescreen == one.expected for one in sessions):
            raise CoverageError(
                "nothing passes the pre-screen in any of these sessions, or the facts that it asks "
                "for are not stored: marketsweep scan with the same --where says which"
            )
        raise CoverageError(
            f"no symbol has the {needed} bars that the condition needs up to any of "
            "these sessions: run marketsweep sync with an earlier --since"
        )
    if newest.share < MIN_COVERAGE:
        raise CoverageError(
            f"only {newest.share:.1%} of the symbols asked for have a bar on {newest.session}, the "
            "newest of these sessions: run marketsweep sync, or choose an earlier --until"
        )
