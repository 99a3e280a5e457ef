"""A market that threads share: every answer is that of one state of the data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import marketsweep as ms
from marketsweep.errors import UsageError
from marketsweep.store.store import Store
from tests.helpers.committing import FIRST, commits, session

THREADS = 8

Ask = Callable[[ms.Market], dict[str, Any]]


def scan(market: ms.Market) -> dict[str, Any]:
    return market.scan("rsi(14) < 45 and close > sma(20)", columns="rank(volume)").to_dict()


def explained(market: ms.Market) -> dict[str, Any]:
    hits = market.scan("close > ema(50)", near=3, funnel=True, exclude_suspect=True)
    return hits.to_dict()


def signals(market: ms.Market) -> dict[str, Any]:
    return market.signals("close crosses above sma(10)").to_dict()


def sweep(market: ms.Market) -> dict[str, Any]:
    return market.sweep("rsi({n}) < {t}", n=range(5, 9), t=(20, 40)).to_dict()


ASKED: list[Ask] = [scan, explained, signals, sweep]


def asked(ask: Ask, market: ms.Market) -> tuple[str, int, bool, str]:
    """The question, the state of the data, and the answer without its timing."""
    answer = ask(market)
    version = answer["data_version"]
    for key in ("timing", "seconds"):
        answer.pop(key, None)
    is_resolved = "a sync is under way" not in repr(answer)
    return ask.__name__, version, is_resolved, repr(answer)


def begun(path: Path) -> Path:
    with Store.create(path) as store, store.writer() as writer:
        writer.commit([session(place) for place in range(FIRST)], "test")
    return path


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, bool], str]:
    """What one thread finds in every state that the commits go through."""
    path = begun(tmp_path_factory.mktemp("alone"))
    answers: dict[tuple[str, int, bool], str] = {}

    def look() -> None:
        with ms.open(path) as market:
            for ask in ASKED:
                name, version, is_resolved, answer = asked(ask, market)
                assert answers.setdefault((name, version, is_resolved), answer) == answer

    look()
    with Store.open(path) as store:
        for sessions in commits():
            with store.writer() as writer:
                writer.commit(sessions, "test")
                look()
            look()
    return answers


def test_every_answer_is_that_of_a_single_thread(
    expected: dict[tuple[str, int, bool], str], tmp_path: Path
) -> None:
    path = begun(tmp_path)
    found: list[tuple[str, int, bool, str]] = []
    errors: list[BaseException] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.committing", str(path)],
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    orders, lock = process.stdin, threading.Lock()

    def order(number: int) -> None:
        """Let the process commit once for each few answers, while others are worked out."""
        if number % 2 == 0:
            with lock, suppress(BrokenPipeError, ValueError):
                orders.write("\n")
                orders.flush()

    def work(number: int, market: ms.Market) -> None:
        try:
            while process.poll() is None:
                found.append(asked(ASKED[number % len(ASKED)], market))
                order(number)
            found.append(asked(ASKED[number % len(ASKED)], market))
        except BaseException as error:
            errors.append(error)
            raise

    with ms.open(path) as market:
        threads = [threading.Thread(target=work, args=(n, market)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with suppress(BrokenPipeError):
        orders.close()
    assert process.wait() == 0
    assert errors == []
    for name, version, is_resolved, answer in found:
        assert answer == expected[name, version, is_resolved], (name, version)
    versions = {version for _, version, _, _ in found}
    states = [version for _, version, _ in expected]
    assert {min(states), max(states)} <= versions  # and what was caught in between
    assert {name for name, *_ in found} == {ask.__name__ for ask in ASKED}


def test_a_market_is_closed_once_its_scans_have_ended(tmp_path: Path) -> None:
    market = ms.open(begun(tmp_path))
    alone = market.scan("close > 20").symbols
    inside, closed = threading.Event(), threading.Event()
    found: list[list[str]] = []

    def work() -> None:
        with market.view() as view:
            inside.set()
            assert closed.wait(60)
            # Read for the first time after the market was closed.
            found.append(view.snapshot.symbols if view.snapshot.listings() == [] else [])

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(60)
    market.close()
    closed.set()
    thread.join()
    assert found
    assert set(alone) <= set(found[0])
    with pytest.raises(UsageError, match="market is closed: open it again"):
        market.scan("close > 20")


def test_a_market_learns_that_a_sync_has_ended(tmp_path: Path) -> None:
    path = begun(tmp_path)
    with Store.open(path) as store, store.writer() as writer:
        writer.commit([session(FIRST)], "test")
        with ms.open(path) as market:
            assert any("sync is under way" in one for one in market.scan("close > 1").warnings)
            writer.resolve()
            assert not any("sync is under way" in one for one in market.scan("close > 1").warnings)


def test_an_older_view_stays_as_it_is(tmp_path: Path) -> None:
    path = begun(tmp_path)
    with ms.open(path) as market, market.view() as before:
        sessions = list(before.sessions)
        with Store.open(path) as store, store.writer() as writer:
            writer.commit([session(FIRST)], "test")
        with market.view() as after:
            assert after is not before
            assert len(after.sessions) == len(sessions) + 1
        assert before.sessions == sessions
        assert before.snapshot.listings() == []  # its transaction is open
        with market.view() as again:
            assert again is after


_FORK = """
import multiprocessing
import sys

import marketsweep as ms

def asked(folder):
    with ms.open(folder) as market:
        symbol = market.scan("close > 0", limit=1).symbols[0]
        return [
            market.history(symbol).height,
            market.price_history_batch([symbol], "2015-01-05", "2015-01-30")[symbol].height,
            market.signals("close > 0").to_polars().height,
            len(market.sweep("roc({n}) > 0", n=[1, 2]).to_dict()["variants"]),
            market.scan("lowest(200) > 0 or median(200) > 0 or close > 0").matched,
        ]

if __name__ == "__main__":
    here = asked(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(asked, [sys.argv[1]]) == here
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_answers(tmp_path: Path) -> None:
    """The threads of the parent do not exist in it."""
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.commit([session(i) for i in range(30)], "test")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORK, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
