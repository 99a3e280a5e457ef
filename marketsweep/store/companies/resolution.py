"""Works out companies and actions from what is told and what is stored, inside a transaction.

1. Tickers that renames or FIGIs connect, or that several companies had, are looked up: on which
   sessions does each have bars (`_companies`)?
2. Listings are joined where the bars show that one follows the other, and tenures are worked out.
3. Told splits and dividends get their rulings, year by year; a year whose inputs are as before is
   left as it is (`_actions`).
4. Sessions in which most of the market stands still are looked for (`_stillness`).
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, FIELDS
from marketsweep.core.records import Dividend, Listing, Settled, Split
from marketsweep.store.catalog.packs import crc32
from marketsweep.store.catalog.rows import segments_of
from marketsweep.store.companies.bar_days import NEAR
from marketsweep.store.companies.companies import Companies, Series
from marketsweep.store.companies.instruments import joined_by_bars
from marketsweep.store.companies.judging import judge_dividends, judge_splits
from marketsweep.store.companies.presence import days_of, read_runs
from marketsweep.store.companies.rulings import Kind, Ruling, Verdict, effective
from marketsweep.store.companies.stillness import frozen, measured
from marketsweep.store.companies.tenure_checks import doubts_of
from marketsweep.store.companies.tenures import tenures_of, with_unknown_owners
from marketsweep.store.segments.files import FOLDER

if TYPE_CHECKING:
    from marketsweep.store.catalog.catalog import Catalog

_FAR: Final = 60
"""Sessions in which the bar before an ex-date is looked for."""

_NEAR: Final = dt.timedelta(days=120)
"""Calendar days around an ex-date whose bars may decide a ruling, generously."""


def resolve(catalog: Catalog, folder: Path) -> bool:
    """Work out tenures and rulings anew; whether an answer may differ. Raises StoreDamaged."""
    bars = _Stored(catalog, folder)
    changed = set(catalog.changed_days())
    tenures_changed = _companies(catalog, bars, changed)
    rulings_changed = _actions(catalog, bars, changed)
    frozen_changed = _stillness(catalog, bars, changed)
    catalog.put_changed_days(())
    return tenures_changed or rulings_changed or frozen_changed


class _Stored:
    """The stored bars, by the places of sessions and tickers."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self.sessions = catalog.dates()
        self.symbols = catalog.tickers()
        self.segments = segments_of(folder / FOLDER, catalog.segments())
        self.index = dict(zip(self.symbols, range(len(self.symbols)), strict=True))

    def read(self, ticker: str, first: int, beyond: int) -> NDArray[np.float64]:
        """Raw bars of a ticker in the sessions from `first` up to `beyond`: [5, sessions]."""
        column = np.array([self.index.get(ticker, -1)])
        return self.segments.read(range(len(FIELDS)), range(first, beyond), column)[:, :, 0]

    def close(self, ticker: str, place: int) -> float:
        """The raw close of a ticker in a session; NaN where it has no bar."""
        if not 0 <= place < len(self.sessions):
            return np.nan
        return float(self.read(ticker, place, place + 1)[CLOSE, 0])


def _companies(catalog: Catalog, bars: _Stored, changed: Collection[dt.date]) -> bool:
    listings = catalog.listings()
    tickers = _connected(listings)
    columns = {ticker: bars.index.get(ticker, -1) for ticker in tickers}
    kept = catalog.presence()
    runs = read_runs(bars.sessions, bars.segments, columns, kept, changed)
    connected = frozenset(tickers)
    joined, doubts = joined_by_bars(
        [one for one in listings if one.symbol in connected], runs, bars.close
    )
    tenures = tenures_of(joined, runs, bars.close)
    doubts += doubts_of(tenures, runs, bars.close, _Splits(catalog, bars).is_near)
    tenures = with_unknown_owners(tenures, runs)
    if tickers or kept:
        catalog.put_presence(days_of(runs, tickers))
    others = [one for one in listings if one.symbol not in connected]
    changed_listings = catalog.put_listings([*others, *joined], tenures)
    return catalog.put_tenures(tenures, doubts) or changed_listings


def _stillness(catalog: Catalog, bars: _Stored, changed: Collection[dt.date]) -> bool:
    kept = catalog.stillness()
    if not changed and len(kept) == len(bars.sessions):
        return False
    found = measured(bars.sessions, bars.segments, kept, changed)
    return catalog.put_stillness(found, frozen(found))


class _Splits:
    """The sessions of told splits, read when the first is asked for."""

    def __init__(self, catalog: Catalog, bars: _Stored) -> None:
        self._catalog, self._bars = catalog, bars
        self._of: defaultdict[str, list[int]] | None = None

    def is_near(self, ticker: str, place: int) -> bool:
        """Whether a split of a ticker is told near a session."""
        if self._of is None:
            self._of = defaultdict(list)
            for split in self._catalog.splits():
                self._of[split.symbol].append(bisect_left(self._bars.sessions, split.ex_date))
        return any(abs(one - place) <= NEAR for one in self._of.get(ticker, ()))


