"""When each company had each ticker, worked out from what is told and from the bars themselves.

A *tenure* is the time in which a company (an instrument) has a ticker. Sources tell tenures badly:
dates are missing, some sessions off, or those of the last change of a row. Bars know better: where
a company changes its ticker, the old ticker's bars end and the new one's begin.

1. The listings of a company are put in order (`_in_order`).
2. Between two of them lies a *change*: the first session under the new ticker. It is looked for
   near the day that is told, or anywhere if none is told (`_Changes.between`).
3. A ticker that several companies had is handed over in a gap between its bars (`_hand_over`).

What is worked out says by which rule, so that a person can check it.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from math import log
from typing import Final, NamedTuple

from marketsweep.core.calendar import next_session, session_on_or_before
from marketsweep.core.records import Listing
from marketsweep.store.companies.bar_days import CLEAN, NEAR, BarDays, first_of
from marketsweep.store.companies.returning import with_returns

_DAY: Final = dt.timedelta(days=1)

_APART: Final = log(1.25)
"""Two prices further apart than this are not of one share, in logs."""


class Rule(StrEnum):
    """How the first day of a tenure is known."""

    TOLD = "as told"
    BARS = "by the bars of both tickers"
    OLD_TICKER = "by the last bar of the old ticker"
    NEW_TICKER = "by the first bar of the new ticker"
    GAP = "by a gap between the bars of the ticker"
    NEXT = "after the tenure before it"


class Tenure(NamedTuple):
    """A company has a ticker from `first` to `last`; None is unknown, or still."""

    symbol: str
    first: dt.date | None
    last: dt.date | None
    instrument: int
    rule: Rule | None
    """How `first` is known; None if it was not looked for."""
    before: str | None = None
    """The ticker that the company had before."""


class Doubt(NamedTuple):
    """What is doubtful of a ticker, or of a rename that is told: see `reason`."""

    symbol: str
    other: str
    reason: str


class Change(NamedTuple):
    """The session in which a company has its new ticker for the first time, and by which rule."""

    place: int
    rule: Rule
    told: dt.date | None = None
    """The told day, if it lies outside of the stored sessions."""


def change_between(old: Listing, new: Listing, bars: BarDays, since: int = 0) -> Change | None:
    """When a company changed from one ticker to another, not before session `since`.

    None where neither the listings nor the bars tell.
    """
    days = [day for day in (old.last and old.last + _DAY, new.first) if day is not None]
    told = sorted(place for place in map(bars.place, days) if place >= since)
    as_told = Change(bars.place(days[0]), Rule.TOLD, _outside(days[0], bars)) if told else None
    if not bars.runs(old.symbol) or not bars.runs(new.symbol):
        return as_told or _one_sided(old, new, bars)
    evidence = _Evidence(old.symbol, new.symbol, bars, since)
    if as_told:
        return evidence.near(told[0], told[-1]) or evidence.adjacent() or as_told
    return evidence.anywhere()


def follows(old: str, new: str, bars: BarDays) -> bool:
    """Whether there is a place where the bars of one ticker end and those of another begin.

    A month on either side of it has bars of one of them alone.
    """
    return any(
        start - end <= NEAR
        and not bars.has(old, start, start + NEAR)
        and not bars.has(new, end - NEAR, end)
        for end, start in _Evidence(old, new, bars, 0).pairs
    )


def _outside(day: dt.date, bars: BarDays) -> dt.date | None:
    """A day, if it is not within the stored sessions."""
    sessions = bars.sessions
    within = sessions and sessions[0] <= day <= sessions[-1]
    return None if within else day


def _one_sided(old: Listing, new: Listing, bars: BarDays) -> Change | None:
    """The change where one of the tickers has no bar at all, and no day is told."""
    if runs := bars.runs(old.symbol):
        return Change(runs[-1][1] + 1, Rule.OLD_TICKER)
    if runs := bars.runs(new.symbol):
        return Change(runs[0][0], Rule.NEW_TICKER)
    return None


class _Evidence:
    """What the bars of two tickers say of a change from one to the other."""

    def __init__(self, old: str, new: str, bars: BarDays, since: int) -> None:
        self.ends = [place for place in bars.ends(old) if place >= since]
        self.starts = [place for place in bars.starts(new) if place >= since]
        self.pairs = list(_pairs(old, new, self.ends, self.starts, bars))

    def near(self, first: int, last: int) -> Change | None:
        """The change near the told places; None where no bars end or begin there.

        The told place stays where no bar contradicts it.
        """

        def distance(low: int, high: int) -> int:
            return max(0, low - last, first - high)

        pairs = [(distance(end + 1, start), end + 1, start) for end, start in self.pairs]
        if pairs and min(pairs)[0] <= NEAR:
            _, low, high = min(pairs)
            place = min(max(first, low), high)
            return Change(place, Rule.TOLD if low <= first <= high else Rule.BARS)
        sides = [(distance(end + 1, end + 1), end + 1, Rule.OLD_TICKER) for end in self.ends]
        sides += [(distance(start, start), start, Rule.NEW_TICKER) for start in self.starts]
        close = sorted((one for one in sides if one[0] <= NEAR), key=lambda one: one[:2])
        if not close:
            return None
        ends = [place for _, place, rule in close if rule is Rule.OLD_TICKER]
        starts = [place for _, place, rule in close if rule is Rule.NEW_TICKER]
        if ends and starts and starts[0] < ends[0]:
            # Both tickers are told for some days: any day among them will do.
            return Change(min(max(first, starts[0]), ends[0]), Rule.TOLD)
        off, place, rule = close[0]
        return Change(place, Rule.TOLD if not off else rule)

    def adjacent(self) -> Change | None:
        """The one place where the old ticker ends and the new one begins soon after."""
        for gap in (2, NEAR):
            found = [start for end, start in self.pairs if start - end <= gap]
            if found:
                return Change(found[0], Rule.BARS) if len(found) == 1 else None
        return None

    def anywhere(self) -> Change | None:
        """The change where none is told: the shortest gap from the old ticker to the new one."""
        if self.pairs:
            _, start = min(self.pairs, key=lambda pair: (pair[1] - pair[0], -pair[1]))
            return Change(start, Rule.BARS)
        if self.starts:
            return Change(self.starts[0], Rule.NEW_TICKER)
        if self.ends:
            return Change(self.ends[-1] + 1, Rule.OLD_TICKER)
        return None


def _pairs(
    old: str, new: str, ends: Sequence[int], starts: Sequence[int], bars: BarDays
) -> Iterable[tuple[int, int]]:
    """Ends of the old ticker and starts of the new one with no bar of either in between."""
    for start in starts:
        at = bisect_left(ends, start)
        if at:
            end = ends[at - 1]
            if end + 1 == start or not (
                bars.has(old, end + 1, start - 1) or bars.has(new, end + 1, start - 1)
            ):
                yield end, start


Close = Callable[[str, int], float]
"""The raw close of a ticker in a session, by its place; NaN where it has no bar."""


def is_one_price(old: str, new: str, place: int, close: Close) -> bool:
    """Whether a ticker's price in a session is that of another in the session before."""
    before, after = close(old, place - 1), close(new, place)
    return before > 0 and after > 0 and abs(log(after / before)) < _APART


