"""An incremental scan gives what a full one does, to the bit, and does no more than it must."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Dividend, Listing, SessionBars, Split
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.errors import UsageError
from marketsweep.kernels import cpu
from marketsweep.scan.incremental.cache import FOLDER, CachedResults, ResultsFolder
from marketsweep.scan.results import Hits, Reuse
from marketsweep.store.store import Store
from tests.helpers.markets import put_words
from tests.ingest.test_sync import command
from tests.test_docs import fenced

DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 12, 30))
BEGUN = 50
"""Sessions that a market has at first: three months, so that there are older segments."""


def bars_of(day: dt.date, symbols: list[str], seed: int) -> SessionBars:
    r = np.random.default_rng([seed, DAYS.index(day)])
    close = np.round(20 + 5 * r.standard_normal(len(symbols)), 2)
    spread = np.round(np.abs(r.standard_normal(len(symbols))), 2)
    values = [close - spread / 2, close + spread, close - spread, close, 1000 * (1 + spread)]
    return SessionBars(day, symbols, np.array(values))


def assert_same(found: Hits, full: Hits) -> None:
    """Everything but the times and what is said of reuse."""
    assert found.symbols == full.symbols
    assert found.values.keys() == full.values.keys()
    columns = [(found.close, full.close), (found.volume, full.volume)]
    columns += [(found.values[name], full.values[name]) for name in full.values]
    for one, other in columns:
        np.testing.assert_array_equal(one.view(np.int64), other.view(np.int64))
    assert found.coverage == full.coverage
    assert found.funnel == full.funnel
    assert str(found.near) == str(full.near)  # NaN included
    assert found.warnings == full.warnings


def looked_at(hits: Hits) -> int:
    left = hits.coverage.excluded
    return hits.coverage.evaluated + left.short_history + left.suspect + left.unknown_facts


QUESTIONS: list[dict[str, Any]] = [
    {"condition": "close > sma(3)", "columns": "close, sma(2)"},
    {"condition": "close > ema(4)", "columns": "rsi(3), atr(2), adx(2)", "funnel": True, "near": 9},
    {"condition": "weekly(close) > sma(8) or close < lowest(low, 9)[1]", "sort": "-roc(7)"},
    {"condition": 'sector == "Tech" and market_cap > 20M', "columns": "market_cap, listing_age"},
    {"condition": "weekly(close * market_cap) > 500M", "columns": "weekly(listing_age)"},
    {"condition": "close > 1", "adjust": "total", "columns": "sma(40), volume / sma(volume, 9)"},
    {"condition": "close < 99", "where": 'sector == "Tech"', "columns": "ema(2), close[30]"},
    {"condition": "close > ema(3)", "as_of": DAYS[BEGUN - 2], "exclude_suspect": True},
    {"condition": "rank(roc(3)) <= 3 and close > ema(2)", "columns": 'rs(3, "A")'},
    {"condition": 'symbol("A", ema(3))[2] > 5', "columns": 'symbol("A").close'},
]


class Edits(RuleBasedStateMachine):
    """A market that is edited in every way that there is, scanned between the edits."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.store = Store.create(self.path)
        self.symbols = list("ABCDEF")
        self.former: list[str] = []
        self.listings = {one: Listing(one, first=DAYS[0]) for one in self.symbols}
        self.days = DAYS[:BEGUN]
        self.splits: list[Split] = []
        self.missing: list[tuple[dt.date, str]] = []
        self.edits = 0

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.path)

    def commit(self, *sessions: SessionBars) -> None:
        with self.store.writer() as writer:
            writer.commit(sessions, "test")

    @initialize()
    def begin(self) -> None:
        self.commit(*(bars_of(day, self.symbols, 0) for day in self.days))
        self.describe()

    def describe(self) -> None:
        with self.store.writer() as writer:
            writer.put_listings(self.listings.values())

    def seed(self) -> int:
        self.edits += 1
        return self.edits

    @rule(skipped=st.integers(0, 1), absent=st.integers(0, 9))
    def another_session(self, skipped: int, absent: int) -> None:
        day = DAYS[DAYS.index(self.days[-1]) + 1 + skipped]
        there = [one for place, one in enumerate(self.symbols) if place != absent]
        self.missing += [(day, one) for one in self.symbols if one not in there]
        self.days = [*self.days, day]
        self.commit(bars_of(day, there, self.seed()))

    @precondition(lambda self: DAYS.index(self.days[-1]) >= len(self.days))
    @rule()
    def a_session_that_was_skipped(self) -> None:
        day = next(day for day in DAYS if day not in self.days)
        self.days = sorted([*self.days, day])
        self.commit(bars_of(day, self.symbols, self.seed()))

    @precondition(lambda self: self.missing)
    @rule()
    def a_late_bar(self) -> None:
        day, symbol = self.missing.pop()
        self.commit(bars_of(day, [symbol], self.seed()))

    @rule(data=st.data(), back=st.integers(1, BEGUN))
    def a_revised_bar(self, data: st.DataObject, back: int) -> None:
        symbol = data.draw(st.sampled_from(self.symbols + self.former))
        self.commit(bars_of(self.days[-back], [symbol], self.seed()))

    @rule(bars=st.integers(1, 12))
    def a_new_symbol(self, bars: int) -> None:
        symbol = f"N{len(self.symbols)}"
        self.symbols.append(symbol)
        self.commit(*(bars_of(day, [symbol], self.seed()) for day in self.days[-bars:]))

    @rule(data=st.data(), back=st.integers(-3, BEGUN), new=st.integers(2, 3))
    def a_split(self, data: st.DataObject, back: int, new: int) -> None:
        """Also one that is yet to come."""
        symbol = data.draw(st.sampled_from(self.symbols + self.former))
        split = Split(symbol, DAYS[DAYS.index(self.days[-1]) - back], 1, new)
        self.splits.append(split)
        with self.store.writer() as writer:
            put_words(writer, [split])
            writer.add_splits([split])  # told as well: the prices do not show it

    @precondition(lambda self: self.splits)
    @rule()
    def a_split_taken_back(self) -> None:
        gone = self.splits.pop()
        with self.store.writer() as writer:
            writer.remove_override(gone.symbol, gone.ex_date, "split")

    @rule(data=st.data(), back=st.integers(0, BEGUN), cash=st.sampled_from([0.25, 0.5]))
    def a_dividend(self, data: st.DataObject, back: int, cash: float) -> None:
        symbol = data.draw(st.sampled_from(self.symbols + self.former))
        day = DAYS[DAYS.index(self.days[-1]) - back]
        with self.store.writer() as writer:
            writer.add_dividends([Dividend(symbol, day, cash)])

    @rule(data=st.data(), sector=st.sampled_from(["Tech", "Energy"]), shares=st.integers(1, 3))
    def facts(self, data: st.DataObject, sector: str, shares: int) -> None:
        symbol = data.draw(st.sampled_from(self.symbols))
        known = self.listings.get(symbol, Listing(symbol))
        self.listings[symbol] = replace(known, sector=sector, shares=shares * 1e6)
        self.describe()

    @precondition(lambda self: len(self.symbols) < 12)
    @rule(data=st.data(), back=st.integers(1, 20))
    def a_rename(self, data: st.DataObject, back: int) -> None:
        """Told late: the new ticker's bars may be there already."""
        before = data.draw(st.sampled_from(self.symbols))
        after = f"R{len(self.symbols)}"
        self.symbols[self.symbols.index(before)] = after
        self.former.append(before)
        last = self.days[-back - 1]
        self.listings[before] = replace(self.listings.get(before, Listing(before)), last=last)
        self.listings[after] = Listing(after, first=self.days[-back], renamed_from=before)
        self.commit(*(bars_of(day, [after], self.seed()) for day in self.days[-back:]))
        self.describe()

    @invariant()
    def incremental_equals_full(self) -> None:
        # A few at a time, so that there are several edits between two scans of the same.
        for number in range(self.edits, self.edits + 4):
            question = QUESTIONS[2 * number % len(QUESTIONS)]
            with ms.open(self.path) as market:
                full = market.scan(**question, min_coverage=0)
            with ms.open(self.path) as market:
                wanted = ms.Incremental(sample=number % 3)
                found = market.scan(**question, min_coverage=0, incremental=wanted)
            assert_same(found, full)
            assert found.reuse is not None
            assert found.reuse.evaluated + found.reuse.reused == looked_at(found)
            assert found.reuse.fetched <= found.reuse.evaluated