def _connected(listings: Iterable[Listing]) -> list[str]:
    """Tickers that renames or FIGIs connect with others, and those of several companies."""
    found: set[str] = set()
    by_figi: defaultdict[str, set[str]] = defaultdict(set)
    by_number: defaultdict[int, set[str]] = defaultdict(set)
    owners = Counter(listing.symbol for listing in listings)
    for listing in listings:
        by_figi[listing.figi or ""].add(listing.symbol)
        by_number[listing.instrument or 0].add(listing.symbol)
        for other in (listing.renamed_from, listing.renamed_to):
            if other:
                found |= {listing.symbol, other}
    by_figi.pop("", None)
    for group in (*by_figi.values(), *by_number.values()):
        if len(group) > 1:
            found |= group
    return sorted(found | {symbol for symbol, count in owners.items() if count > 1})


def _actions(catalog: Catalog, bars: _Stored, changed: Collection[dt.date]) -> bool:
    tenures, words = catalog.tenures(), catalog.settled()
    companies = Companies(tenures, bars.sessions, bars.symbols)
    places = {
        (word.symbol, word.ex_date): choices[0][0]
        for word in words
        if (choices := companies.of(word.symbol, companies.place(word.ex_date)))
        and choices[0][0] != word.symbol
    }
    news = catalog.put_word_tickers(places)
    common = crc32(repr((tenures, words)).encode())
    judge = _Judge(catalog, companies, bars, words, common, changed)
    splits_changed, dividends_changed = judge.splits(), judge.dividends()
    return splits_changed or dividends_changed or news


class _Judge:
    """Makes the rulings of each year whose inputs changed."""

    def __init__(
        self,
        catalog: Catalog,
        companies: Companies,
        bars: _Stored,
        words: Sequence[Settled],
        common: int,
        changed: Collection[dt.date],
    ) -> None:
        self._catalog = catalog
        self._companies = companies
        self._bars = bars
        self._words = words
        self._common = common
        self._touched = {(day + off).year for day in changed for off in (-_NEAR, _NEAR)}

    def splits(self) -> bool:
        """Make the rulings on splits; whether any changed."""
        of_year: defaultdict[int, list[Split]] = defaultdict(list)
        for split in self._catalog.splits():
            of_year[split.ex_date.year].append(split)
        changed = [self._catalog.drop_rulings("split", of_year)]
        series = Series(self._companies, self._bars.read)
        for year in of_year:
            around = [one for near in (year - 1, year, year + 1) for one in of_year.get(near, ())]
            key = self._key(around)
            if not self._is_known("split", year, key):
                rulings = judge_splits(around, self._companies, series, self._words)
                mine = _ordered(one for one in rulings if one.ex_date.year == year)
                changed.append(self._catalog.put_rulings("split", year, key, mine))
        return any(changed)

    def dividends(self) -> bool:
        """Make the rulings on dividends, after those on splits; whether any changed."""
        years = [int(name.rpartition("/")[2]) for name in self._catalog.pack_names("dividends/")]
        changed = [self._catalog.drop_rulings("dividend", years)]
        splits = self._effective_splits()
        closes = _Closes(self._bars, self._companies, splits)
        common = self._key(splits)
        for year in years:
            key = common
            for near in (year - 1, year):
                key = crc32(self._catalog.pack(f"dividends/{near}") or b"", key)
            if not self._is_known("dividend", year, key):
                # One of January may be told for December as well.
                late = [
                    one for one in self._catalog.dividends_of(year - 1) if one.ex_date.month == 12
                ]
                dividends = [*late, *self._catalog.dividends_of(year)]
                rulings = judge_dividends(dividends, self._companies, closes.before, self._words)
                mine = _ordered(one for one in rulings if one.ex_date.year == year)
                changed.append(self._catalog.put_rulings("dividend", year, key, mine))
        return any(changed)

    def _effective_splits(self) -> list[Split]:
        rulings, places = self._catalog.rulings("split"), self._catalog.word_tickers()
        words = [word for word in self._words if word.kind == "split"]
        return effective(self._catalog.splits(), rulings, words, places)

    def _key(self, actions: Sequence[Split | Dividend]) -> int:
        return crc32(repr(actions).encode(), self._common)

    def _is_known(self, kind: Kind, year: int, key: int) -> bool:
        kept = self._catalog.rulings_of(kind, year)
        if kept is None or kept[0] != key or year in self._touched:
            return False
        # A ticker that had no bars may have some by now.
        return not any(
            ruling.verdict is Verdict.UNPLACED and ruling.symbol in self._bars.index
            for ruling in kept[1]
        )


class _Closes:
    """Closes of all tickers before sessions, read a session at a time."""

    def __init__(self, bars: _Stored, companies: Companies, splits: Iterable[Split]) -> None:
        self._bars = bars
        self._rows: dict[int, NDArray[np.float64]] = {}
        self._factors: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for split in splits:
            self._factors[split.symbol].append((companies.place(split.ex_date), split.factor))

    def before(self, ticker: str, place: int) -> float:
        """The close of a ticker in its last bar before a session, in shares of that session.

        Infinite if that bar is far.
        """
        column = self._bars.index[ticker]
        for earlier in range(place - 1, max(-1, place - 1 - _FAR), -1):
            row = self._row(earlier)
            if column < len(row) and row[column] > 0:
                close = float(row[column])
                for session, factor in self._factors.get(ticker, ()):
                    close *= factor if earlier < session <= place else 1.0
                return close
        return np.inf

    def _row(self, place: int) -> NDArray[np.float64]:
        if place not in self._rows:
            self._rows[place] = self._bars.segments.session(place)[CLOSE]
        return self._rows[place]


def _ordered(rulings: Iterable[Ruling]) -> list[Ruling]:
    return sorted(rulings, key=lambda one: one[:5])