def tenures_of(listings: Iterable[Listing], bars: BarDays, close: Close) -> list[Tenure]:
    """The tenures of companies that had several tickers, and of tickers that several had.

    `listings` have their instruments; those of others are left out. Ascending by symbol.
    """
    of_instrument: defaultdict[int, list[Listing]] = defaultdict(list)
    of_symbol: defaultdict[str, set[int]] = defaultdict(set)
    for listing in listings:
        assert listing.instrument is not None
        of_instrument[listing.instrument].append(listing)
        of_symbol[listing.symbol].add(listing.instrument)
    found: list[Tenure] = []
    for instrument, mine in of_instrument.items():
        if len(mine) > 1 or any(len(of_symbol[one.symbol]) > 1 for one in mine):
            shared = {one.symbol for one in mine if len(of_symbol[one.symbol]) > 1}
            times = with_returns(in_order(mine, bars), shared, bars)
            tenures = _of_company(instrument, times, shared, bars, close)
            if len(times) > len(mine):
                tenures = (one._replace(rule=one.rule and Rule.BARS) for one in tenures)
            found += tenures
    by_symbol: defaultdict[str, list[Tenure]] = defaultdict(list)
    for tenure in found:
        by_symbol[tenure.symbol].append(tenure)
    return [
        tenure for _, owners in sorted(by_symbol.items()) for tenure in _hand_over(owners, bars)
    ]


def in_order(listings: Sequence[Listing], bars: BarDays) -> list[Listing]:
    """The listings of one company, the oldest first."""
    ordered = sorted(listings, key=lambda one: (_end(one, bars), _begin(one, bars)))
    # A rename that is told outweighs days that are not.
    for _ in ordered:
        for place, one in enumerate(ordered):
            later = [
                other
                for other in ordered[:place]
                if other.renamed_from == one.symbol
                and not (other.last and one.last)
                and not _is_over(other.symbol, one.symbol, bars)
            ]
            if later:
                ordered.remove(one)
                ordered.insert(ordered.index(later[0]), one)
                break
        else:
            break
    return ordered


def _is_over(one: str, other: str, bars: BarDays) -> bool:
    """Whether the bars of a ticker end before those of another begin."""
    runs, others = bars.runs(one), bars.runs(other)
    return bool(runs and others) and runs[-1][1] < others[0][0]


def _begin(listing: Listing, bars: BarDays) -> dt.date:
    if listing.first is not None:
        return listing.first
    runs = bars.runs(listing.symbol)
    return bars.day(runs[0][0]) if runs and runs[0][0] else dt.date.min


def _end(listing: Listing, bars: BarDays) -> dt.date:
    if listing.last is not None:
        return listing.last
    ends = bars.ends(listing.symbol)
    runs = bars.runs(listing.symbol)
    if ends and ends[-1] == runs[-1][1]:
        return bars.day(ends[-1])
    return dt.date.max


