"""The ray executor on a cluster of two nodes on this machine."""

from __future__ import annotations

import gc
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

import marketsweep as ms
from marketsweep.cli.demo import REFERENCE_SCAN
from marketsweep.cli.tune_ray import BLOCKS
from marketsweep.core.settings import read_config
from marketsweep.engine.executors.options import Distribution, Ray
from marketsweep.engine.executors.registry import executor, searcher, tallier
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.engine.time_limit import time_limit
from marketsweep.errors import ExecutorError, UsageError
from marketsweep.kernels.cpu import TILE
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.scan.scan import Scan, run_together
from tests.helpers.command import assert_refused, process, refused, run
from tests.helpers.markets import LAST, example_bars, panel_of, random_bars, store_of
from tests.studies.test_signals import with_sessions
from tests.test_docs import fenced

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install 'marketsweep[ray]'"
)

_MB = 1 << 20
_STORE = 100 * _MB
_PATIENCE_S = 120
TOKEN = secrets.token_hex(16)


class Nodes:
    """Two nodes of two processors each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 2,
                "object_store_memory": _STORE,
                "include_dashboard": False,
                # A node of a busy machine is slow to answer and not dead. The port of a killed one
                # refuses at once.
                "_system_config": {"health_check_timeout_ms": 600_000},
            },
        )
        self.second = self.add()

    def add(self, **settings: Any) -> Any:  # noqa: ANN401, Ray's own
        return self.cluster.add_node(**{"num_cpus": 2, "object_store_memory": _STORE} | settings)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def ray(self, workers: int = 2, threads: int = 1, **settings: Any) -> Ray:  # noqa: ANN401, of Ray
        return Ray(self.address, workers, threads, **settings)


@pytest.fixture(scope="module", autouse=True)
def _token() -> Iterator[None]:
    """Set a token, because Ray would write one under the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", TOKEN)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    from marketsweep.engine.executors.ray.executor import close

    try:
        pair = Nodes()
    except Exception as error:  # Ray's own, before anything of ours: no shared memory, no address
        pytest.skip(f"Ray starts no cluster on this machine: {error}")
    yield pair
    close()
    pair.cluster.shutdown()


