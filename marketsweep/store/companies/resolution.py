"""Works out companies and actions from reports and stored bars, inside a transaction.

1. For tickers that renames or FIGIs connect, or that several companies had, the sessions with bars
   are read (`_resolve_companies`).
2. Listings are joined where the bars show that one follows the other, and tenures are worked out.
3. Reported splits and dividends get their rulings, year by year; a year with unchanged inputs is
   skipped (`_resolve_actions`).
4. Sessions in which most bars are unchanged are found (`_resolve_frozen_sessions`).
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

from marketsweep.core.fields import CLOSE
from marketsweep.core.records import ActionOverride, Dividend, Listing, Split
from marketsweep.store.catalog.packs import crc32
from marketsweep.store.catalog.rows import segments_of
from marketsweep.store.companies.bar_days import NEAR
from marketsweep.store.companies.companies import Companies, Series
from marketsweep.store.companies.frozen_sessions import frozen, update_counts
from marketsweep.store.companies.joined_listings import joined_by_bars
from marketsweep.store.companies.judge_actions import judge_dividends, judge_splits
from marketsweep.store.companies.presence import days_of, read_runs
from marketsweep.store.companies.rulings import Kind, Ruling, Verdict, effective
from marketsweep.store.companies.tenure_checks import find_doubts
from marketsweep.store.companies.ticker_changes import add_unknown_owners, tenures_of
from marketsweep.store.segments.files import FOLDER

if TYPE_CHECKING:
    from marketsweep.store.catalog.catalog import Catalog

_MAX_SESSIONS_BACK: Final = 60
"""Sessions in which to search the last bar before an ex-date."""

_REACH: Final = dt.timedelta(days=120)
"""Calendar days around an ex-date whose bars may affect a ruling, with a margin."""


def resolve(catalog: Catalog, folder: Path) -> bool:
    """Work out tenures and rulings anew, and return whether any answer may differ.

    Raises StoreDamaged if a segment does not match its checksum.
    """
    bars = _StoredBars(catalog, folder)
    changed = set(catalog.changed_days())
    tenures_changed = _resolve_companies(catalog, bars, changed)
    rulings_changed = _resolve_actions(catalog, bars, changed)
    frozen_changed = _resolve_frozen_sessions(catalog, bars, changed)
    catalog.put_changed_days(())
    return tenures_changed or rulings_changed or frozen_changed


class _StoredBars:
    """The stored bars, by the places of sessions and tickers."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self.sessions = catalog.dates()
        self.symbols = catalog.tickers()
        self.segments = segments_of(folder / FOLDER, catalog.segments())
        self.index = dict(zip(self.symbols, range(len(self.symbols)), strict=True))

    def read(self, ticker: str, first: int, end: int) -> NDArray[np.float64]:
        """Return raw bars of a ticker from session `first` up to `end`: float64 [5, sessions]."""
        return self.segments.of_column(self.index.get(ticker, -1), range(first, end))

    def close(self, ticker: str, place: int) -> float:
        """Return the raw close of a ticker in a session; NaN without a bar."""
        if not 0 <= place < len(self.sessions):
            return np.nan
        return float(self.read(ticker, place, place + 1)[CLOSE, 0])


def _resolve_companies(catalog: Catalog, bars: _StoredBars, changed: Collection[dt.date]) -> bool:
    listings = catalog.listings()
    tickers = _connected_tickers(listings)
    columns = {ticker: bars.index.get(ticker, -1) for ticker in tickers}
    stored_runs = catalog.presence()
    runs = read_runs(bars.sessions, bars.segments, columns, stored_runs, changed)
    connected = frozenset(tickers)
    joined, doubts = joined_by_bars(
        [listing for listing in listings if listing.symbol in connected], runs, bars.close
    )
    tenures = tenures_of(joined, runs, bars.close)
    doubts += find_doubts(tenures, runs, bars.close, _SplitSessions(catalog, bars).is_near)
    tenures = add_unknown_owners(tenures, runs)
    if tickers or stored_runs:
        catalog.put_presence(days_of(runs, tickers))
    other_listings = [listing for listing in listings if listing.symbol not in connected]
    changed_listings = catalog.put_listings([*other_listings, *joined], tenures)
    return catalog.put_tenures(tenures, doubts) or changed_listings


def _resolve_frozen_sessions(
    catalog: Catalog, bars: _StoredBars, changed: Collection[dt.date]
) -> bool:
    stored = catalog.stillness()
    if not changed and len(stored) == len(bars.sessions):
        return False
    counts = update_counts(bars.sessions, bars.segments, stored, changed)
    return catalog.put_stillness(counts, frozen(counts))


class _SplitSessions:
    """The sessions of reported splits, read on first use."""

    def __init__(self, catalog: Catalog, bars: _StoredBars) -> None:
        self._catalog, self._bars = catalog, bars
        self._places: defaultdict[str, list[int]] | None = None

    def is_near(self, ticker: str, place: int) -> bool:
        """Return whether a split of a ticker is reported near a session."""
        if self._places is None:
            self._places = defaultdict(list)
            for split in self._catalog.splits():
                self._places[split.symbol].append(bisect_left(self._bars.sessions, split.ex_date))
        return any(abs(split_place - place) <= NEAR for split_place in self._places.get(ticker, ()))


