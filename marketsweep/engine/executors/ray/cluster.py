"""A connection to a Ray cluster, and workers placed on it: kept until the process ends.

1. `connected` asks the address who is there, before Ray does: Ray waits minutes for nobody, and
   says in a page what one sentence can.
2. `Cluster.place` reserves a placement group, a bundle a worker, and has each worker tell its
   versions: other ones might give other bits.
3. `Cluster.is_whole` tells whether all nodes of the group still live; if not, it is placed anew.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic, sleep
from typing import Any, Final

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # or `uv run` ships the whole folder

import ray
from ray.exceptions import AuthenticationError, RayError
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from marketsweep.engine.executors.options import Ray
from marketsweep.engine.executors.ray.blocks import Blocks
from marketsweep.engine.executors.ray.pace import Pace, make_room
from marketsweep.engine.executors.ray.task import Worker, versions
from marketsweep.engine.plan import Plan
from marketsweep.errors import ExecutorError, UsageError

_PATIENCE_S: Final = 5.0
"""For an address to answer."""
_PLACING_S: Final = 60.0
"""For processors that others have reserved."""
_RETURNING_S: Final = 2.0
"""For processors that are given back."""
_HTTP2: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""How a gRPC call begins; the answer begins with a frame of type 4."""
_TOKEN: Final = (
    "export RAY_AUTH_MODE=token, and where ~/.ray/auth_token is not that of the cluster "
    "RAY_AUTH_TOKEN=... (or RAY_AUTH_TOKEN_PATH) too"
)


_Actor: Final = ray.remote(Worker)

Handle = Any
"""Handle of an actor; its type in Ray says nothing."""


class Cluster:
    """Where tasks go: a connection, the placement group on it, and the blocks it holds."""

    def __init__(self, address: str | None, *, ours: bool) -> None:
        self.address = address
        self.ours = ours
        """Whether the connection is to be ended by whoever made it here."""
        self.blocks = Blocks()
        self.pace = Pace()
        self._plans: dict[Plan, ray.ObjectRef[Any]] = {}
        self.actors: list[Handle] = []
        self.resting: dict[ray.ObjectRef[Any], int] = {}
        """What workers that are started anew are to answer."""
        self.workers = 0
        self.threads = 0
        self._asked: tuple[object, ...] | None = None
        self._group: PlacementGroup | None = None

    def place(self, wanted: Ray) -> None:
        """See that there are workers as wanted. Raises UsageError where the cluster has no room."""
        asked = wanted.workers, wanted.threads, wanted.pack
        if self._asked == asked and self.is_whole():
            return
        self.release()
        self.workers, self.threads = _fitting(_processors(), wanted)
        self._reserve(pack=wanted.pack)
        self._asked = asked

    def place_remaining(self, wanted: Ray) -> None:
        """Connect again after a node was lost, with as many workers as there is room for.

        The next scan asks for all of them again.
        """
        before = self.workers
        self.release()
        any_number = replace(wanted, workers=None, threads=self.threads)
        self.workers = min(before, _fitting(_processors(), any_number)[0])
        self._reserve(pack=wanted.pack)

    def _reserve(self, *, pack: bool) -> None:
        self._group = _reserved(self.workers, self.threads, pack=pack)
        try:
            self.actors = [self._started(worker) for worker in range(self.workers)]
            self._check_versions()
        except BaseException:
            self.release()
            raise

    def kept_plan(self, plan: Plan) -> ray.ObjectRef[Any]:
        """A plan in the object store: many tasks read it, and scans are repeated."""
        if plan not in self._plans:
            make_room(self._plans)
            self._plans[plan] = ray.put(plan)
        return self._plans[plan]

    def is_whole(self) -> bool:
        """Whether all workers have their place still."""
        return self._group is not None and _state(self._group) == "CREATED"

    def replace(self, worker: int, lost: Handle) -> None:
        """Start a worker anew in its place; each of the tasks that it had may ask for it.

        It rests until it has answered: Ray may take a while to notice that a whole node is gone.
        """
        if self.actors[worker] is lost:
            self.actors[worker] = self._started(worker)
            self.resting[self.actors[worker].versions.remote()] = worker

    def wake(self, reference: ray.ObjectRef[Any]) -> None:
        """Count on a worker again that was started anew. Raises ExecutorError if it cannot be."""
        del self.resting[reference]
        try:
            check_same(versions(), ray.get(reference))
        except RayError as error:
            raise ExecutorError(
                f"a worker was lost on the Ray cluster, and starts no more: {first_line(error)}"
            ) from error

    def _started(self, worker: int) -> Handle:
        assert self._group is not None
        place = PlacementGroupSchedulingStrategy(self._group, worker)
        start = _Actor.options(num_cpus=self.threads, scheduling_strategy=place)
        return start.remote()

    def release(self) -> None:
        """Give the reserved processors back."""
        group, self._group, self._asked = self._group, None, None
        self.actors, self.resting = [], {}
        if group is not None and ray.is_initialized():
            _remove(group)

    def _check_versions(self) -> None:
        mine = versions()
        try:
            told = ray.get([actor.versions.remote() for actor in self.actors])
        except RayError as error:
            if "ModuleNotFoundError" not in str(error):
                raise
            raise UsageError(
                "a node of the cluster has no marketsweep: install version "
                f"{mine['marketsweep']} of it in the Python that Ray runs there"
            ) from error
        for theirs in told:
            check_same(mine, theirs)