EditsTest = Edits.TestCase
EditsTest.settings = settings(max_examples=12, stateful_step_count=12)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six symbols of fifty sessions."""
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.commit([bars_of(day, list("ABCDEF"), 0) for day in DAYS[:BEGUN]], "test")
        writer.put_listings(
            [Listing(one, sector="Tech" if one < "C" else "Energy") for one in "ABCDEF"]
        )
    return tmp_path


@pytest.fixture
def market(data: Path) -> Iterator[ms.Market]:
    with ms.open(data) as opened:
        yield opened


CONDITION = "close > ema(4)"
"""Its recursion settles within 60 bars: all of the sessions count."""


def scan(
    market: ms.Market,
    condition: str = CONDITION,
    always: Sequence[str] = (),
    max_age: float = 3600,
    sample: int = 500,
) -> Reuse:
    """An incremental scan that must equal a full one by somebody else; what it reused."""
    found = market.scan(condition, incremental=ms.Incremental(always, max_age, sample))
    with ms.open(market.store.path) as other:
        assert_same(found, other.scan(condition))
    assert found.reuse is not None
    return found.reuse


def commit(data: Path, *sessions: SessionBars) -> None:
    with Store.open(data) as store, store.writer() as writer:
        writer.commit(sessions, "test")


def kept(data: Path) -> tuple[str, CachedResults]:
    """What is kept of the one condition that was scanned, and its key."""
    (file,) = (data / FOLDER).iterdir()
    return file.stem, ResultsFolder(data).read(file.stem, 0, 8)


def test_what_changed_is_evaluated_and_the_rest_reused(data: Path, market: ms.Market) -> None:
    assert scan(market) == Reuse(fetched=6, evaluated=6, reused=0, audited=0)
    assert scan(market) == Reuse(fetched=0, evaluated=0, reused=6, audited=6)
    commit(data, bars_of(DAYS[BEGUN - 1], ["B"], 1))
    assert scan(market) == Reuse(fetched=1, evaluated=1, reused=5, audited=5)
    commit(data, bars_of(DAYS[0], ["C"], 1), bars_of(DAYS[30], ["D"], 1))
    assert scan(market, sample=2) == Reuse(fetched=2, evaluated=2, reused=4, audited=2)
    commit(data, bars_of(DAYS[BEGUN - 1], ["NEW"], 1))
    assert scan(market, sample=0) == Reuse(fetched=1, evaluated=1, reused=6, audited=0)
    commit(data, bars_of(DAYS[BEGUN], list("ABCDEF"), 1))
    assert scan(market) == Reuse(fetched=6, evaluated=6, reused=0, audited=0)


def test_a_longer_panel_at_hand_changes_no_bit(data: Path, market: ms.Market) -> None:
    """A recursion's last bits tell where it began."""
    commit(data, *(bars_of(day, list("ABCDEF"), 0) for day in DAYS[BEGUN:150]))
    longer = market.scan("close > sma(150) or close > 0", columns="rsi(4)").values["rsi(4)"]
    condition = "rsi(4) > 0"
    with ms.open(data) as other:
        alone = other.scan(condition).values["rsi(4)"]
    assert (longer != alone).any()
    for _ in range(2):
        scan(market, condition)