def _of_company(
    instrument: int,
    listings: Sequence[Listing],
    shared: Container[str],
    bars: BarDays,
    close: Close,
) -> Iterable[Tenure]:
    """The tenures of one company, one after the other; `shared` are tickers with other owners."""
    begins: list[tuple[dt.date | None, Rule | None]] = [(listings[0].first, None)]
    since = 0
    for old, new in pairwise(listings):
        change = change_between(old, new, bars, since)
        if change is None or _is_no_change(old, new, change, shared, bars, close):
            begins.append((None, None))
            continue
        since = change.place
        begins.append((change.told or bars.day(change.place), change.rule))
    for place, listing in enumerate(listings):
        first, rule = begins[place]
        last = listing.last
        if place + 1 < len(listings):
            after, _ = begins[place + 1]
            last = listing.last if after is None else session_on_or_before(after - _DAY)
        before = listings[place - 1].symbol if place else None
        yield Tenure(listing.symbol, first, last, instrument, rule, before)


def _is_no_change(
    old: Listing,
    new: Listing,
    change: Change,
    shared: Container[str],
    bars: BarDays,
    close: Close,
) -> bool:
    """Whether both tickers were traded side by side, and nobody else had the new one."""
    if new.symbol in shared or old.symbol == new.symbol:
        return False
    told = change.rule is Rule.TOLD and (old.last or new.first) is not None
    ends = not bars.has(old.symbol, change.place + CLEAN, len(bars.sessions) - 1)
    if told and ends and is_one_price(old.symbol, new.symbol, change.place, close):
        return False
    return bars.has(new.symbol, 0, change.place - 1 - NEAR) and (
        bars.common(old.symbol, new.symbol) > NEAR
    )


def _hand_over(owners: Sequence[Tenure], bars: BarDays) -> list[Tenure]:
    """The tenures of one ticker, ascending, none of which overlaps the next one."""
    ordered = sorted(owners, key=lambda one: (one.last or dt.date.max, one.first or dt.date.min))
    found: list[Tenure] = []
    for tenure in ordered:
        if found and found[-1].instrument != tenure.instrument:
            found[-1:] = _one_after_the_other(found[-1], tenure, bars)
        else:
            found.append(tenure)
    return found


def _one_after_the_other(earlier: Tenure, later: Tenure, bars: BarDays) -> tuple[Tenure, Tenure]:
    """The tenures of two owners of a ticker, so that they do not overlap."""
    if later.first is None or later.rule is None:
        first, last, rule = _gap(earlier, later, bars)
        earlier, later = earlier._replace(last=last), later._replace(first=first, rule=rule)
    if later.first is not None:
        end = session_on_or_before(later.first - _DAY)
        if earlier.last is None or earlier.last > end:
            earlier = earlier._replace(last=end)
    return earlier, later


def _gap(
    earlier: Tenure, later: Tenure, bars: BarDays
) -> tuple[dt.date | None, dt.date | None, Rule | None]:
    """First day of the later owner of a ticker and last day of the earlier one, and the rule."""
    symbol = later.symbol
    told = sorted(
        bars.place(day)
        for day in (earlier.last and earlier.last + _DAY, later.first)
        if day is not None
    )
    starts = bars.starts(symbol)
    runs = bars.runs(symbol)
    gaps = [
        (runs[at - 1][1], start)
        for start in starts
        if (at := bisect_left(runs, start, key=first_of)) > 0
    ]
    if told:
        near = [(max(0, end + 1 - told[-1], told[0] - start), end, start) for end, start in gaps]
        if near and min(near)[0] <= NEAR:
            off, end, start = min(near)
            return bars.day(start), bars.day(end), Rule.GAP if off else Rule.TOLD
        if earlier.last and (later.first is None or later.first <= earlier.last):
            # Sources tell the first day of a company for that of its ticker.
            return next_session(earlier.last), earlier.last, Rule.NEXT
        return later.first, earlier.last, Rule.TOLD
    long = [(end, start) for end, start in gaps if start - end > NEAR]
    if long:
        end, start = max(long, key=lambda gap: gap[1] - gap[0])
        return bars.day(start), bars.day(end), Rule.GAP
    return later.first, earlier.last, None


def with_unknown_owners(tenures: Sequence[Tenure], bars: BarDays) -> list[Tenure]:
    """The tenures, and one of a company that is not known for each ticker that is traded on.

    The bars of a ticker that a company left are not that company's.
    """
    found = list(tenures)
    for at, tenure in enumerate(tenures):
        last = at + 1 == len(tenures) or tenures[at + 1].symbol != tenure.symbol
        if last and tenure.last and bars.sessions:
            first = bars.place(tenure.last + _DAY)
            if bars.has(tenure.symbol, first + NEAR, len(bars.sessions) - 1):
                # Numbers below zero are of no listing; each ticker needs its own.
                owner = Tenure(tenure.symbol, bars.day(first), None, -1 - at, Rule.NEXT)
                found.append(owner)
    return sorted(found, key=lambda one: one.symbol)