def check_same(mine: dict[str, str], theirs: dict[str, str]) -> None:
    """Raises UsageError where `versions` of a node might give other bits than those here."""
    node = f"node {theirs['node'][:12]} of the cluster has"
    for name in ("marketsweep", "Python"):
        if theirs[name] != mine[name]:
            raise UsageError(
                f"{node} {name} {theirs[name]}, and here is {name} {mine[name]}: install the same "
                "everywhere"
            )
    if theirs["kernels"] != mine["kernels"]:
        raise UsageError(f"{node} other kernels than are here: build marketsweep anew on both")


_cluster: Cluster | None = None


def connected(wanted: Ray) -> Cluster:
    """The cluster with the workers that are wanted. Raises UsageError and ExecutorError."""
    cluster = _joined(wanted)
    cluster.place(wanted)
    return cluster


def processors_of(wanted: Ray) -> list[int]:
    """Whole processors of each node of the cluster, ascending. Raises as `connected` does."""
    _joined(wanted)
    return _processors()


def _joined(wanted: Ray) -> Cluster:
    global _cluster  # noqa: PLW0603, Ray knows one connection a process
    if _cluster is None or not ray.is_initialized():
        _cluster = _connect(wanted.address)
    elif wanted.address is not None and wanted.address != _cluster.address:
        raise UsageError(
            f"this process is connected to {_cluster.address or 'a Ray cluster of its own'}: one "
            f"at {wanted.address} takes another process, or marketsweep.executors.ray.close()"
        )
    return _cluster


def close() -> None:
    """Give processors and blocks back and leave the cluster; one that was started here ends."""
    global _cluster
    cluster, _cluster = _cluster, None
    if cluster is not None:
        cluster.release()
        if cluster.ours:
            ray.shutdown()


def _connect(address: str | None) -> Cluster:
    if ray.is_initialized():  # by whoever uses this package
        return Cluster(address, ours=False)
    address = address or os.environ.get("RAY_ADDRESS") or None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None or address == "local":
        # No dashboard, and nothing is told to anybody.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"address": "local", "include_dashboard": False}
    else:
        options["address"] = address
        if address != "auto":
            _check(address)
    with _in_one_sentence(address):
        ray.init(namespace="marketsweep", **options)
    # Ray tells of lost workers on stdout, where answers go; what matters of it is raised.
    ray._private.worker.print_to_stdstream = _note
    atexit.register(close)
    return Cluster(address, ours=True)


def _note(data: Any, ignore_prefix: bool) -> None:  # noqa: ANN401, as Ray calls it
    logging.getLogger("ray").info("\n".join(data["lines"]))


def _check(address: str) -> None:
    """Raises UsageError where nobody answers at an address, or somebody who will not do."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise UsageError(f"Ray address {address!r} is none: write host:port, such as head:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S) as line:
            if os.environ.get("RAY_USE_TLS", "0") != "1":
                line.sendall(_HTTP2)
                if line.recv(9)[3:4] != b"\4":
                    raise UsageError(f"what answers at {address} is not a Ray cluster")
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or f"no answer in {_PATIENCE_S:.0f} s"
        raise UsageError(
            f"no Ray cluster at {address} ({said}): start one with ray start --head, or give "
            "another --ray-address"
        ) from error
    _check_token()
    with _in_one_sentence(address), _without_stderr():
        from ray._raylet import GcsClient  # type: ignore[attr-defined]  # not in its stubs

        told = GcsClient(address=address).internal_kv_get(b"CLUSTER_METADATA", b"cluster")
    theirs = json.loads(told or b"{}").get("ray_version", ray.__version__)
    if theirs != ray.__version__:
        raise UsageError(
            f"the cluster at {address} runs Ray {theirs}, and here is Ray {ray.__version__}: "
            f"pip install ray=={theirs}"
        )


@contextmanager
def _without_stderr() -> Iterator[None]:
    """While Ray's native code would say at length what is raised as well."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _check_token() -> None:
    """Ray ends the whole process where it is to send a token and has none."""
    from ray._private.authentication.authentication_utils import is_token_auth_enabled
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # as above

    loader = AuthenticationTokenLoader.instance()
    if is_token_auth_enabled() and not loader.has_token(ignore_auth_mode=True):
        raise UsageError(f"RAY_AUTH_MODE is token, and there is no token: {_TOKEN}")