def test_another_process_reuses_what_this_one_kept(data: Path, market: ms.Market) -> None:
    scan(market)
    done = command("scan", CONDITION, "--incremental", "--format", "json", "--data", data)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reuse"] == {
        "fetched": 0,
        "evaluated": 0,
        "reused": 6,
        "audited": 6,
    }
    assert "  incremental: 0 with new data, 0 evaluated, 6 reused, 6 audited\n" in done.stderr


def test_a_month_put_together_from_its_weeks_is_no_change(data: Path, market: ms.Market) -> None:
    as_of = DAYS[BEGUN - 1]
    market.scan(CONDITION, as_of=as_of, incremental=True)
    files = {path.name for path in (data / "segments").iterdir()}
    commit(data, *(bars_of(day, list("ABCDEF"), 1) for day in DAYS[BEGUN : BEGUN + 20]))
    assert as_of.month != DAYS[BEGUN + 19].month
    assert {path.name for path in (data / "segments").iterdir()} - files
    assert market.scan(CONDITION, as_of=as_of, incremental=True).reuse == Reuse(0, 0, 6, 6)


def test_each_session_has_its_own_results(market: ms.Market) -> None:
    market.scan(CONDITION, incremental=True)
    market.scan(CONDITION, as_of=DAYS[BEGUN - 5], incremental=True)
    assert scan(market) == Reuse(0, 0, 6, 6)


