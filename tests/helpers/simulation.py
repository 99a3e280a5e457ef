"""A market of companies over twelve years, and what sources of eight kinds tell of it.

The truth is made first: the price of each company as if it had never split, the tickers that it had
when, and its splits. Raw bars and what is told of them follow from it.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import ActionAside, Dividend, Listing, SessionBars, Split

Array = NDArray[np.float64]

DAYS = sessions_in_range(dt.date(2005, 1, 3), dt.date(2016, 12, 30))
COMPANIES = 300
SPIN_OFFS = 30

_RATIOS = ((1, 2), (1, 3), (2, 3), (1, 4), (1, 10), (10, 1), (5, 1), (20, 1), (50, 1))
"""Old shares for new ones."""


@dataclass
class Company:
    """What is true of one company; sessions are places in `DAYS`."""

    number: int
    first: int
    last: int
    tickers: list[tuple[int, str]]
    """The first session of each ticker, ascending."""
    places: NDArray[np.int64]
    """The sessions with a bar."""
    bars: Array
    """Open, high, low, close, volume in them, as if it had never split."""
    splits: list[tuple[int, int, int]] = field(default_factory=list)
    """Session, old and new shares, ascending."""
    spin_offs: list[tuple[int, float]] = field(default_factory=list)
    """Session, and the part of the price that the holders got as shares of a new company."""
    adjusted_already: bool = False
    """Whether the source gives its bars adjusted."""

    @property
    def figi(self) -> str:
        """Its identifier."""
        return f"FIGI{self.number:04}"

    @property
    def is_listed(self) -> bool:
        """Whether it is there to the end."""
        return self.last == len(DAYS) - 1

    def ticker(self, place: int) -> str:
        """Its ticker in a session."""
        return [name for first, name in self.tickers if first <= place][-1]

    def spans(self) -> list[tuple[str, int, int]]:
        """Each ticker with its first and last session."""
        ends = [first - 1 for first, _ in self.tickers[1:]] + [self.last]
        return [(name, first, end) for (first, name), end in zip(self.tickers, ends, strict=True)]

    def total(self) -> Array:
        """The closes as if the value of spin-offs had left before the first bar."""
        close: Array = self.bars[3].copy()
        for place, share in self.spin_offs:
            close[self.places < place] *= 1 - share
        return close

    def raw(self) -> Array:
        """The bars as they were traded, or as the source gives them."""
        found = self.bars.copy()
        if not self.adjusted_already:
            for place, old, new in self.splits:
                before = self.places < place
                found[:4, before] *= new / old
                found[4, before] *= old / new
        return found


@dataclass
class Told:
    """What a source tells."""

    listings: list[Listing]
    splits: list[Split]
    dividends: list[Dividend] = field(default_factory=list)
    aside: list[ActionAside] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)
    """Companies of which it tells what cannot be true."""
    is_enough: bool = True
    """Whether the tickers of all others can be worked out."""


def make_market(seed: int = 2016) -> list[Company]:
    """The companies: renames, splits, spin-offs, mergers and other delistings, thin trading."""
    chance, random_numbers = random.Random(seed), np.random.default_rng(seed)
    free: list[tuple[int, str]] = []
    """Tickers that were given up, and since when."""
    made: list[Company] = []
    fresh = iter(_names())
    births = sorted(chance.choices(range(len(DAYS) - 300), k=COMPANIES - 150))
    for number, first in enumerate([0] * 150 + births):
        length = chance.choice([len(DAYS), len(DAYS), chance.randrange(300, 2000)])
        last = min(len(DAYS) - 1, first + length)
        changes = sorted(
            chance.sample(range(first + 60, last - 60), chance.choice([0, 0, 1, 1, 2]))
        )
        changes = [c for n, c in enumerate(changes) if not n or c - changes[n - 1] > 120]
        tickers: list[tuple[int, str]] = []
        for begin in [first, *changes]:
            old = next((one for one in free if one[0] + 60 < begin and chance.random() < 0.5), None)
            if old:
                free.remove(old)
            name = old[1] if old else next(fresh)
            if tickers:
                free.append((begin, tickers[-1][1]))
            tickers.append((begin, name))
        if last < len(DAYS) - 1:
            free.append((last, tickers[-1][1]))
        company = Company(number, first, last, tickers, *_bars(first, last, chance, random_numbers))
        company.splits = _splits(company, chance)
        made.append(company)
    return [*made, *_spun_off(made, fresh, random.Random(seed), random_numbers)]


def _spun_off(
    made: Sequence[Company],
    fresh: Iterator[str],
    chance: random.Random,
    numbers: np.random.Generator,
) -> Iterator[Company]:
    """New companies whose shares went to the holders of others, whose prices fall by as much."""
    parents = [one for one in made if one.is_listed and len(one.places) > 600]
    for number, parent in enumerate(chance.sample(parents, SPIN_OFFS), COMPANIES):
        changes = [place for place, *_ in (*parent.splits, *parent.tickers)]
        room = parent.places[60:-60].tolist()
        place = chance.choice([p for p in room if all(abs(p - one) > 40 for one in changes)])
        share = chance.uniform(0.1, 0.6)
        parent.bars[:4, parent.places >= place] *= 1 - share
        parent.spin_offs.append((place, share))
        last = len(DAYS) - 1
        bars = _bars(place, last, chance, numbers)
        yield Company(number, place, last, [(place, next(fresh))], *bars)


def _names() -> Iterable[str]:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return (a + b + c for a in letters for b in letters for c in letters)


def _bars(
    first: int, last: int, chance: random.Random, numbers: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    places = np.arange(first, last + 1)
    thin = chance.random() < 0.05
    if thin:
        traded = numbers.random(len(places)) < 0.5
        traded[[0, -1]] = True
        places = places[traded]
    moves = numbers.normal(0, 0.012, len(places))
    close = 40 * np.exp(np.cumsum(moves) - 0.3 * np.arange(len(places)) / len(DAYS))
    open_ = np.concatenate([close[:1], close[:-1]]) * np.exp(numbers.normal(0, 0.004, len(places)))
    high = np.maximum(open_, close) * 1.002
    low = np.minimum(open_, close) * 0.998
    volume = np.floor(numbers.lognormal(11, 0.4, len(places)))
    return places, np.stack([open_, high, low, close, volume])


def _splits(company: Company, chance: random.Random) -> list[tuple[int, int, int]]:
    room = company.places[40:-40]
    places = sorted(chance.sample(room.tolist(), min(len(room), chance.choice([0, 1, 1, 2]))))
    kept = [p for n, p in enumerate(places) if not n or p - places[n - 1] > 60]
    starts = [first for first, _ in company.tickers]
    kept = [p for p in kept if all(abs(p - start) > 25 for start in starts)]
    return [(place, *chance.choice(_RATIOS)) for place in kept]


def sessions_of(market: Iterable[Company]) -> list[SessionBars]:
    """Raw bars by session, under the tickers of their days."""
    rows: defaultdict[int, list[tuple[str, Array]]] = defaultdict(list)
    for company in market:
        raw = company.raw()
        for column, place in enumerate(company.places.tolist()):
            rows[place].append((company.ticker(place), raw[:, column]))
    return [
        SessionBars(DAYS[place], [name for name, _ in some], np.stack([bar for _, bar in some]).T)
        for place, some in sorted(rows.items())
    ]


# What sources tell


def full(market: list[Company], chance: random.Random) -> Told:
    """Everything: identifiers, every day, actions under the ticker of their day."""
    listings = [
        Listing(
            name,
            name=f"Company {company.number}",
            first=DAYS[first],
            last=None if end == len(DAYS) - 1 else DAYS[end],
            figi=company.figi,
        )
        for company in market
        for name, first, end in company.spans()
    ]
    splits = [
        Split(company.ticker(place), DAYS[place], old, new)
        for company in market
        for place, old, new in company.splits
    ]
    return Told(listings, splits, [one for company in market for one in _spun(company)])


def _spun(company: Company) -> Iterator[Dividend]:
    """A company's spin-offs, told as distributions of their value."""
    for place, share in company.spin_offs:
        before = company.raw()[3, company.places < place][-1]
        yield Dividend(company.ticker(place), DAYS[place], share * float(before))