@pytest.fixture(autouse=True)
def _many_tasks(_token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small panels make as many tasks as large ones."""
    import marketsweep.engine.executors.ray.executor as module

    monkeypatch.setattr(module, "_TASK_S", 1e-9)


def assert_same_bits(got: NDArray[np.float64], want: NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(got.view(np.int64), want.view(np.int64))


def plan_of(*expressions: str, rows: int = 1) -> Plan:
    return make_plan([*map(parse_expression, expressions)], rows)


@pytest.fixture
def panel() -> Panel:
    return with_sessions(panel_of(random_bars(90, 300, seed=3)))


# -- the same answers


@pytest.mark.parametrize(
    "condition",
    [
        REFERENCE_SCAN,
        "close > sma(20) or rsi(200) > 50",
        "market_cap > 1B and close crosses above sma(50) within 5 bars",
        "weekly(sma(10)) < close",
        "percentile(roc(63)) > 95%",
        'rs(63, "QQQ") > 10',
    ],
)
def test_a_scan_is_the_same_to_the_bit(market: ms.Market, nodes: Nodes, condition: str) -> None:
    serial = market.scan(condition, executor="serial")
    remote = market.scan(condition, executor=nodes.ray())
    assert remote.symbols == serial.symbols
    assert remote.coverage == serial.coverage
    assert remote.executor == "ray"
    for name, column in serial.values.items():
        assert_same_bits(remote.values[name], column)
    report = remote.distribution
    assert report is not None
    assert (report.workers, len(report.nodes), report.run_again) == (2, 2, 0)
    assert f"{report.tasks} tasks by 2 workers on 2 nodes" in remote.receipt


def test_signals_and_sweeps_are_the_same(market: ms.Market, nodes: Nodes) -> None:
    serial = market.signals("rank(roc(20)) <= 3 and rsi(14) < 70", since="2016-10-03")
    remote = market.signals(
        "rank(roc(20)) <= 3 and rsi(14) < 70", since="2016-10-03", executor=nodes.ray()
    )
    assert remote.symbols == serial.symbols
    assert remote.sessions == serial.sessions
    assert "on 2 nodes" in remote.receipt
    values = {"n": range(5, 9), "t": range(20, 40, 5)}
    for days in ({}, {"since": "2016-12-01"}):
        serial_sweep = market.sweep("rsi({n}) < {t}", **values, **days)  # type: ignore[arg-type]
        remote_sweep = market.sweep("rsi({n}) < {t}", executor=nodes.ray(), **values, **days)  # type: ignore[arg-type]
        np.testing.assert_array_equal(serial_sweep.matches, remote_sweep.matches)
        np.testing.assert_array_equal(serial_sweep.evaluated, remote_sweep.evaluated)
        assert " by 2 workers on " in remote_sweep.receipt
        assert remote_sweep.to_dict()["ray"]["run_again"] == 0


def test_runs_searches_and_tallies_are_the_same(panel: Panel, nodes: Nodes) -> None:
    plan = plan_of("close > sma(20)", "rsi(14)", rows=50)
    for got, want in zip(
        executor(nodes.ray())(plan, panel), executor("serial")(plan, panel), strict=True
    ):
        assert_same_bits(got, want)
    result, expected = searcher(nodes.ray())(plan, panel), searcher("serial")(plan, panel)
    np.testing.assert_array_equal(result.evaluated, expected.evaluated)
    hits = [
        sorted(
            zip(
                search.places.tolist(),
                search.sessions.tolist(),
                search.values[:, 0].tolist(),
                strict=True,
            )
        )
        for search in (result, expected)
    ]
    assert hits[0] == hits[1]
    assert len(hits[0]) > 100
    np.testing.assert_array_equal(tallier(nodes.ray())(plan, panel), tallier("serial")(plan, panel))


def test_columns_that_are_read_only_at_matches(panel: Panel, nodes: Nodes) -> None:
    """One of two conditions has no match; a third result is read everywhere."""
    expressions = "close < sma(20)", "volume", "close > 2 * sma(5)", "high", "rsi(14)"
    plan = replace(plan_of(*expressions), read_where=(0, 0, 2, 2, None))
    got = executor(nodes.ray(block=32))(plan, panel)
    want = executor("serial")(plan, panel)
    is_match, no_match = want[0][0] == 1.0, want[2][0] == 1.0
    assert 0 < np.count_nonzero(is_match) < len(is_match)
    assert not no_match.any()
    for column, want_column, mask in zip(
        got, want, (is_match, is_match, no_match, no_match, is_match | True), strict=True
    ):
        assert_same_bits(column, np.where(mask, want_column, np.nan))


def test_scans_that_need_more_than_their_matches(
    tmp_path: Path, market: ms.Market, nodes: Nodes
) -> None:
    """A funnel, several scans in one pass, and an incremental scan after one on threads."""
    condition, conditions = "rsi(5) < 20 and close > sma(10)", ["close > sma(50)", "rsi(3) < 0"]
    local = market.scan(condition, funnel=True, near=5)
    remote = market.scan(condition, funnel=True, near=5, executor=nodes.ray())
    assert (remote.symbols, remote.funnel, remote.near) == (local.symbols, local.funnel, local.near)
    scans = [Scan(text, columns=("atr(5)",), executor=nodes.ray()) for text in conditions]
    with market.view() as view:
        results = run_together(scans, view)
    for hits, text in zip(results, conditions, strict=True):
        alone = market.scan(text, columns="atr(5)")
        assert (hits.symbols, hits.coverage) == (alone.symbols, alone.coverage)
        assert_same_bits(hits.values["atr(5)"], alone.values["atr(5)"])
    bars = example_bars().filter(pl.col("symbol").str.starts_with("A"))
    store_of(tmp_path, bars).close()
    with ms.open(tmp_path) as few:
        few.scan(condition, incremental=True)
        again = few.scan(condition, incremental=ms.Incremental(sample=300), executor=nodes.ray())
        assert again.reuse is not None
        assert again.reuse.audited == 300
        assert again.warnings == few.scan(condition).warnings
        assert again.symbols == few.scan(condition).symbols


def test_a_panel_without_symbols(nodes: Nodes) -> None:
    empty = panel_of({name: bars[:, :0] for name, bars in random_bars(30, 2).items()})
    (result,) = executor(nodes.ray())(plan_of("close > sma(20)"), empty)
    assert result.shape == (1, 0)


def test_a_time_limit_ends_an_evaluation(panel: Panel, nodes: Nodes) -> None:
    plan = plan_of("close > sma(20)")
    here = executor("serial")(plan, panel)
    with time_limit(1e-4), pytest.raises(ms.TimedOut):
        executor(nodes.ray())(plan, panel)
    assert_same_bits(executor(nodes.ray())(plan, panel)[0], here[0])


# -- what travels, and what stays


def test_only_what_a_plan_needs_is_put_and_once(panel: Panel, nodes: Nodes) -> None:
    def put(plan: Plan, cluster: Ray) -> int:
        report = Distribution()
        executor(cluster, done=report)(plan, panel)
        return report.sent_bytes

    cluster, field = nodes.ray(block=64), 8 * TILE * panel.tiles * panel.rows
    assert put(plan_of("close > sma(20)"), cluster) == field
    assert put(plan_of("close > sma(20)"), cluster) == 0
    assert put(plan_of("close > sma(50)"), cluster) == 0
    # Session numbers, which the panel has too, are not sent if only matches are read.
    assert put(replace(plan_of("close > sma(30)"), read_where=(0,)), cluster) == 0
    assert put(plan_of("high > sma(20)"), cluster) == field
    assert put(plan_of("low > volume and low > high"), cluster) == 2 * field


def test_only_the_rows_that_a_plan_needs_travel(market: ms.Market, nodes: Nodes) -> None:
    """This holds too for a panel that was loaded for a longer plan."""

    def put(condition: str) -> int:
        hits = market.scan(condition, executor=nodes.ray())
        assert hits.distribution is not None
        here = market.scan(condition)
        assert hits.symbols == here.symbols
        for name, column in here.values.items():
            assert_same_bits(hits.values[name], column)
        return hits.distribution.sent_bytes

    deep, middle, shallow = "close > 1.2 * sma(200)", "rsi(5) < 20", "close > sma(10) and open > 5"
    market.scan(deep, columns="open")
    bars = 8 * len(market.scan("close > 0", min_coverage=0).symbols)
    first = put(shallow)
    # Unchanged quotes need more bars.
    assert 3 * 11 * bars < first < 3 * 60 * bars
    assert put(shallow) == 0
    assert 2 * 100 * bars < put(middle) < 2 * 190 * bars
    # Blocks with long unchanged quotes have that many bars already.
    assert 2 * 100 * bars < put(deep) <= 2 * 252 * bars
    assert put(middle) == put(shallow) == 0


def test_blocks_are_freed_with_their_panel(nodes: Nodes) -> None:
    from marketsweep.engine.executors.ray.cluster import connected

    blocks = connected(nodes.ray()).blocks
    gc.collect()
    before = len(blocks)
    panel = panel_of(random_bars(60, 200, seed=1))
    executor(nodes.ray(block=32))(plan_of("close > sma(20)"), panel)
    assert len(blocks) == before + panel.tiles
    del panel
    gc.collect()
    assert len(blocks) == before


def test_new_data_is_put_and_old_data_is_freed(tmp_path: Path, nodes: Nodes) -> None:
    from marketsweep.engine.executors.ray.cluster import connected

    bars = example_bars().filter(pl.col("symbol").is_in(["AAPL", "MSFT", "XOM", "GE"]))
    blocks = connected(nodes.ray()).blocks
    with store_of(tmp_path, bars.filter(pl.col("date") < LAST)):
        pass
    with ms.open(tmp_path) as market:
        gc.collect()
        before = len(blocks)
        first = market.scan("close > 0", executor=nodes.ray())
        again = market.scan("close > 0", executor=nodes.ray())
        assert first.distribution is not None
        assert again.distribution is not None
        assert first.distribution.sent_bytes > 0 == again.distribution.sent_bytes
        stored = len(blocks)
        assert stored > before
        with store_of(tmp_path, bars.filter(pl.col("date") == LAST)):
            pass
        newer = market.scan("close > 0", executor=nodes.ray())
        assert (newer.as_of, first.as_of < LAST) == (LAST, True)
        assert newer.distribution is not None
        assert newer.distribution.sent_bytes > 0
        gc.collect()
        assert len(blocks) == stored
        assert newer.symbols == market.scan("close > 0").symbols


def test_an_object_store_that_is_full_spills(nodes: Nodes) -> None:
    import ray

    executor(nodes.ray())(plan_of("close > 1"), panel_of(random_bars(30, 40)))
    references = [ray.put(np.full(10 * _MB // 8, float(n))) for n in range(9)]
    panel = panel_of(random_bars(400, 3200, seed=9))  # 10 MB a field
    plan = plan_of("close > sma(300)", "high + low * volume - open")
    for got, want in zip(
        executor(nodes.ray())(plan, panel), executor("serial")(plan, panel), strict=True
    ):
        assert_same_bits(got, want)
    for n, reference in enumerate(references):
        assert float(ray.get(reference)[-1]) == n


# -- placement of workers


def worker_nodes(nodes: Nodes, cluster: Ray) -> list[str]:
    """Return the node of each worker."""
    from ray.util.placement_group import placement_group_table

    executor(cluster)(plan_of("close > 1"), panel_of(random_bars(30, 40)))
    (group,) = (entry for entry in placement_group_table().values() if entry["state"] != "REMOVED")
    return list(group["bundles_to_node_id"].values())


def test_workers_are_spread_or_packed(nodes: Nodes) -> None:
    assert len(set(worker_nodes(nodes, nodes.ray()))) == 2
    assert len(set(worker_nodes(nodes, nodes.ray(pack=True)))) == 1


def test_by_itself_it_takes_all_processors(nodes: Nodes) -> None:
    assert len(set(worker_nodes(nodes, Ray(nodes.address)))) == 2
    from marketsweep.engine.executors.ray.cluster import connected

    cluster = connected(Ray(nodes.address))
    assert (cluster.workers, cluster.threads) == (2, 2)
    cluster = connected(Ray(nodes.address, workers=3))
    assert (cluster.workers, cluster.threads) == (3, 1)


def test_more_workers_than_there_is_room_for(nodes: Nodes) -> None:
    with pytest.raises(
        UsageError, match=r"9 workers of 1 processor each do not fit .* 2 nodes with 2, 2"
    ):
        executor(nodes.ray(workers=9))(plan_of("close > 1"), panel_of(random_bars(30, 40)))
    with pytest.raises(UsageError, match="1 worker of 3 processors"):
        executor(nodes.ray(1, 3))(plan_of("close > 1"), panel_of(random_bars(30, 40)))


# -- lost workers and nodes


def heavy() -> tuple[Plan, Panel]:
    """Return a plan and panel of some seconds of work, so that tasks run for a while."""
    lines = [f"close > median(close, {n})" for n in range(10, 110)]
    return plan_of(*lines, rows=130), with_sessions(panel_of(random_bars(240, 4000, seed=4)))


def serial_tallies(plan: Plan, panel: Panel) -> Any:  # noqa: ANN401, as executors give them
    return tallier("threads")(plan, panel)


def test_a_node_is_killed_in_mid_scan(nodes: Nodes) -> None:
    plan, panel = heavy()
    killed: list[int] = []

    def kill(done: int, total: int, bars: int) -> None:
        if not killed:
            killed.append(total)
            nodes.cluster.remove_node(nodes.second, allow_graceful=False)

    done = Distribution()
    try:
        tallies = tallier(nodes.ray(progress=kill, block=64), done=done)(plan, panel)
    finally:
        nodes.second = nodes.add()  # the other tests need it
    np.testing.assert_array_equal(tallies, serial_tallies(plan, panel))
    assert killed[0] > 2
    assert done.run_again > 0
    assert f"{done.run_again} task" in str(done)
    assert "run again, because a worker was lost" in str(done)
    assert all_is_free(nodes)
    # All requested workers are available again.
    done = Distribution()
    executor(nodes.ray(), done=done)(plan_of("close > 1"), panel)
    assert (done.workers, len(done.nodes), done.run_again) == (2, 2, 0)


def busy_workers() -> list[int]:
    """Return the processes of this test's cluster that are evaluating now."""
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_working = (folder / "cmdline").read_bytes().startswith(b"ray::Worker.work")
            if is_working and TOKEN.encode() in (folder / "environ").read_bytes():
                processes.append(int(folder.name))
        except OSError:
            continue
    return processes


class Killer(threading.Thread):
    """Kills evaluating processes, a number of times or until it is stopped."""

    def __init__(self, most: int) -> None:
        super().__init__(daemon=True)
        self.remaining = most
        self.stopped = threading.Event()

    def run(self) -> None:
        while self.remaining and not self.stopped.wait(0.02):
            for worker in busy_workers()[: self.remaining]:
                os.kill(worker, signal.SIGKILL)
                self.remaining -= 1

    def __enter__(self) -> Killer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.join()


def test_a_worker_is_killed_in_mid_scan(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    plan, panel = heavy()
    report = Distribution()
    with Killer(1) as killer:
        tallies = tallier(nodes.ray(block=1024), done=report)(plan, panel)
    assert killer.remaining == 0
    np.testing.assert_array_equal(tallies, serial_tallies(plan, panel))
    assert report.run_again >= 1
    assert capsys.readouterr().out == ""  # where answers go


def kill_the_restarted(most: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Kill workers that start again before they have, as if their node were gone already."""
    import ray

    from marketsweep.engine.executors.ray.cluster import Cluster

    replace_worker, killed = Cluster.replace, list[int]()

    def replace_and_kill(self: Cluster, worker: int, lost: object) -> None:
        is_first = self.actors[worker] is lost
        replace_worker(self, worker, lost)
        if is_first and len(killed) < most:
            killed.append(worker)
            ray.kill(self.actors[worker])

    monkeypatch.setattr(Cluster, "replace", replace_and_kill)
    return killed


def test_a_worker_is_lost_again_while_it_restarts(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, panel = heavy()
    killed = kill_the_restarted(1, monkeypatch)
    report = Distribution()
    with Killer(1) as killer:
        tallies = tallier(nodes.ray(block=1024), done=report)(plan, panel)
    assert (killer.remaining, len(killed)) == (0, 1)
    np.testing.assert_array_equal(tallies, serial_tallies(plan, panel))
    assert report.run_again >= 1
    assert all_is_free(nodes)


def test_workers_that_never_start_fail_the_evaluation(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from marketsweep.engine.executors.ray.cluster import Cluster

    plan, panel = heavy()
    killed = kill_the_restarted(1, monkeypatch)
    start = Cluster._start_worker

    def start_and_kill(self: Cluster, worker: int) -> Any:  # noqa: ANN401, a handle
        actor = start(self, worker)
        if killed:
            ray.kill(actor)
        return actor

    tallier(nodes.ray(block=1024))(plan, panel)  # places the workers
    monkeypatch.setattr(Cluster, "_start_worker", start_and_kill)
    with (
        Killer(1),
        pytest.raises(ExecutorError, match="lost on the Ray cluster and cannot restart"),
    ):
        tallier(nodes.ray(block=1024))(plan, panel)


def test_a_task_lost_three_times_fails_the_evaluation(nodes: Nodes) -> None:
    plan, panel = heavy()
    with (
        Killer(1000),
        pytest.raises(ExecutorError, match="a task was lost 3 times on the Ray cluster"),
    ):
        tallier(nodes.ray(block=1024))(plan, panel)
    assert ExecutorError.exit_code == 6


def test_an_error_in_a_task_fails_the_evaluation(nodes: Nodes) -> None:
    panel = panel_of(random_bars(60, 40))
    broken = make_plan([parse_expression("sma(20)")])
    broken = replace(broken, operations=(broken.operations[0]._replace(kernel="none"),))
    with pytest.raises(ExecutorError, match=r"a task failed on the Ray cluster.*KeyError"):
        executor(nodes.ray())(broken, panel)


# -- addresses


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("few")
    bars = example_bars().filter(pl.col("symbol").is_in(["AAPL", "MSFT", "XOM", "GE"]))
    store_of(path, bars).close()
    return path


def test_the_command(data: Path, nodes: Nodes) -> None:
    result = process(
        *("scan", "close > sma(20)", "--executor", "ray", "--ray-address", nodes.address),
        *(
            "--ray-workers",
            "2",
            "--threads",
            "1",
            "--data",
            data,
            "--format",
            "json",
            "--min-coverage",
            "0",
        ),
    )
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["executor"] == "ray"
    assert answer["ray"] == {
        "workers": 2,
        "nodes": 1,
        "tasks": 1,
        "run_again": 0,
        "sent_bytes": 2
        * 21
        * TILE
        * 8,  # close and volume; one bar more, if the newest stood still
    }
    assert "ray: 1 task by 2 workers on 1 node, 0.0 MB sent" in result.stderr
    assert all_is_free(nodes)


def all_is_free(nodes: Nodes) -> bool:
    """Return True once no processor is reserved; fail after a while."""
    import ray

    from marketsweep.engine.executors.ray.cluster import connected

    connected(nodes.ray()).release()
    deadline = time.monotonic() + _PATIENCE_S
    while ray.available_resources().get("CPU") != 4.0:  # type: ignore[no-untyped-call]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return True


def test_an_interruption_gives_everything_back(nodes: Nodes, tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(LONG)
    child = subprocess.Popen(
        [sys.executable, script, nodes.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent.parent.parent,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "under way\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=_PATIENCE_S)
    assert out == "interrupted\n", err
    assert child.returncode == 0, err
    assert all_is_free(nodes)


LONG = """
import sys
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.core.settings import read_config
from marketsweep.engine.executors.options import Ray
from marketsweep.engine.executors.registry import tallier
from marketsweep.engine.plan import make_plan
from tests.helpers.markets import LAST, example_bars, panel_of, random_bars, store_of

plan = make_plan([parse_expression(f"sma({n})") for n in range(2, 400)], 600)
panel = panel_of(random_bars(1000, 4000))
cluster = Ray(sys.argv[1], 2, 1, block=32, progress=lambda *done: print("under way", flush=True))
try:
    tallier(cluster)(plan, panel)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def refused_at(data: Path, address: str, says: str, **environment: str) -> None:
    result = process(
        *("scan", "close > 1", "--executor", "ray", "--ray-address", address, "--data", data),
        **environment,
    )
    assert_refused(result, 2, says)
    assert result.stderr.count("\n") == 1


def test_invalid_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    from marketsweep.engine.executors.ray.executor import close

    def refused_there(address: str | None, says: str) -> None:
        with pytest.raises(UsageError, match=re.escape(says)):
            executor(Ray(address))(plan_of("close > 1"), panel_of(random_bars(30, 40)))

    close()
    with socket.socket() as closed, socket.socket() as silent, socket.socket() as other:
        closed.bind(("127.0.0.1", 0))
        for listening in (silent, other):
            listening.bind(("127.0.0.1", 0))
            listening.listen()

        def greet() -> None:
            with other.accept()[0] as line:
                line.sendall(b"SSH-2.0-x\r\n")

        threading.Thread(target=greet, daemon=True).start()
        ports = [server.getsockname()[1] for server in (closed, silent, other)]
        refused_there(f"127.0.0.1:{ports[0]}", "no Ray cluster at 127.0.0.1")
        refused_there(f"127.0.0.1:{ports[1]}", "(no answer in 5 s)")
        refused_there(f"127.0.0.1:{ports[2]}", "is not a Ray cluster")
    refused_there("nowhere.invalid:6379", "no Ray cluster at nowhere.invalid:6379")
    refused_there("head", "write host:port")
    refused_there("ray://head:10001", "write host:port")
    monkeypatch.setenv("RAY_ADDRESS", "nowhere.invalid:6379")
    refused_there(None, "no Ray cluster at nowhere.invalid:6379")


@pytest.mark.parametrize("address", [None, "auto"])
def test_the_address_may_be_in_the_environment(
    nodes: Nodes, address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marketsweep.engine.executors.ray.executor import close

    close()
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    done = Distribution()
    executor(Ray(address, 4, 1), done=done)(plan_of("close > 1"), panel_of(random_bars(30, 40)))
    assert done.workers == 4  # a cluster of its own would have no room for them
    close()


def test_tokens_that_are_missing_or_wrong(data: Path, nodes: Nodes, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "RAY_AUTH_TOKEN": ""}
    wrong = secrets.token_hex(16)
    refused_at(data, nodes.address, "there is no token", **home)
    refused_at(data, nodes.address, "rejects this token", **home, RAY_AUTH_MODE="disabled")
    refused_at(data, nodes.address, "rejects this token", RAY_AUTH_TOKEN=wrong)


def test_a_process_has_one_cluster(nodes: Nodes) -> None:
    executor(nodes.ray())(plan_of("close > 1"), panel_of(random_bars(30, 40)))
    with pytest.raises(UsageError, match=r"connected to .* use another process"):
        executor(Ray("127.0.0.1:1"))(plan_of("close > 1"), panel_of(random_bars(30, 40)))


# -- versions


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "import marketsweep.version; marketsweep.version.__version__ = '0.0.9'",
            r"has marketsweep 0\.0\.9, but this machine",
        ),
        ("import sys; sys.modules['marketsweep'] = None", "has no marketsweep: install version"),
    ],
)
def test_a_node_with_another_marketsweep(
    nodes: Nodes, tmp_path: Path, change: str, says: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(change)
    other = nodes.add(env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        with pytest.raises(UsageError, match=says):
            executor(nodes.ray(workers=6))(plan_of("close > 1"), panel_of(random_bars(30, 40)))
    finally:
        nodes.cluster.remove_node(other)
    assert all_is_free(nodes)


def test_several_threads_evaluate_at_the_same_time(nodes: Nodes, panel: Panel) -> None:
    plans = [plan_of(f"close > sma({n})", f"rsi({n})") for n in range(5, 13)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda plan: executor(nodes.ray())(plan, panel), plans))
    for plan, columns in zip(plans, results, strict=True):
        for got, want in zip(columns, executor("serial")(plan, panel), strict=True):
            assert_same_bits(got, want)


def test_versions_must_be_equal() -> None:
    from marketsweep.engine.executors.ray.cluster import check_same

    own = {"marketsweep": "1.0", "Python": "3.12", "kernels": "ema, sma", "node": "a"}
    check_same(own, own | {"node": "b"})
    for name, says in {
        "marketsweep": "has marketsweep 9, but this machine has marketsweep 1.0",
        "Python": "has Python 9, but this machine has Python 3.12",
        "kernels": "other kernels",
    }.items():
        with pytest.raises(UsageError, match=says):
            check_same(own, own | {name: "9"})


def test_a_cluster_of_another_ray(
    data: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from marketsweep.engine.executors.ray.executor import close

    close()
    monkeypatch.setattr(ray, "__version__", "2.39.0")
    with pytest.raises(UsageError, match=r"runs Ray .*, but this machine has Ray 2\.39\.0"):
        executor(nodes.ray())(plan_of("close > 1"), panel_of(random_bars(30, 40)))


# -- without Ray


def test_options_of_ray_are_for_ray(data: Path) -> None:
    refused(2, "scan", "close > 1", "--ray-workers", "2", "--data", data, says="add --executor ray")


@pytest.mark.parametrize("settings", [{"workers": 0}, {"threads": 1.5}, {"block": -1}])
def test_invalid_numbers(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is not a whole number from 1 to"):
        Ray(**settings)


def test_settings_of_the_data_folder(data: Path, tmp_path: Path, nodes: Nodes) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    (folder / "config.toml").write_text("[ray]\nworkers = 1\nthreads = 2\nblock = 32\n")
    with ms.open(folder) as market:
        hits = market.scan("close > 1", executor=Ray(nodes.address))
        assert hits.distribution is not None
        assert hits.distribution.workers == 1
        overridden = market.scan("close > 1", executor=nodes.ray())
        assert overridden.distribution is not None
        assert overridden.distribution.workers == 2


def test_without_ray_it_says_what_to_install(data: Path) -> None:
    script = (
        "import sys; sys.modules['ray'] = None\n"
        "from marketsweep.cli.main import main\n"
        f"main(['scan', 'close > 1', '--executor', 'ray', '--data', {str(data)!r}])"
    )
    completed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 2
    assert "pip install 'marketsweep[ray]'" in completed.stderr
    assert "Traceback" not in completed.stderr


# -- tune


def test_tuning_saves_its_choices(data: Path, tmp_path: Path, nodes: Nodes) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    result = run(
        "tune", "--executor", "ray", "--ray-address", nodes.address, "--data", folder, "--json"
    )
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert list(facts["threads"]["rates"]) == ["1", "2"]
    max_workers = 4 // facts["threads"]["choice"]
    assert list(facts["workers"]["rates"]) == [str(n) for n in (1, 2, 4) if n <= max_workers]
    assert list(facts["blocks"]["rates"]) == [*map(str, BLOCKS)]
    config = read_config(folder, {})
    assert config.ray_threads == facts["threads"]["choice"]
    assert config.ray_workers == facts["workers"]["choice"]
    assert config.ray_block == facts["blocks"]["choice"]
    assert "ray: 2 nodes with 4 processors" in result.stderr
    assert f"config.toml: [ray] workers = {config.ray_workers}" in result.stderr


def test_tune_refuses_other_executors(data: Path) -> None:
    refused(2, "tune", "--executor", "serial", "--data", data, says="choose threads or ray")
    refused(2, "tune", "--ray-address", "a:1", "--data", data, says="add --executor ray")


# -- the docs

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "guide" / "ray.md"


def test_the_example_of_the_docs_runs(
    example_data: Path,
    nodes: Nodes,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor(nodes.ray())(plan_of("close > 1"), panel_of(random_bars(30, 40)))  # connects
    monkeypatch.setenv("MARKETSWEEP_DATA", str(example_data))
    (example,) = fenced(PAGE, "python")
    exec(compile(example, str(PAGE), "exec"), {})
    assert "by 2 workers on 2 nodes" in capsys.readouterr().out


def test_the_settings_of_the_docs_are_read(tmp_path: Path) -> None:
    (settings,) = fenced(PAGE, "toml")
    (tmp_path / "config.toml").write_text(settings)
    config = read_config(tmp_path, {"MARKETSWEEP_RAY_BLOCK": "64"})
    assert (config.ray_workers, config.ray_threads, config.ray_block) == (8, 4, 64)


# -- tasks and queues


def test_sizes_of_tasks() -> None:
    from marketsweep.engine.executors.ray.executor import _split_into_tasks

    blocks = [(n, n + 1) for n in range(40)]

    def sizes(seconds: float, workers: int) -> list[int]:
        return [len(task.blocks) for task in _split_into_tasks(blocks, seconds, workers)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marketsweep.engine.executors.ray.executor._TASK_S", 0.05)
        assert sizes(0.01, 8) == [40]  # less work than a task is worth
        assert sizes(0.16, 8) == [13, 13, 14]
        assert sizes(1.0, 2) == [5] * 8  # no more than four a worker
        assert sizes(100.0, 50) == [1] * 40
        assert [b for task in _split_into_tasks(blocks, 0.16, 8) for b in task.blocks] == blocks


def test_tasks_are_handed_out_as_there_is_room() -> None:
    from marketsweep.engine.executors.ray.executor import _Queues, _Task

    tasks = [_Task(n, []) for n in range(8)]
    queues, sent = _Queues(tasks, 2), list[tuple[int, int]]()

    def send(*resting: int) -> list[tuple[int, int]]:
        sent.clear()
        queues.send(lambda worker, task: sent.append((worker, task.number)), set(resting))
        return sent

    assert send() == [
        (0, 0),
        (1, 4),
        (0, 1),
        (1, 5),
    ]  # each worker gets its own part, two tasks at a time
    assert send() == []
    for _ in range(2):
        queues.answered(0)
    assert send() == [(0, 2), (0, 3)]
    for _ in range(2):
        queues.answered(0)
    assert send() == [(0, 6)]  # an idle worker takes one task at a time from the other
    queues.put_back(1, tasks[4])
    assert send(1) == []  # worker 1 rests, and worker 0 is busy
    queues.answered(0)
    assert send(1) == [(0, 4)]
    queues.answered(0)
    assert send(1) == [(0, 7)]


def test_blocks_are_as_large_as_workers_allow() -> None:
    from marketsweep.engine.executors.ray.blocks import edges, size_of

    assert size_of(188, 2, None) == 32
    assert size_of(188, 10, None) == 10
    assert size_of(188, 50, None) == 4
    assert size_of(188, 50, 33) == 2
    assert edges(5, 2) == [(0, 2), (2, 4), (4, 5)]
    assert edges(1, 32) == [(0, 1)]