def test_where_older_bars_than_are_known_change_everybody_does(
    data: Path, market: ms.Market
) -> None:
    scan(market, "close > sma(3)")
    commit(data, bars_of(DAYS[0], ["C"], 1))
    assert scan(market, "close > sma(3)") == Reuse(6, 6, 0, 0)


def test_where_it_is_not_known_what_older_bars_were_everybody_counts_as_changed(
    data: Path, market: ms.Market
) -> None:
    scan(market)
    key, found = kept(data)
    assert len(found.fingerprints) == len(found.parts) > 2
    ResultsFolder(data).write(key, replace(found, fingerprints=found.fingerprints[:1]))
    commit(data, bars_of(DAYS[0], ["C"], 1))
    assert scan(market, sample=0) == Reuse(6, 6, 0, 0)


def test_actions_and_facts_change_their_own_symbol(data: Path, market: ms.Market) -> None:
    by_fact = f'{CONDITION} and sector == "Tech"'
    scan(market), scan(market, by_fact)
    with Store.open(data) as store, store.writer() as writer:
        put_words(writer, [Split("A", DAYS[40], 1, 2), Split("B", DAYS[BEGUN + 9], 1, 2)])
    assert scan(market) == Reuse(1, 1, 5, 5)
    with Store.open(data) as store, store.writer() as writer:
        writer.put_listings([Listing("C", sector="Tech")])
    assert scan(market) == Reuse(0, 0, 6, 6)  # it does not ask for the sector
    assert scan(market, by_fact) == Reuse(2, 2, 4, 4)


def test_dividends_count_where_bars_are_adjusted_for_them(data: Path, market: ms.Market) -> None:
    def told(cash: float, adjust: Adjust) -> Reuse | None:
        with Store.open(data) as store, store.writer() as writer:
            writer.add_dividends([Dividend("A", DAYS[40], cash)])
        return market.scan(CONDITION, adjust=adjust, incremental=True).reuse

    told(1.0, "total"), told(1.0, "splits")
    assert told(2.0, "total") == Reuse(1, 1, 5, 5)
    assert told(3.0, "splits") == Reuse(0, 0, 6, 6)


def test_facts_within_longer_bars_count_too(data: Path, market: ms.Market) -> None:
    condition = "weekly(close * market_cap) > 0"
    scan(market, condition)
    with Store.open(data) as store, store.writer() as writer:
        writer.put_listings([Listing("C", market_cap=1e6)])
    assert scan(market, condition, sample=0) == Reuse(1, 1, 5, 0)