def todays_tickers(market: list[Company], chance: random.Random) -> Told:
    """As Massive tells: no first days, delistings a day late, actions under the last ticker."""
    told = full(market, chance)
    late = dt.timedelta(days=1)
    told.listings = [
        replace(one, first=None, last=one.last and one.last + late) for one in told.listings
    ]
    told.splits = [
        Split(company.tickers[-1][1], DAYS[place], old, new)
        for company in market
        for place, old, new in company.splits
    ]
    return told


def renames_alone(market: list[Company], chance: random.Random) -> Told:
    """No identifiers and no days: who was renamed from what, and a row for each owner."""
    listings = [
        Listing(name, name=f"Company {company.number}", renamed_from=before)
        for company in market
        for before, (_, name) in zip(
            [None, *(name for _, name in company.tickers)], company.tickers, strict=False
        )
    ]
    told = full(market, chance)
    told.listings = listings
    told.is_enough = False  # without identifiers or days, owners of one ticker look alike
    return told


def days_that_are_off(market: list[Company], chance: random.Random) -> Told:
    """Identifiers; days up to ten sessions off, or missing."""
    told = full(market, chance)

    def near(day: dt.date | None) -> dt.date | None:
        if day is None or chance.random() < 0.3:
            return None
        place = DAYS.index(day) + chance.randrange(-10, 11)
        return DAYS[min(max(place, 0), len(DAYS) - 1)]

    told.listings = [
        replace(one, first=near(one.first), last=one.last and (near(one.last) or one.last))
        for one in told.listings
    ]
    return told