@contextmanager
def _in_one_sentence(address: str | None) -> Iterator[None]:
    where = f"the Ray cluster at {address}" if address else "a Ray cluster of one's own"
    try:
        yield
    except AuthenticationError as error:
        raise UsageError(
            f"{where} takes no call with this token, or with none: {_TOKEN}"
        ) from error
    except (ConnectionError, RuntimeError, ValueError, RayError, OSError) as error:
        said = str(error).strip().splitlines()
        if address == "auto" and isinstance(error, ConnectionError):
            raise UsageError(
                "no Ray cluster runs on this machine: ray start --head starts one, and without "
                "--ray-address one is started for this process"
            ) from error
        if "ersion mismatch" in str(error):
            versions_of = " ".join(line.strip() for line in said[1:])
            raise UsageError(f"{where} is of other versions. {versions_of}") from error
        if "none of these match" in str(error) or "node_ip_address" in str(error):
            raise UsageError(
                f"this machine is not a node of {where}: run ray start --address={address} "
                "--num-cpus=0 on it first"
            ) from error
        raise UsageError(f"{where} cannot be used: {said[0] if said else error!r}") from error


def _processors() -> list[int]:
    """Whole processors of each node that lives and has any."""
    found = [int(node["Resources"].get("CPU", 0)) for node in _nodes() if node["Alive"]]
    return sorted(count for count in found if count)


def _nodes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return found


def _fitting(processors: list[int], wanted: Ray) -> tuple[int, int]:
    """Workers, and the threads of each, that there is room for."""

    def hold(threads: int) -> int:
        return sum(count // threads for count in processors)

    most = processors[0] if processors else 0
    if wanted.threads is not None:
        threads = wanted.threads
    else:
        least = wanted.workers or 1
        threads = next((n for n in range(most, 1, -1) if hold(n) >= least), 1)
    workers = wanted.workers or max(1, hold(threads))
    if hold(threads) < workers:
        raise UsageError(
            f"{_workers(workers, threads)} find no place on the Ray cluster, which has "
            f"{_has(processors)}: ask for fewer --ray-workers or --threads, or add nodes"
        )
    return workers, threads


def _workers(workers: int, threads: int) -> str:
    return f"{_counted(workers, 'worker')} of {_counted(threads, 'processor')} each"


def _has(processors: list[int]) -> str:
    if not processors:
        return "no node with a processor"
    each = ", ".join(map(str, processors))
    return f"{_counted(len(processors), 'node')} with {each} processors"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _reserved(workers: int, threads: int, *, pack: bool) -> PlacementGroup:
    strategy = "PACK" if pack else "SPREAD"
    group: PlacementGroup = placement_group([{"CPU": threads}] * workers, strategy=strategy)
    try:
        there = group.wait(_PLACING_S)
    except BaseException:
        remove_placement_group(group)
        raise
    if not there:
        free = ray.available_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
        remove_placement_group(group)
        raise ExecutorError(
            f"{_workers(workers, threads)} found no place on the Ray cluster in {_PLACING_S:.0f} "
            f"s: it has {_has(_processors())}, of which {free:g} are free; ask for fewer "
            "--ray-workers, or wait until others are done"
        )
    return group


def _remove(group: PlacementGroup) -> None:
    """Remove it, and wait a little until its processors are free: the next one may need them."""
    remove_placement_group(group)
    until = monotonic() + _RETURNING_S
    while monotonic() < until and any(group.id.hex() in name for name in _resources()):
        sleep(0.01)


def _resources() -> dict[str, float]:
    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return found


def first_line(error: BaseException) -> str:
    """What it says, or what it is."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _state(group: PlacementGroup) -> str:
    return str(placement_group_table(group).get("state"))