def test_bars_under_an_earlier_ticker_are_bars_of_the_symbol(data: Path, market: ms.Market) -> None:
    commit(data, *(bars_of(day, ["A1"], 1) for day in DAYS[40:BEGUN]))
    assert scan(market).fetched == 7
    with Store.open(data) as store, store.writer() as writer:
        old = Listing("A", last=DAYS[39])
        writer.put_listings([old, Listing("A1", first=DAYS[40], renamed_from="A")])
    assert scan(market) == Reuse(1, 1, 6, 6)
    commit(data, bars_of(DAYS[20], ["A"], 1))
    assert scan(market) == Reuse(2, 2, 5, 5)  # A was traded on, under whatever name


def unknown(market: ms.Market) -> set[str]:
    """The symbols whose own bars do not reach back 40 sessions."""
    hits = market.scan("close > 0", columns="sma(40)")
    return set(np.array(hits.symbols)[np.isnan(hits.values["sma(40)"])].tolist())


def test_whose_bars_the_earlier_ones_are_may_be_told_later(data: Path, market: ms.Market) -> None:
    def told(*listings: Listing) -> None:
        with Store.open(data) as store, store.writer() as writer:
            writer.put_listings(listings)

    told(
        Listing("A", first=DAYS[0], last=DAYS[19], figi="F1"),
        Listing("A", first=DAYS[20], figi="F2"),
    )
    condition = "close > sma(40)"
    scan(market, condition)
    assert unknown(market) == {"A"}
    told(Listing("B", first=DAYS[0], last=DAYS[19], figi="F2"))
    # A goes on from B, and what is traded as B since then is of somebody else.
    assert scan(market, condition, sample=0) == Reuse(2, 2, 4, 0)
    assert unknown(market) == {"B"}


def test_another_universe_reuses_what_it_shares(data: Path, market: ms.Market) -> None:
    def of(where: str | None) -> Reuse | None:
        return market.scan(CONDITION, where=where, incremental=True).reuse

    assert of('sector == "Tech"') == Reuse(2, 2, 0, 0)
    assert of(None) == Reuse(4, 4, 2, 2)
    commit(data, bars_of(DAYS[BEGUN - 1], ["B", "F"], 1))
    assert of('sector == "Tech"') == Reuse(1, 1, 1, 1)
    assert of(None) == Reuse(1, 1, 5, 5)  # F was not looked at, and is not held to be what it was


@pytest.mark.parametrize("condition", ["rank(close) <= 3", 'close > symbol("A").close'])
def test_what_compares_symbols_is_evaluated_whole(market: ms.Market, condition: str) -> None:
    for _ in range(2):
        assert scan(market, condition) == Reuse(6, 6, 0, 0)


def test_the_always_list(data: Path, market: ms.Market) -> None:
    scan(market)
    assert scan(market, always=["E", "B"]) == Reuse(0, 2, 4, 4)
    hits = market.scan(CONDITION, incremental=ms.Incremental(always=("A", "XYZ")))
    assert hits.reuse == Reuse(0, 1, 5, 5)
    assert f"named in always, but without data on {DAYS[BEGUN - 1]}: XYZ" in hits.warnings


def test_results_are_reused_until_they_are_too_old(data: Path, market: ms.Market) -> None:
    scan(market)
    assert scan(market, max_age=0) == Reuse(0, 6, 0, 0)
    key, found = kept(data)
    at = found.at.copy()
    at[found.symbols.index("B")] -= 3590
    at[found.symbols.index("C")] -= 3610
    at[found.symbols.index("D")] += 7200  # the clock was put back since
    ResultsFolder(data).write(key, replace(found, at=at))
    assert scan(market) == Reuse(0, 2, 4, 4)
    assert scan(market, max_age=3580) == Reuse(0, 1, 5, 5)
    assert scan(market) == Reuse(0, 0, 6, 6)


