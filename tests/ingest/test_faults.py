"""Whatever goes wrong on the way, the store ends as if nothing had."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Sequence
from itertools import count, cycle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from aiohttp.test_utils import make_mocked_request

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.errors import ProviderError, UsageError
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.sandbox.faults import FAULTS, NEWEST_FAULTS, FaultInjector, chosen_faults
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import sync
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from tests.helpers.two_months import FIRST, LAST, Files

SHORT = HttpSettings(
    idle_s=0.5, total_s=3.0, pause_s=0.01, longest_pause_s=0.05, throttled_s=5.0, window_s=0.05
)


def contents(path: Path) -> dict[str, object]:
    """All that a store holds but the rows set aside: segments to the byte, the catalog's facts."""
    with Store.open(path) as store, store.snapshot() as snapshot:
        return {
            "segments": {file.name: file.read_bytes() for file in segments(path, snapshot)},
            "sessions": [(row.date, dict(row.counts)) for row in snapshot.session_rows()],
            "symbols": snapshot.symbols,
            "splits": snapshot.splits(),
            "dividends": snapshot.dividends(),
            "listings": snapshot.listings(),
            "damages": store.verify().damages,
        }


def segments(path: Path, snapshot: Snapshot) -> list[Path]:
    files = [segment.path for segment in snapshot.segments.parts]
    assert {file.parent for file in files} == {path / "segments"}
    return files


def until_whole(
    path: Path, url: str, until: dt.date | None = None, lost: dt.date | None = None
) -> tuple[SyncReceipt, int]:
    """Syncs until one has nothing to complain of; the last receipt, and how many it took.

    The session `lost` may be put aside.
    """
    for times in range(1, 40):
        with Store.create(path) as store:
            try:
                receipt = sync(store, MassiveProvider("sandbox", url, settings=SHORT), None, until)
            except ProviderError:
                continue
        if not receipt.empty and (not receipt.warnings or away(receipt) == {f"{lost}"}):
            return receipt, times
    raise AssertionError("no sync was whole in 39")


def away(receipt: SyncReceipt) -> set[str]:
    """The sessions that are put aside, where nothing else is wrong."""
    if len(receipt.warnings) > 1:
        return set()
    return {f"{one['session']}" for one in receipt.put_aside}


@pytest.fixture(scope="module")
def truth(files: Files, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    path = tmp_path_factory.mktemp("truth")
    with running(files.settings()) as url, Store.create(path) as store:
        sync(store, files.provider(), FIRST, FIRST)
        sync(store, MassiveProvider("sandbox", url), FIRST)
    return contents(path)


# A ticker in another case is another ticker: it stays, and the store is another one. A session that
# is put aside comes an hour later, and the sandbox's clock stands.
@pytest.mark.parametrize("fault", sorted({*FAULTS} - {"case", "lost", "echo"}))
def test_every_fault_ends_in_the_same_store(
    files: Files, truth: dict[str, object], fault: str, tmp_path: Path
) -> None:
    settings = files.settings()
    faulty = Settings(
        bars=settings.bars,
        actions=settings.actions,
        symbols=settings.symbols,
        faults=(fault,),
        fault_share=1.0 if fault in NEWEST_FAULTS else 0.3,
        seed=3,
    )
    with running(faulty) as url:
        with Store.create(tmp_path) as store:
            sync(store, files.provider(), FIRST, FIRST)  # every sync goes on from there
        until_whole(tmp_path, url)
        last, _ = until_whole(tmp_path, url)  # the newest session comes again, corrected
    assert contents(tmp_path) == truth
    assert bool(last.revised) is (fault == "early")


def test_a_seed_gives_the_same_faults_in_any_order() -> None:
    sessions = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 2, 9))[:25]
    calls = [f"/v2/aggs/grouped/{sessions[n % 25]}" for n in range(200)]

    def drawn(order: list[str], seed: int) -> Counter[tuple[str, str]]:
        mischief = FaultInjector(tuple(FAULTS), 0.5, seed, sessions[-1])
        return Counter(
            (path, mischief.draw(make_mocked_request("GET", path)).name) for path in order
        )

    first = drawn(calls, 1)
    assert drawn(sorted(calls), 1) == first
    assert drawn(calls, 2) != first
    named = Counter(name for _, name in first.elements())
    assert set(named) - {*NEWEST_FAULTS} == {"", *FAULTS} - {*NEWEST_FAULTS}
    assert 75 < named[""] < 125


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("early", ["early", *[""] * 11]),
        ("case", ["case", *[""] * 11]),
        ("vanished", ["", *["vanished"] * 8, *[""] * 3]),
    ],
)
def test_what_befalls_the_newest_session_ends(fault: str, expected: list[str]) -> None:
    mischief = FaultInjector((fault,), 1.0, 1, LAST)
    newest = make_mocked_request("GET", f"/v2/aggs/grouped/locale/us/market/stocks/{LAST}")
    assert [mischief.draw(newest).name for _ in range(12)] == expected
    for path in (f"/v2/aggs/grouped/locale/us/market/stocks/{FIRST}", f"/v3/other/{LAST}"):
        other = make_mocked_request("GET", path)
        assert {mischief.draw(other).name for _ in range(12)} == {""}