def _connected_tickers(listings: Iterable[Listing]) -> list[str]:
    """Return tickers that renames or FIGIs connect with others, and those of several companies."""
    connected: set[str] = set()
    by_figi: defaultdict[str, set[str]] = defaultdict(set)
    by_number: defaultdict[int, set[str]] = defaultdict(set)
    owners = Counter(listing.symbol for listing in listings)
    for listing in listings:
        by_figi[listing.figi or ""].add(listing.symbol)
        by_number[listing.instrument or 0].add(listing.symbol)
        for renamed in (listing.renamed_from, listing.renamed_to):
            if renamed:
                connected |= {listing.symbol, renamed}
    by_figi.pop("", None)
    for group in (*by_figi.values(), *by_number.values()):
        if len(group) > 1:
            connected |= group
    return sorted(connected | {symbol for symbol, count in owners.items() if count > 1})


def _resolve_actions(catalog: Catalog, bars: _StoredBars, changed: Collection[dt.date]) -> bool:
    tenures, overrides = catalog.tenures(), catalog.settled()
    companies = Companies(tenures, bars.sessions, bars.symbols)
    tickers = {
        (override.symbol, override.ex_date): candidates[0][0]
        for override in overrides
        if (candidates := companies.candidates(override.symbol, companies.place(override.ex_date)))
        and candidates[0][0] != override.symbol
    }
    tickers_changed = catalog.put_word_tickers(tickers)
    common_key = crc32(repr((tenures, overrides)).encode())
    judge = _Judge(catalog, companies, bars, overrides, common_key, changed)
    splits_changed, dividends_changed = judge.splits(), judge.dividends()
    return splits_changed or dividends_changed or tickers_changed


class _Judge:
    """Makes the rulings of each year whose inputs changed."""

    def __init__(
        self,
        catalog: Catalog,
        companies: Companies,
        bars: _StoredBars,
        overrides: Sequence[ActionOverride],
        common_key: int,
        changed: Collection[dt.date],
    ) -> None:
        self._catalog = catalog
        self._companies = companies
        self._bars = bars
        self._overrides = overrides
        self._common = common_key
        self._touched_years = {
            (day + offset).year for day in changed for offset in (-_REACH, _REACH)
        }

    def splits(self) -> bool:
        """Make the rulings on splits, and return whether any changed."""
        by_year: defaultdict[int, list[Split]] = defaultdict(list)
        for split in self._catalog.splits():
            by_year[split.ex_date.year].append(split)
        changed = [self._catalog.drop_rulings("split", by_year)]
        series = Series(self._companies, self._bars.read)
        for year in by_year:
            around = [split for y in (year - 1, year, year + 1) for split in by_year.get(y, ())]
            key = self._key(around)
            if not self._is_up_to_date("split", year, key):
                rulings = judge_splits(around, self._companies, series, self._overrides)
                own = _sorted_rulings(ruling for ruling in rulings if ruling.ex_date.year == year)
                changed.append(self._catalog.put_rulings("split", year, key, own))
        return any(changed)

    def dividends(self) -> bool:
        """Make the rulings on dividends, after those on splits, and return whether any changed."""
        years = [int(name.rpartition("/")[2]) for name in self._catalog.pack_names("dividends/")]
        changed = [self._catalog.drop_rulings("dividend", years)]
        splits = self._effective_splits()
        closes = _Closes(self._bars, self._companies, splits)
        splits_key = self._key(splits)
        for year in years:
            key = splits_key
            for y in (year - 1, year):
                key = crc32(self._catalog.pack(f"dividends/{y}") or b"", key)
            if not self._is_up_to_date("dividend", year, key):
                # A dividend of January may be reported for December as well.
                late = [
                    row for row in self._catalog.dividends_of(year - 1) if row.ex_date.month == 12
                ]
                dividends = [*late, *self._catalog.dividends_of(year)]
                rulings = judge_dividends(
                    dividends, self._companies, closes.before, self._overrides
                )
                own = _sorted_rulings(ruling for ruling in rulings if ruling.ex_date.year == year)
                changed.append(self._catalog.put_rulings("dividend", year, key, own))
        return any(changed)

    def _effective_splits(self) -> list[Split]:
        rulings, tickers = self._catalog.rulings("split"), self._catalog.word_tickers()
        overrides = [override for override in self._overrides if override.kind == "split"]
        return effective(self._catalog.splits(), rulings, overrides, tickers)

    def _key(self, actions: Sequence[Split | Dividend]) -> int:
        return crc32(repr(actions).encode(), self._common)

    def _is_up_to_date(self, kind: Kind, year: int, key: int) -> bool:
        stored = self._catalog.rulings_of(kind, year)
        if stored is None or stored[0] != key or year in self._touched_years:
            return False
        # A ticker that had no bars may have some by now.
        return not any(
            ruling.verdict is Verdict.UNPLACED and ruling.symbol in self._bars.index
            for ruling in stored[1]
        )


class _Closes:
    """Closes of all tickers before sessions, read one session at a time."""

    def __init__(self, bars: _StoredBars, companies: Companies, splits: Iterable[Split]) -> None:
        self._bars = bars
        self._rows: dict[int, NDArray[np.float64]] = {}
        self._factors: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for split in splits:
            self._factors[split.symbol].append((companies.place(split.ex_date), split.factor))

    def before(self, ticker: str, place: int) -> float:
        """Return the close of a ticker in its last bar before a session, in shares of that session.

        Return infinity if there is no bar within `_MAX_SESSIONS_BACK` sessions.
        """
        column = self._bars.index[ticker]
        for earlier in range(place - 1, max(-1, place - 1 - _MAX_SESSIONS_BACK), -1):
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


def _sorted_rulings(rulings: Iterable[Ruling]) -> list[Ruling]:
    return sorted(rulings, key=lambda ruling: ruling[:5])