@pytest.mark.parametrize("what", ["values", "bars"])
def test_the_audit_finds_what_was_altered(data: Path, market: ms.Market, what: str) -> None:
    scan(market)
    key, found = kept(data)
    values, bars = found.values.copy(), found.bars.copy()
    if what == "values":
        values[1, found.symbols.index("E")] += 1e-9
    else:
        bars[found.symbols.index("E")] -= 1
    ResultsFolder(data).write(key, replace(found, values=values, bars=bars))
    blind = market.scan("close > ema(4)", incremental=ms.Incremental(sample=0))
    assert blind.reuse == Reuse(0, 0, 6, 0)
    hits = market.scan(CONDITION, incremental=True)
    assert hits.reuse == Reuse(fetched=0, evaluated=6, reused=0, audited=6)
    assert hits.warnings[-1] == (
        "1 of 6 audited results were wrong, among them that of E: all symbols were evaluated "
        "again, and nothing was reused"
    )
    assert scan(market) == Reuse(0, 0, 6, 6)


@pytest.mark.parametrize("how", ["empty", "cut", "byte", "foreign", "other", "shape"])
def test_a_damaged_file_counts_as_none(data: Path, market: ms.Market, how: str) -> None:
    scan(market)
    key, found = kept(data)
    file = data / FOLDER / f"{key}.kept"
    whole = file.read_bytes()
    broken = {
        "empty": b"",
        "cut": whole[:-1],
        "byte": whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:],
        "foreign": b"not ours\n" * 100,
        "other": whole[:22] + b"%08x\n" % crc32(b"body") + b"body",
    }
    if how == "shape":
        ResultsFolder(data).write(key, replace(found, bars=found.bars[:-1]))
    else:
        file.write_bytes(broken[how])
    assert scan(market) == Reuse(6, 6, 0, 0)
    assert scan(market) == Reuse(0, 0, 6, 6)


@settings(max_examples=300)
@example(place=0, new=b"99999999999999999999")
@given(place=st.integers(0, 400), new=st.binary(max_size=30))
def test_a_file_of_any_bytes_is_read_or_counts_as_none(
    tmp_path_factory: pytest.TempPathFactory, place: int, new: bytes
) -> None:
    """Whose checksum fits, too."""
    path = tmp_path_factory.getbasetemp() / "any"
    path.mkdir(exist_ok=True)
    line, numbers = np.arange(3), np.arange(3, dtype=np.uint64)
    rows, fingerprints = np.zeros((2, 3)), np.zeros((1, 9), dtype=np.uint64)
    found = CachedResults(
        list("ABC"), line, rows[0], line, numbers, rows[:1], rows, [("f", 9)], fingerprints
    )
    ResultsFolder(path).write("key", found)
    assert ResultsFolder(path).read("key", 1, 2).symbols == ["A", "B", "C"]
    file = path / FOLDER / "key.kept"
    whole = file.read_bytes()
    body = whole[31:][:place] + new + whole[31:][place + len(new) :]
    file.write_bytes(whole[:22] + b"%08x\n" % crc32(body) + body)
    assert ResultsFolder(path).read("key", 1, 2).fits(1, 2)


def test_a_folder_that_cannot_be_written_does_not_fail_the_scan(data: Path) -> None:
    (data / FOLDER).write_text("in the way")
    for _ in range(2):
        done = command("scan", CONDITION, "--incremental", "--data", data)
        assert done.returncode == 0
        assert "6 with new data, 6 evaluated, 0 reused" in done.stderr
        assert f"the results are not stored for the next scan: {data / FOLDER}" in done.stderr


def test_many_at_once_do_not_disturb_each_other(data: Path) -> None:
    with ms.open(data) as market:
        full = market.scan(CONDITION)
    answers: list[Hits] = []

    def work() -> None:
        with ms.open(data) as market:
            for number in range(10):
                wanted = ms.Incremental(max_age=3600 * (number % 2))
                answers.append(market.scan(CONDITION, incremental=wanted))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 40
    for answer in answers:
        assert_same(answer, full)
    assert [path.suffix for path in (data / FOLDER).iterdir()] == [".kept"]


