"""The user's word on splits and dividends: it wins, it lasts, and it can be taken back."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import ActionOverride, Dividend, Split
from marketsweep.errors import StoreLocked, UsageError
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.sync import sync
from marketsweep.market import open_market
from marketsweep.quality import overrides as actions
from marketsweep.quality.inspection import read_quality
from marketsweep.store.store import Store
from tests.helpers.command import refused, run
from tests.helpers.markets import store_of

DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 6, 30))
EX = DAYS[60]
TOLD = [Split("A", EX, 1, 2), Split("B", DAYS[30], 10, 1)]
PAID = [Dividend("A", EX, 0.25)]


def frame() -> pl.DataFrame:
    """A falls to a half on `EX`; B rises to four times on it; AAB stands still."""
    rows = len(DAYS)
    wave = 1.0 + 0.01 * np.sin(np.arange(rows))
    late = np.arange(rows) >= 60
    closes = {"A": np.where(late, 50, 100), "B": np.where(late, 12, 3), "AAB": np.full(rows, 20)}
    volumes = {"A": np.where(late, 2e6, 1e6), "B": np.where(late, 1e5, 4e5), "AAB": 1e5 * wave}
    return pl.concat(
        pl.DataFrame({"symbol": symbol, "date": DAYS})
        .with_columns(pl.Series(name, close * wave) for name in FIELDS[:4])
        .with_columns(volume=pl.Series(volumes[symbol]).cast(pl.Float64))
        for symbol, close in closes.items()
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    with store_of(path, frame(), reference=False) as store, store.writer() as writer:
        writer.put_splits(TOLD)
        writer.put_dividends(PAID)
    return path


def words(path: Path) -> list[str]:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return [f"{e.symbol} {e.action} by {e.by}" for e in actions.entries(snapshot)]


def test_the_users_word_wins_and_can_be_taken_back(data: Path) -> None:
    with Store.open(data) as store:
        first = store.version()
        actions.add(store, "A", EX, "split", "3-for-1")
        assert store.snapshot().splits() == [Split("A", EX, 1, 3)]  # the price of B shows none
        assert store.snapshot().dividends() == PAID
        actions.add(store, "A", EX, "dividend", "0.5")
        assert store.snapshot().dividends() == [Dividend("A", EX, 0.5)]
        actions.add(store, "B", DAYS[30], "split", "1-for-10")
        assert store.snapshot().splits() == [Split("A", EX, 1, 3), TOLD[1]]
        assert store.version() == first + 3
        assert store.snapshot().counts().settled == 3
        actions.remove(store, "A", EX, "split")
        actions.remove(store, "B", DAYS[30], "split")
        actions.remove(store, "A", EX, "dividend")
        assert store.snapshot().splits() == TOLD[:1]
        assert store.snapshot().reported_actions() == [*TOLD, *PAID]
        assert store.snapshot().dividends() == PAID
        assert store.version() == first + 6


def test_the_same_word_again_changes_nothing(data: Path) -> None:
    with Store.open(data) as store:
        actions.add(store, "A", EX, "split", "3-for-1")
        version = store.version()
        actions.add(store, "A", EX, "split", "3-for-1")
        assert store.version() == version
        actions.dismiss(store, "A", EX, "split")
        actions.dismiss(store, "A", EX, "split")
        assert store.version() == version + 1
        assert store.snapshot().overrides() == [ActionOverride("A", EX, "split", None)]


def test_no_sync_undoes_it(data: Path, tmp_path: Path) -> None:
    bars, told = tmp_path / "bars.parquet", tmp_path / "actions.csv"
    frame().write_parquet(bars)
    told.write_text(
        "symbol,ex_date,kind,split_from,split_to,cash\n"
        f"A,{EX},split,1,2,\nB,{EX},split,5,1,\nA,{EX},dividend,,,0.3\n"
    )
    with Store.open(data) as store:
        actions.add(store, "B", EX, "split", "1-for-4")
        actions.dismiss(store, "A", EX, "dividend")
        with store.writer() as writer:
            writer.put_splits([TOLD[0]])  # as a provider that tells it no longer
            writer.put_dividends([], since=DAYS[10])
        assert store.snapshot().splits() == [TOLD[0], Split("B", EX, 4, 1)]
        sync(store, FilesProvider(bars, told, None))
        assert store.snapshot().splits() == [TOLD[0], Split("B", EX, 4, 1)]
        assert store.snapshot().dividends() == []
    assert words(data) == [
        "A no dividend by you",
        "A split 2-for-1 by provider",
        "B split 1-for-4 by you",
    ]


def test_adjusted_prices_change_at_once_and_only_from_the_ex_date_on(data: Path) -> None:
    def before(market_day: dt.date) -> float:
        return float(market.history("B", as_of=market_day)["close"][50])

    with open_market(data) as market:
        raw = float(market.history("B", adjust="none")["close"][50])
        assert before(DAYS[-1]) == raw
        actions.add(market.store, "B", EX, "split", "1-for-4")
        assert before(DAYS[-1]) == pytest.approx(4 * raw)
        assert before(EX) == pytest.approx(4 * raw)
        assert before(DAYS[59]) == raw
        hits = market.scan("close < 1.05 * close[80]", as_of=DAYS[-1])
        assert "B" in hits.symbols
        actions.dismiss(market.store, "B", DAYS[30], "split")
        assert float(market.history("B")["close"][20]) == pytest.approx(
            4 * float(market.history("B", adjust="none")["close"][20])
        )


def test_a_suspicion_is_settled_either_way(data: Path) -> None:
    def suspected(store: Store) -> list[str]:
        return [f.symbol for f in read_quality(store).flags if f.rule == "missing split"]

    with Store.open(data) as store:
        assert suspected(store) == ["B"]
        actions.dismiss(store, "B", EX, "split")
        assert suspected(store) == []
        actions.remove(store, "B", EX, "split")
        assert suspected(store) == ["B"]
        actions.add(store, "B", EX, "split", "1-for-4")
        assert suspected(store) == []


SAYS = {
    ("AA", str(EX), "split", "2-for-1"): "did you mean AAB or A?",
    ("A", "2016-04-02", "split", "2-for-1"): "the exchange was closed on 2016-04-02",
    ("A", "2999-01-04", "split", "2-for-1"): "lies in the future",
    ("A", str(EX), "split", "1-for-1"): "the ratio is 1",
    ("A", str(EX), "split", "0-for-1"): "write NEW-for-OLD",
    ("A", str(EX), "split", "2:1"): "write NEW-for-OLD",
    ("A", str(EX), "split", "1-for-20000"): "above 10,000",
    ("A", str(EX), "dividend", "0"): "above 0",
    ("A", str(EX), "dividend", "nan"): "above 0",
    ("A", str(EX), "dividend", "inf"): "above 0",
    ("A", str(EX), "dividend", "much"): "above 0",
    ("A", str(EX), "merger", "1"): "not one of",
    ("A", "yesterday", "split", "2-for-1"): "does not match the format",
}


@pytest.mark.parametrize(("arguments", "says"), SAYS.items(), ids=str)
def test_nonsense_is_refused_and_nothing_written(
    data: Path, arguments: tuple[str, ...], says: str
) -> None:
    refused(2, "actions", "add", *arguments, "--data", data, says=says)
    with Store.open(data) as store:
        assert store.snapshot().overrides() == []


def test_what_is_not_there_cannot_be_dismissed_or_taken_back(data: Path) -> None:
    with Store.open(data) as store:
        with pytest.raises(UsageError, match="no split of A is reported or suspected"):
            actions.dismiss(store, "A", DAYS[61], "split")
        # A dividend is not dismissed by a suspected split.
        with pytest.raises(UsageError, match="no dividend of B"):
            actions.dismiss(store, "B", EX, "dividend")
        with pytest.raises(UsageError, match="you have no entry for a split of A"):
            actions.remove(store, "A", EX, "split")


def test_one_writer_at_a_time(data: Path) -> None:
    with Store.open(data) as store, store.writer():
        with pytest.raises(StoreLocked):
            actions.add(store, "A", EX, "split", "3-for-1")
        refused(5, "actions", "dismiss", "A", str(EX), "--data", data, says="written to by process")


def test_the_commands(data: Path) -> None:
    def call(*arguments: str) -> str:
        done = run("actions", *arguments, "--data", data)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = call("add", "B", str(EX), "split", "1-for-4")
    assert said.startswith(f"B: split 1-for-4 on {EX}, set by you; data version ")
    call("dismiss", "A", str(EX))
    assert call("list").splitlines() == [
        f"A  {EX}  dividend 0.25   provider",
        f"A  {EX}  no split        you, instead of split 2-for-1",
        f"B  {DAYS[30]}  split 1-for-10  provider; not applied: the price does not show it: "
        "the price moved 0.9967 times, and not 10",
        f"B  {EX}  split 1-for-4   you",
    ]
    assert json.loads(call("list", "B", "--json"))[1] == {
        "symbol": "B",
        "ex_date": str(EX),
        "action": "split 1-for-4",
        "by": "you",
        "instead_of": "",
        "ruling": "",
    }
    assert call("list", "AAB") == "no splits and no dividends\n"
    refused(2, "actions", "list", "AAA", "--data", data, says="did you mean")
    assert "is removed" in call("remove", "A", str(EX))
    assert "split 2-for-1" in call("list", "A")
    status = run("status", "--data", data)
    assert "1 overridden by you" in status.stdout


def test_quality_on_the_command_line(data: Path) -> None:
    text = run("status", "--quality", "--data", data)
    assert text.returncode == 0
    assert "missing split*: 1 in 1 symbols" in text.stdout
    assert f"B {EX}: from" in text.stdout
    assert "judging symbols: 3 of 3" in text.stderr
    alone = run("status", "--quality", "--symbol", "A", "--data", data)
    assert "A up to 2016-06-30" in alone.stdout
    assert "B " not in alone.stdout
    facts = json.loads(run("status", "--quality", "--json", "--data", data).stdout)
    assert [f["symbol"] for f in facts["flags"] if f["rule"] == "missing split"] == ["B"]
    refused(2, "status", "--symbol", "A", "--data", data, says="--symbol goes with --quality")
    refused(2, "status", "--quality", "--symbol", "AA", "--data", data, says="did you mean")


def test_suspects_are_left_out_on_the_command_line(data: Path) -> None:
    call: list[str | Path] = ["scan", "close > close[100] * 0", "--data", data, "--format", "json"]
    kept = run(*call, "--exclude-suspect")
    assert kept.returncode == 0, kept.stderr
    assert {m["symbol"] for m in json.loads(kept.stdout)["matches"]} == {"A", "AAB"}
    assert json.loads(kept.stdout)["coverage"]["excluded"]["suspect"] == 1
    assert "1 suspicious (B)" in kept.stderr
    assert "0 suspicious" not in run(*call).stderr