def test_faults_are_chosen_by_name() -> None:
    assert chosen_faults("429, reset") == ("429", "reset")
    assert chosen_faults("all") == tuple(FAULTS)
    assert chosen_faults("") == ()
    with pytest.raises(UsageError, match=r"unknown fault 'fire': choose all, or some of 429, 500"):
        chosen_faults("429,fire")


def eight_years(folder: Path) -> tuple[Path, Path, Path]:
    """Bars of a small market of 2,014 sessions whose tickers come, split, pay and go."""
    chance = np.random.default_rng(11)
    days = sessions_in_range(dt.date(2009, 1, 2), dt.date(2016, 12, 30))
    bars, actions, symbols = [], [], []
    for number in range(34):
        ticker = ["BRK.B", "KIMpL", "TRUE", "NAN"][number] if number < 4 else f"T{number}"
        begin, end = 0, len(days)
        if number % 3 == 0:
            begin = int(chance.integers(0, len(days) - 300))
            end = int(chance.integers(begin + 100, len(days)))
        held = [day for day in days[begin:end] if chance.random() > 0.02 * (number % 4)]
        close = np.round(20 * np.exp(np.cumsum(chance.normal(0, 0.02, len(held)))), 4)
        frame = pl.DataFrame({"symbol": [ticker] * len(held), "date": held})
        columns = {
            "open": np.round(close * 1.001, 4),
            "high": np.round(close * 1.02, 4),
            "low": np.round(close * 0.98, 4),
            "close": close,
            "volume": np.floor(chance.random(len(held)) * 1e6),
        }
        bars.append(frame.with_columns(**{name: pl.Series(columns[name]) for name in FIELDS}))
        for place, day in enumerate(chance.choice(len(held), 11, replace=False).tolist()):
            facts = ("split", 1.0, 2.0, None) if place < 2 else ("dividend", None, None, 0.125)
            actions.append((ticker, held[day], *facts))
        symbols.append((ticker, f"Company {number}", "NYSE" if number % 2 else "NASDAQ"))
    paths = folder / "bars.parquet", folder / "actions.parquet", folder / "symbols.parquet"
    pl.concat(bars).sort("date", "symbol").write_parquet(paths[0])
    names = ["symbol", "ex_date", "kind", "split_from", "split_to", "cash"]
    pl.DataFrame(actions, schema=names, orient="row").write_parquet(paths[1])
    pl.DataFrame(symbols, schema=["symbol", "name", "exchange"], orient="row").write_parquet(
        paths[2]
    )
    return paths


def seed_of(wanted: str, faults: Sequence[str], newest: dt.date) -> int:
    """The first seed with which a fault befalls the newest session; with "" none of its own."""
    path = f"/v2/aggs/grouped/locale/us/market/stocks/{newest}"

    def drawn(seed: int) -> str:
        mischief = FaultInjector(faults, 0.1, seed, newest)
        names = [mischief.draw(make_mocked_request("GET", path)).name for _ in range(2)]
        # One that vanishes is told once before.
        return next((name for name in names if name in NEWEST_FAULTS), "")

    return next(seed for seed in count() if drawn(seed) == wanted)


def test_a_soak_of_two_thousand_sessions_ends_in_the_truth(tmp_path: Path) -> None:
    bars, actions, symbols = eight_years(tmp_path)
    days = pl.read_parquet(bars)["date"].unique().sort().to_list()
    assert len(days) > 2000
    chance, soaked = random.Random(4), tmp_path / "soaked"
    with Store.create(soaked) as store:
        sync(store, FilesProvider(bars), days[0], days[0])
    # Another case would be another ticker, and another store.
    faults = tuple(name for name in FAULTS if name not in ("slow", "case"))
    of_newest = cycle(("early", "lost", "", "echo", "vanished"))
    reached, steps, syncs, revised, aside = 0, 0, 0, 0, set[str]()
    while reached < len(days) - 1:
        reached, steps = min(len(days) - 1, reached + chance.randrange(80, 250)), steps + 1
        # What is put aside comes with the next of these sessions, and the last has no next one.
        wanted = next(of_newest) if reached < len(days) - 1 else "early"
        # A day on which much goes wrong: `reached` is the newest session, and may be corrected.
        settings = Settings(
            bars=bars,
            actions=actions,
            symbols=symbols,
            now=days[reached],
            faults=faults,
            fault_share=0.1,
            seed=seed_of(wanted, faults, days[reached]),
        )
        with running(settings) as url:
            for _ in range(2):
                receipt, times = until_whole(soaked, url, lost=days[reached])
                syncs, revised = syncs + times, revised + receipt.revised
                aside |= {one["reason"].partition(":")[0] for one in receipt.put_aside}
    assert steps > 10
    assert syncs > 2 * steps  # more for those that vanish, and for calls that failed
    assert revised
    assert len(aside) == 2, aside  # those that are lost, and the echoes
    told = tmp_path / "told"
    with Store.create(told) as store:
        sync(store, FilesProvider(bars, actions, symbols))
    expected, found = contents(told), contents(soaked)
    for what in ("symbols", "sessions", "splits", "dividends", "damages", "segments"):
        assert found[what] == expected[what], what