def test_the_oldest_files_make_room(data: Path, market: ms.Market) -> None:
    scan(market)
    key, found = kept(data)
    folder = data / FOLDER
    size = (folder / f"{key}.kept").stat().st_size
    (folder / "killed.1.2.tmp").write_bytes(b"x" * size)
    (folder / "mine.txt").write_bytes(b"x" * size)
    for name in ("b", "c", "d"):
        time.sleep(0.01)  # files are told apart by their times
        ResultsFolder(data, most_bytes=3 * size).write(name, found)
    assert {path.name for path in folder.iterdir()} == {"b.kept", "c.kept", "d.kept", "mine.txt"}
    assert ResultsFolder(data).read("d", 0, 8).symbols == found.symbols
    assert ResultsFolder(data).read(key, 0, 8).symbols == []


def test_fingerprints_are_those_of_the_definition() -> None:
    """In Python's whole numbers, by the definition in kernels/bars/fingerprints.hpp."""

    def mixed(x: int) -> int:
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            x = ((x ^ (x >> 33)) * factor) % 2**64
        return x ^ (x >> 33)

    r = np.random.default_rng(0)
    values = r.standard_normal((5, 4, 37))
    values[r.random(values.shape) < 0.2] = np.nan
    days = np.array([736_000, 736_001, 736_005])
    sums = np.zeros(40, dtype=np.uint64)
    cpu.fingerprint(values, days, sums)
    want = [0] * 40
    for field, row, column in np.ndindex(5, 3, 37):
        value = values[field, row, column]
        if not np.isnan(value):
            key = mixed(int(days[row]) * 5 + field)
            want[column] += mixed((int(value.view(np.uint64)) + key) % 2**64)
    assert sums.tolist() == [one % 2**64 for one in want]
    with pytest.raises(ValueError, match="more days"):
        cpu.fingerprint(values, np.arange(5), sums)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"always": ["A B"]}, "'A B' is not a ticker"),
        ({"max_age": -1}, "max age -1 is not a number of seconds of at least 0"),
        ({"max_age": "1h"}, "max age '1h' is not a number of seconds"),
        ({"max_age": float("nan")}, "max age nan is not a number"),
        ({"sample": 1.5}, "audit sample 1.5 is not a whole number"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ms.Incremental(**options)


def test_what_is_no_incremental_is_named(market: ms.Market) -> None:
    with pytest.raises(UsageError, match="incremental '1h' is neither true, false nor an Incre"):
        market.scan(CONDITION, incremental="1h")  # type: ignore[arg-type]


def test_the_command_line(data: Path) -> None:
    def action_text(*options: str) -> str:
        done = command("scan", CONDITION, *options, "--data", data)
        assert done.returncode == (0 if "--incremental" in options[:1] else 2)
        return done.stderr

    (data / "mine.txt").write_text("A\nB # mine\n")
    action_text("--incremental")
    always = f"@{data / 'mine.txt'}"
    line = action_text(
        "--incremental", "--always", always, "--max-age", "15m", "--audit-sample", "3"
    )
    assert "0 with new data, 2 evaluated, 4 reused, 3 audited" in line
    assert "6 evaluated" in action_text("--incremental", "--max-age", "0s")
    assert "--always needs --incremental" in action_text("--always", "A")
    assert "--audit-sample needs" in action_text("--audit-sample", "0")


@pytest.mark.parametrize("age", ["1", "h", "-1h", "1w", "", "1.5h"])
def test_a_bad_age_is_named(data: Path, age: str) -> None:
    done = command("scan", CONDITION, "--incremental", "--max-age", age, "--data", data)
    assert done.returncode == 2
    assert f"--max-age '{age}' is not a time: write, for example, 90s, 15m, 1h or 2d" in done.stderr


def test_the_python_example_of_the_docs(
    example_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(example_data, tmp_path / "data")
    monkeypatch.setenv("MARKETSWEEP_DATA", str(tmp_path / "data"))
    page = Path(__file__).parent.parent.parent / "docs" / "guide" / "incremental.md"
    (example,) = fenced(page, "python")
    exec(compile(example, str(page), "exec"), {})
    assert f"```text\n{capsys.readouterr().out}```" in page.read_text()
