"""When each company had each ticker, worked out from the reports of sources and from the bars.

A *tenure* is the time in which a company (an instrument) has a ticker. Sources report tenures
badly: dates are missing, some sessions off, or belong to the row's last change. Bars are more
reliable: when a company changes its ticker, the old ticker's bars end and the new one's begin.

1. The listings of a company are sorted by time (`sort_listings`).
2. Between two of them lies a *change*: the first session under the new ticker. It is searched near
   the reported day, or anywhere if no day is reported (`change_between`).
3. A ticker that several companies had passes from one to the next in a gap between its bars
   (`_separate_owners`).

Each tenure names the rule by which it was found, so that a person can check it.
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

_MAX_PRICE_CHANGE: Final = log(1.25)
"""Prices that differ by more than this, in logs, are not prices of one share."""


class Rule(StrEnum):
    """How the first day of a tenure is known."""

    TOLD = "as told"
    BARS = "by the bars of both tickers"
    OLD_TICKER = "by the last bar of the old ticker"
    NEW_TICKER = "by the first bar of the new ticker"
    GAP = "by a gap between the bars of the ticker"
    NEXT = "after the tenure before it"


class Tenure(NamedTuple):
    """A company has a ticker from `first` to `last`; None means unknown, or still listed."""

    symbol: str
    first: dt.date | None
    last: dt.date | None
    instrument: int
    rule: Rule | None
    """How `first` is known; None if it was not searched."""
    before: str | None = None
    """The ticker that the company had before."""


class Doubt(NamedTuple):
    """A problem of a ticker, or of a reported rename, described by `reason`."""

    symbol: str
    other: str
    reason: str


class Change(NamedTuple):
    """The first session in which a company has its new ticker, and the rule that found it."""

    place: int
    rule: Rule
    reported_day: dt.date | None = None
    """The reported day, if it lies outside the stored sessions."""


def change_between(old: Listing, new: Listing, bars: BarDays, since: int = 0) -> Change | None:
    """Return when a company changed from one ticker to another, not before session `since`.

    Return None if neither the listings nor the bars show it.
    """
    days = [day for day in (old.last and old.last + _DAY, new.first) if day is not None]
    reported = sorted(place for place in map(bars.place, days) if place >= since)
    from_report = (
        Change(bars.place(days[0]), Rule.TOLD, _day_outside(days[0], bars)) if reported else None
    )
    if not bars.runs(old.symbol) or not bars.runs(new.symbol):
        return from_report or _one_sided_change(old, new, bars)
    evidence = _Evidence(old.symbol, new.symbol, bars, since)
    if from_report:
        return (
            evidence.near_reported(reported[0], reported[-1])
            or evidence.only_adjacent()
            or from_report
        )
    return evidence.anywhere()


def is_successor(old: str, new: str, bars: BarDays) -> bool:
    """Return whether the old ticker's bars end somewhere where the new ticker's bars begin.

    Before that place only the old ticker has bars, and after it only the new one, for a month each.
    """
    return any(
        start - end <= NEAR
        and not bars.has(old, start, start + NEAR)
        and not bars.has(new, end - NEAR, end)
        for end, start in _Evidence(old, new, bars, 0).pairs
    )


def _day_outside(day: dt.date, bars: BarDays) -> dt.date | None:
    """Return the day if it lies outside the stored sessions, else None."""
    sessions = bars.sessions
    is_within = sessions and sessions[0] <= day <= sessions[-1]
    return None if is_within else day


def _one_sided_change(old: Listing, new: Listing, bars: BarDays) -> Change | None:
    """Return the change if one of the tickers has no bars and no day is reported."""
    if runs := bars.runs(old.symbol):
        return Change(runs[-1][1] + 1, Rule.OLD_TICKER)
    if runs := bars.runs(new.symbol):
        return Change(runs[0][0], Rule.NEW_TICKER)
    return None


class _Evidence:
    """What the bars of two tickers show about a change from one to the other."""

    def __init__(self, old: str, new: str, bars: BarDays, since: int) -> None:
        self.ends = [place for place in bars.ends(old) if place >= since]
        self.starts = [place for place in bars.starts(new) if place >= since]
        self.pairs = list(_clean_pairs(old, new, self.ends, self.starts, bars))

    def near_reported(self, first: int, last: int) -> Change | None:
        """Return the change near the reported places, or None if no bars end or begin there.

        The reported place is used if no bar contradicts it.
        """

        def distance(low: int, high: int) -> int:
            return max(0, low - last, first - high)

        pairs = [(distance(end + 1, start), end + 1, start) for end, start in self.pairs]
        if pairs and min(pairs)[0] <= NEAR:
            _, low, high = min(pairs)
            place = min(max(first, low), high)
            return Change(place, Rule.TOLD if low <= first <= high else Rule.BARS)
        edges = [(distance(end + 1, end + 1), end + 1, Rule.OLD_TICKER) for end in self.ends]
        edges += [(distance(start, start), start, Rule.NEW_TICKER) for start in self.starts]
        near_edges = sorted((edge for edge in edges if edge[0] <= NEAR), key=lambda edge: edge[:2])
        if not near_edges:
            return None
        ends = [place for _, place, rule in near_edges if rule is Rule.OLD_TICKER]
        starts = [place for _, place, rule in near_edges if rule is Rule.NEW_TICKER]
        if ends and starts and starts[0] < ends[0]:
            # Both tickers are reported for some days: any day among them fits.
            return Change(min(max(first, starts[0]), ends[0]), Rule.TOLD)
        shift, place, rule = near_edges[0]
        return Change(place, Rule.TOLD if not shift else rule)

    def only_adjacent(self) -> Change | None:
        """Return the only place where the old ticker ends and the new one begins soon after."""
        for gap in (2, NEAR):
            starts = [start for end, start in self.pairs if start - end <= gap]
            if starts:
                return Change(starts[0], Rule.BARS) if len(starts) == 1 else None
        return None

    def anywhere(self) -> Change | None:
        """Return the change if no day is reported: at the shortest gap between the two tickers."""
        if self.pairs:
            _, start = min(self.pairs, key=lambda pair: (pair[1] - pair[0], -pair[1]))
            return Change(start, Rule.BARS)
        if self.starts:
            return Change(self.starts[0], Rule.NEW_TICKER)
        if self.ends:
            return Change(self.ends[-1] + 1, Rule.OLD_TICKER)
        return None


def _clean_pairs(
    old: str, new: str, ends: Sequence[int], starts: Sequence[int], bars: BarDays
) -> Iterable[tuple[int, int]]:
    """Yield ends of the old ticker and starts of the new one without bars of either in between."""
    for start in starts:
        i = bisect_left(ends, start)
        if i:
            end = ends[i - 1]
            if end + 1 == start or not (
                bars.has(old, end + 1, start - 1) or bars.has(new, end + 1, start - 1)
            ):
                yield end, start


ReadClose = Callable[[str, int], float]
"""Return the raw close of a ticker in a session (given by place); NaN without a bar."""


def has_same_price(old: str, new: str, place: int, close: ReadClose) -> bool:
    """Return whether the new ticker's price continues the old one's price of the session before."""
    old_close, new_close = close(old, place - 1), close(new, place)
    return old_close > 0 and new_close > 0 and abs(log(new_close / old_close)) < _MAX_PRICE_CHANGE


def tenures_of(listings: Iterable[Listing], bars: BarDays, close: ReadClose) -> list[Tenure]:
    """Return the tenures of companies with several tickers, and of tickers with several companies.

    `listings` have their instruments; other companies get no tenures. Tenures are sorted by symbol.
    """
    by_instrument: defaultdict[int, list[Listing]] = defaultdict(list)
    owners: defaultdict[str, set[int]] = defaultdict(set)
    for listing in listings:
        assert listing.instrument is not None
        by_instrument[listing.instrument].append(listing)
        owners[listing.symbol].add(listing.instrument)
    tenures: list[Tenure] = []
    for instrument, own in by_instrument.items():
        if len(own) > 1 or any(len(owners[listing.symbol]) > 1 for listing in own):
            shared = {listing.symbol for listing in own if len(owners[listing.symbol]) > 1}
            periods = with_returns(sort_listings(own, bars), shared, bars)
            dated = _company_tenures(instrument, periods, shared, bars, close)
            if len(periods) > len(own):
                dated = (tenure._replace(rule=tenure.rule and Rule.BARS) for tenure in dated)
            tenures += dated
    by_symbol: defaultdict[str, list[Tenure]] = defaultdict(list)
    for tenure in tenures:
        by_symbol[tenure.symbol].append(tenure)
    return [
        tenure
        for _, owners in sorted(by_symbol.items())
        for tenure in _separate_owners(owners, bars)
    ]


def sort_listings(listings: Sequence[Listing], bars: BarDays) -> list[Listing]:
    """Return the listings of one company, oldest first."""
    ordered = sorted(listings, key=lambda row: (_end_day(row, bars), _begin_day(row, bars)))
    # A reported rename outweighs days that are not reported.
    for _ in ordered:
        for i, earlier in enumerate(ordered):
            successors = [
                other
                for other in ordered[:i]
                if other.renamed_from == earlier.symbol
                and not (other.last and earlier.last)
                and not _ends_before(other.symbol, earlier.symbol, bars)
            ]
            if successors:
                ordered.remove(earlier)
                ordered.insert(ordered.index(successors[0]), earlier)
                break
        else:
            break
    return ordered


def _ends_before(old: str, new: str, bars: BarDays) -> bool:
    """Return whether the bars of one ticker end before the bars of the other begin."""
    old_runs, new_runs = bars.runs(old), bars.runs(new)
    return bool(old_runs and new_runs) and old_runs[-1][1] < new_runs[0][0]


def _begin_day(listing: Listing, bars: BarDays) -> dt.date:
    if listing.first is not None:
        return listing.first
    runs = bars.runs(listing.symbol)
    return bars.day(runs[0][0]) if runs and runs[0][0] else dt.date.min


def _end_day(listing: Listing, bars: BarDays) -> dt.date:
    if listing.last is not None:
        return listing.last
    ends = bars.ends(listing.symbol)
    runs = bars.runs(listing.symbol)
    if ends and ends[-1] == runs[-1][1]:
        return bars.day(ends[-1])
    return dt.date.max


def _company_tenures(
    instrument: int,
    listings: Sequence[Listing],
    shared: Container[str],
    bars: BarDays,
    close: ReadClose,
) -> Iterable[Tenure]:
    """Yield the tenures of one company in order; `shared` are tickers with other owners."""
    starts: list[tuple[dt.date | None, Rule | None]] = [(listings[0].first, None)]
    since = 0
    for old, new in pairwise(listings):
        change = change_between(old, new, bars, since)
        if change is None or _is_side_by_side(old, new, change, shared, bars, close):
            starts.append((None, None))
            continue
        since = change.place
        starts.append((change.reported_day or bars.day(change.place), change.rule))
    for i, listing in enumerate(listings):
        first, rule = starts[i]
        last = listing.last
        if i + 1 < len(listings):
            next_start, _ = starts[i + 1]
            last = listing.last if next_start is None else session_on_or_before(next_start - _DAY)
        before = listings[i - 1].symbol if i else None
        yield Tenure(listing.symbol, first, last, instrument, rule, before)


def _is_side_by_side(
    old: Listing,
    new: Listing,
    change: Change,
    shared: Container[str],
    bars: BarDays,
    close: ReadClose,
) -> bool:
    """Return whether both tickers were traded side by side, and nobody else had the new one."""
    if new.symbol in shared or old.symbol == new.symbol:
        return False
    is_reported = change.rule is Rule.TOLD and (old.last or new.first) is not None
    has_ended = not bars.has(old.symbol, change.place + CLEAN, len(bars.sessions) - 1)
    if is_reported and has_ended and has_same_price(old.symbol, new.symbol, change.place, close):
        return False
    return bars.has(new.symbol, 0, change.place - 1 - NEAR) and (
        bars.common(old.symbol, new.symbol) > NEAR
    )


def _separate_owners(owners: Sequence[Tenure], bars: BarDays) -> list[Tenure]:
    """Return the tenures of one ticker, ascending, without overlaps."""
    ordered = sorted(
        owners, key=lambda owner: (owner.last or dt.date.max, owner.first or dt.date.min)
    )
    separated: list[Tenure] = []
    for owner in ordered:
        if separated and separated[-1].instrument != owner.instrument:
            separated[-1:] = _separate_pair(separated[-1], owner, bars)
        else:
            separated.append(owner)
    return separated


def _separate_pair(earlier: Tenure, later: Tenure, bars: BarDays) -> tuple[Tenure, Tenure]:
    """Return the tenures of two owners of a ticker, cut so that they do not overlap."""
    if later.first is None or later.rule is None:
        first, last, rule = _find_handover(earlier, later, bars)
        earlier, later = earlier._replace(last=last), later._replace(first=first, rule=rule)
    if later.first is not None:
        end = session_on_or_before(later.first - _DAY)
        if earlier.last is None or earlier.last > end:
            earlier = earlier._replace(last=end)
    return earlier, later


def _find_handover(
    earlier: Tenure, later: Tenure, bars: BarDays
) -> tuple[dt.date | None, dt.date | None, Rule | None]:
    """Return the later owner's first day, the earlier owner's last day, and the rule."""
    symbol = later.symbol
    days = sorted(
        bars.place(day)
        for day in (earlier.last and earlier.last + _DAY, later.first)
        if day is not None
    )
    starts = bars.starts(symbol)
    runs = bars.runs(symbol)
    gaps = [
        (runs[i - 1][1], start)
        for start in starts
        if (i := bisect_left(runs, start, key=first_of)) > 0
    ]
    if days:
        ranked = [(max(0, end + 1 - days[-1], days[0] - start), end, start) for end, start in gaps]
        if ranked and min(ranked)[0] <= NEAR:
            distance, end, start = min(ranked)
            return bars.day(start), bars.day(end), Rule.GAP if distance else Rule.TOLD
        if earlier.last and (later.first is None or later.first <= earlier.last):
            # Sources report a company's first day as the first day of its ticker.
            return next_session(earlier.last), earlier.last, Rule.NEXT
        return later.first, earlier.last, Rule.TOLD
    long_gaps = [(end, start) for end, start in gaps if start - end > NEAR]
    if long_gaps:
        end, start = max(long_gaps, key=lambda gap: gap[1] - gap[0])
        return bars.day(start), bars.day(end), Rule.GAP
    return later.first, earlier.last, None


def add_unknown_owners(tenures: Sequence[Tenure], bars: BarDays) -> list[Tenure]:
    """Add a tenure of an unknown company for each ticker that is traded after its last tenure.

    The bars of a ticker after a company left it do not belong to that company.
    """
    all_tenures = list(tenures)
    for i, tenure in enumerate(tenures):
        is_last = i + 1 == len(tenures) or tenures[i + 1].symbol != tenure.symbol
        if is_last and tenure.last and bars.sessions:
            first = bars.place(tenure.last + _DAY)
            if bars.has(tenure.symbol, first + NEAR, len(bars.sessions) - 1):
                # Negative numbers belong to no listing; each ticker needs its own number.
                unknown = Tenure(tenure.symbol, bars.day(first), None, -1 - i, Rule.NEXT)
                all_tenures.append(unknown)
    return sorted(all_tenures, key=lambda tenure: tenure.symbol)