def identifiers_alone(market: list[Company], chance: random.Random) -> Told:
    """No days; actions under any ticker of the company; splits told twice within ten sessions."""
    told = full(market, chance)
    told.listings = [replace(one, first=None, last=None) for one in told.listings]
    told.splits, told.is_enough = [], False
    for company in market:
        for place, old, new in company.splits:
            name = chance.choice([name for _, name in company.tickers])
            told.splits.append(Split(name, DAYS[place], old, new))
            if chance.random() < 0.5:
                again = place + chance.choice([-7, -3, -1, 1, 2, 8])
                told.splits.append(Split(name, DAYS[again], old, new))
    return told


def splits_on_other_days(market: list[Company], chance: random.Random) -> Told:
    """Splits up to eight sessions early or late, on weekends, with a second ratio beside them."""
    told = full(market, chance)
    told.splits = []
    for company in market:
        for place, old, new in company.splits:
            ticker, day = company.ticker(place), DAYS[place]
            match chance.choice(["right", "off", "weekend", "two ratios", "inverse"]):
                case "right":
                    told.splits.append(Split(ticker, day, old, new))
                case "off":
                    moved = DAYS[place + chance.choice([-8, -5, -2, -1, 1, 3, 8])]
                    told.splits.append(Split(ticker, moved, old, new))
                    told.unsure.add(company.number)
                case "weekend":
                    before = day - dt.timedelta(days=1)
                    early = before if before not in DAYS else day
                    told.splits.append(Split(ticker, early, old, new))
                case "two ratios":
                    told.splits.append(Split(ticker, day, old, new))
                    told.splits.append(Split(ticker, day, old * 6, new * 5))
                case "inverse":
                    told.splits.append(Split(ticker, day, old, new))
                    told.splits.append(Split(ticker, day, new, old))
    return told


def last_changes(market: list[Company], chance: random.Random) -> Told:
    """The last day is that of the row's last change, up to years late."""
    told = todays_tickers(market, chance)
    told.is_enough = False
    told.listings = [
        replace(one, last=one.last and one.last + dt.timedelta(days=chance.choice([0, 90, 900])))
        for one in told.listings
    ]
    return told


def contradicted(market: list[Company], chance: random.Random) -> Told:
    """Ratios the wrong way round, splits weeks early, and rows that cannot be used."""
    told = full(market, chance)
    told.splits = []
    for company in market:
        for place, old, new in company.splits:
            ticker, day = company.ticker(place), DAYS[place]
            kind = chance.choice(["right", "round", "early", "never"])
            if kind == "round":
                told.splits.append(Split(ticker, day, new, old))
                told.unsure.add(company.number)
            elif kind == "early":
                told.splits.append(Split(ticker, DAYS[place - 20], old, new))
                told.unsure.add(company.number)
            else:
                told.splits.append(Split(ticker, day, old, new))
            if kind == "never":
                told.splits.append(Split(ticker, DAYS[place + 25], old, new))
    told.splits += [
        Split("GONE", DAYS[100], 1, 2),
        Split(market[0].tickers[0][1], DAYS[200], 1e-300, 1),
        Split(market[0].tickers[0][1], DAYS[200], 0, 0),
    ]
    return told


DIALECTS: dict[str, Callable[[list[Company], random.Random], Told]] = {
    one.__name__: one
    for one in (
        full,
        todays_tickers,
        renames_alone,
        days_that_are_off,
        identifiers_alone,
        splits_on_other_days,
        last_changes,
        contradicted,
    )
}

assert FIELDS == ("open", "high", "low", "close", "volume")
