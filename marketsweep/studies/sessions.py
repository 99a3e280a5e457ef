"""Split past sessions into passes, and judge what the results of many sessions cover."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from marketsweep.core.calendar import sessions_distance
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.facts import DATED
from marketsweep.engine.panel.vintages import breaks_of
from marketsweep.engine.plan import Plan
from marketsweep.errors import CoverageError, UsageError
from marketsweep.language import tree
from marketsweep.language.tree import Node
from marketsweep.language.vocabulary import GROUPS, PAST_EVENTS
from marketsweep.scan.loader import Loader
from marketsweep.scan.receipt import MIN_COVERAGE
from marketsweep.studies.signals_result import SessionReceipt
from marketsweep.universe.screen import Screen

_MOST_CHANGES: Final = 4
"""Changes of facts, for each symbol, up to which one pass is made."""
BLOCK: Final = 252
"""The largest number of sessions evaluated at once: a year."""


def select_sessions(
    loader: Loader, since: dt.date | None, until: dt.date | None, last: dt.date
) -> list[dt.date]:
    """Return the stored sessions from `since` to `last`, which is the session of `until`.

    None for `since` selects a year. Raises UsageError if there is no such session.
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


def are_complete(loader: Loader, sessions: Sequence[dt.date]) -> bool:
    """Return whether no session in the range of these has bars of some symbols only."""
    return not any(sessions[0] <= day <= sessions[-1] for day in loader.snapshot.partial)


def facts_of_vintages(
    screen: Screen, nodes: Iterable[Node], loader: Loader, shown: Collection[str] = ()
) -> frozenset[str]:
    """Return the stored facts that must not change within a vintage of one pass.

    A fact of bars has a value at each bar. Those of the pre-screen, of groups, of listings, and
    those `shown` have one value in a vintage.
    """
    trees = list(nodes)
    used = tree.facts_of([condition.node for condition in screen.where]) | tree.groups_of(trees)
    used |= (tree.facts_of(trees) & {*GROUPS}) | {*shown}
    return loader.stored_dated_facts.intersection(used)


def fits_one_pass(
    screen: Screen,
    nodes: Sequence[Node],
    plan: Plan,
    loader: Loader,
    sessions: Sequence[dt.date],
    shown: Collection[str] = (),
) -> bool:
    """Return whether one pass can evaluate nodes for many sessions.

    It can if the value at a bar depends on one symbol, or on the symbols of that session alone. The
    pre-screen and the groups must not depend on facts that change from day to day by themselves,
    and stored facts must not change so often that their vintages would fill the memory.
    """
    by_themselves = DATED.union(PAST_EVENTS)
    changes_daily = screen.skip_low_volume or screen.min_price is not None
    changes_daily |= screen.min_dollar_volume is not None
    where = [condition.node for condition in screen.where]
    changes_daily |= not tree.facts_of(nodes).isdisjoint(DATED)
    changes_daily |= not {*tree.facts_of(where), *tree.groups_of(nodes)}.isdisjoint(by_themselves)
    if facts := facts_of_vintages(screen, nodes, loader, shown):
        first = bisect_left(loader.sessions, sessions[0])
        changes = loader.count_fact_changes(sessions[-1], first, facts)
        changes_daily |= changes > _MOST_CHANGES * len(loader.snapshot.symbols)
    ranked = any(isinstance(part, tree.Derived) for node in where for part in node.walk())
    return not (changes_daily or ranked) and _compares_within_session(plan)


def _compares_within_session(plan: Plan) -> bool:
    """Return whether symbols are compared within the session of the result alone.

    In an earlier session, a symbol without a bar today would not count. Running weeks and months
    depend on the newest bar.
    """
    return all(
        (isinstance(derived.node, tree.OtherSymbol) or _compares_within_session(derived.plan))
        and not (isinstance(derived.node, tree.Rank | tree.MarketAggregate) and derived.rows > 1)
        and not (
            isinstance(derived.node, tree.Resampled)
            and (derived.node.running or _has_comparison(derived.plan))
        )
        for derived in plan.derived
    )


def _has_comparison(plan: Plan) -> bool:
    return any(
        isinstance(derived.node, tree.Rank | tree.MarketAggregate) for derived in plan.derived
    )


def split_into_blocks(
    nodes: Iterable[Node], loader: Loader, sessions: Sequence[dt.date], adjust: Adjust
) -> Iterator[list[dt.date]]:
    """Yield blocks of sessions to evaluate at once.

    A new block begins where the past of another symbol changes (ticker change or adjustment).
    """
    history = loader.day(sessions[-1]).history
    first = bisect_left(history.dates, sessions[0])
    others = {
        part.symbol for node in nodes for part in node.walk() if isinstance(part, tree.OtherSymbol)
    }
    breaks = sorted(set().union(*(breaks_of(history, symbol, first, adjust) for symbol in others)))
    ends = [bisect_left(sessions, history.dates[session]) for session in breaks]
    max_sessions = BLOCK if adjust != "total" else BLOCK // 4
    begin = 0
    for end in [*ends, len(sessions)]:
        while begin < end:
            yield list(sessions[begin : min(end, begin + max_sessions)])
            begin = min(end, begin + max_sessions)


# -- what is covered


def doubts(
    stored: Sequence[dt.date], needed: int, receipts: Sequence[SessionReceipt]
) -> Iterator[str]:
    """Yield warnings about results: gaps between sessions, and sessions that lack bars."""
    first = bisect_left(stored, receipts[0].session)
    end = bisect_right(stored, receipts[-1].session)
    scanned = stored[max(0, first + 1 - needed) : end]
    missing = sessions_distance(scanned[0], scanned[-1]) + 1 - len(scanned)
    if missing:
        yield (
            f"{missing:,} of the sessions from {scanned[0]} to {scanned[-1]} are not stored: they "
            "have no hits, and indicators ignore the gap: run marketsweep sync"
        )
    sparse = [receipt for receipt in receipts if receipt.share < MIN_COVERAGE]
    if sparse:
        worst = min(sparse, key=lambda receipt: receipt.share)
        yield (
            f"in {len(sparse):,} of the {len(receipts):,} sessions, less than {MIN_COVERAGE:.0%} "
            f"of the requested symbols have a bar (on {worst.session}, {worst.share:.1%}): run "
            "marketsweep sync"
        )


def require_answers(sessions: Sequence[SessionReceipt], needed: int) -> None:
    """Raise CoverageError if nothing was evaluated, or too little of the newest session."""
    newest = sessions[-1]
    if not any(receipt.evaluated for receipt in sessions):
        if all(receipt.prescreen == receipt.expected for receipt in sessions):
            raise CoverageError(
                "no symbol passes the pre-screen in these sessions, or facts that it needs are "
                "not stored: marketsweep scan with the same --where shows which"
            )
        raise CoverageError(
            f"no symbol has the {needed} bars that the condition needs up to any of "
            "these sessions: run marketsweep sync with an earlier --since"
        )
    if newest.share < MIN_COVERAGE:
        raise CoverageError(
            f"only {newest.share:.1%} of the requested symbols have a bar on {newest.session}, "
            "the newest of these sessions: run marketsweep sync, or choose an earlier --until"
        )
