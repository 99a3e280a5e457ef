"""Connect to a Ray cluster and place workers on it; both stay until the process ends.

1. `connected` checks the address before Ray does: Ray waits minutes for a missing cluster, and its
   error fills a page.
2. `Cluster.place` reserves a placement group with a bundle per worker, and compares the workers'
   versions: other versions might give other bits.
3. `Cluster.is_whole` tells whether all nodes of the group are alive; if not, it is placed again.
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

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # `uv run` would upload all files

import ray
from ray.exceptions import AuthenticationError, RayActorError, RayError
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
"""Seconds for an address to answer."""
_PLACING_S: Final = 60.0
"""Seconds to wait for processors that others have reserved."""
_MAX_PLACINGS: Final = 3
"""How often workers are placed again before the evaluation fails."""
_RETURNING_S: Final = 2.0
"""Seconds to wait for processors that are given back."""
_HTTP2: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""The start of a gRPC call; the answer starts with a frame of type 4."""
_TOKEN: Final = (
    "export RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN=... (or RAY_AUTH_TOKEN_PATH) if "
    "~/.ray/auth_token is not that of the cluster"
)


_Actor: Final = ray.remote(Worker)

Handle = Any
"""Handle of an actor; Ray's type for it carries no information."""


class Cluster:
    """A connection, its placement group and workers, and the blocks in its object store."""

    def __init__(self, address: str | None, *, ours: bool) -> None:
        self.address = address
        self.ours = ours
        """Whether this process opened the connection, and so closes it."""
        self.blocks = Blocks()
        self.pace = Pace()
        self._plans: dict[Plan, ray.ObjectRef[Any]] = {}
        self.actors: list[Handle] = []
        self.resting: dict[ray.ObjectRef[Any], int] = {}
        """Workers that were started again, by the reference of their first answer."""
        self.workers = 0
        self.threads = 0
        self._placed_options: tuple[object, ...] | None = None
        self._group: PlacementGroup | None = None

    def place(self, options: Ray) -> None:
        """Place the workers as requested. Raises UsageError if the cluster has no room for them."""
        requested = options.workers, options.threads, options.pack
        if self._placed_options == requested and self.is_whole():
            return
        self.release()
        self.workers, self.threads = _choose_workers(_processors(), options)
        self._reserve(pack=options.pack)
        self._placed_options = requested

    def place_remaining(self, options: Ray) -> None:
        """Place workers again after a node was lost: as many as before, or as fit.

        The next scan requests the full number again. Raises ExecutorError if workers are lost
        again and again while they start.
        """
        before = self.workers
        reduced = replace(options, workers=None, threads=self.threads)
        for left in reversed(range(_MAX_PLACINGS)):
            self.release()
            self.workers = min(before, _choose_workers(_processors(), reduced)[0])
            try:
                self._reserve(pack=options.pack)
            except RayActorError as error:
                if not left:
                    raise ExecutorError(
                        "workers were lost on the Ray cluster and cannot restart: "
                        f"{first_line(error)}"
                    ) from error
            else:
                return

    def _reserve(self, *, pack: bool) -> None:
        self._group = _reserve_group(self.workers, self.threads, pack=pack)
        try:
            self.actors = [self._start_worker(worker) for worker in range(self.workers)]
            self._check_versions()
        except BaseException:
            self.release()
            raise

    def plan_reference(self, plan: Plan) -> ray.ObjectRef[Any]:
        """Return a plan's reference in the object store, for many tasks and later scans."""
        if plan not in self._plans:
            make_room(self._plans)
            self._plans[plan] = ray.put(plan)
        return self._plans[plan]

    def is_whole(self) -> bool:
        """Return whether all workers still have their place."""
        return self._group is not None and _group_state(self._group) == "CREATED"

    def replace(self, worker: int, lost: Handle) -> None:
        """Start a lost worker again; each of its tasks may call this.

        The worker rests until it has answered: Ray may take a while to notice that a node is gone.
        """
        if self.actors[worker] is lost:
            self.actors[worker] = self._start_worker(worker)
            self.resting[self.actors[worker].versions.remote()] = worker

    def wake(self, reference: ray.ObjectRef[Any]) -> bool:
        """Use a restarted worker again; return whether it has started.

        It has not if it was sent to a node that was gone already. Raises ExecutorError if the
        cluster fails in another way.
        """
        del self.resting[reference]
        try:
            check_same(versions(), ray.get(reference))
        except RayActorError:
            return False
        except RayError as error:
            raise ExecutorError(f"the Ray cluster failed: {first_line(error)}") from error
        return True

    def _start_worker(self, worker: int) -> Handle:
        assert self._group is not None
        strategy = PlacementGroupSchedulingStrategy(self._group, worker)
        actor = _Actor.options(num_cpus=self.threads, scheduling_strategy=strategy)
        return actor.remote()

    def release(self) -> None:
        """Give the reserved processors back."""
        group, self._group, self._placed_options = self._group, None, None
        self.actors, self.resting = [], {}
        if group is not None and ray.is_initialized():
            _remove_group(group)

    def _check_versions(self) -> None:
        own_versions = versions()
        try:
            node_versions = ray.get([actor.versions.remote() for actor in self.actors])
        except RayError as error:
            if "ModuleNotFoundError" not in str(error):
                raise
            raise UsageError(
                "a node of the cluster has no marketsweep: install version "
                f"{own_versions['marketsweep']} of it in the Python that Ray runs there"
            ) from error
        for other_versions in node_versions:
            check_same(own_versions, other_versions)


def check_same(own: dict[str, str], other: dict[str, str]) -> None:
    """Raise UsageError if a node's `versions` might give other bits than the versions here."""
    node = f"node {other['node'][:12]} of the cluster has"
    for name in ("marketsweep", "Python"):
        if other[name] != own[name]:
            raise UsageError(
                f"{node} {name} {other[name]}, but this machine has {name} {own[name]}: install "
                "the same version everywhere"
            )
    if other["kernels"] != own["kernels"]:
        raise UsageError(f"{node} other kernels than this machine: rebuild marketsweep on both")


_cluster: Cluster | None = None


def connected(options: Ray) -> Cluster:
    """Return the cluster with the requested workers. Raises UsageError or ExecutorError."""
    cluster = _connection(options)
    cluster.place(options)
    return cluster


def processors_of(options: Ray) -> list[int]:
    """Return the processors of each node of the cluster, ascending. Raises as `connected`."""
    _connection(options)
    return _processors()


def _connection(options: Ray) -> Cluster:
    global _cluster  # noqa: PLW0603, Ray knows one connection a process
    if _cluster is None or not ray.is_initialized():
        _cluster = _connect(options.address)
    elif options.address is not None and options.address != _cluster.address:
        raise UsageError(
            f"this process is connected to {_cluster.address or 'a Ray cluster of its own'}: for "
            f"one at {options.address}, use another process, or call "
            "marketsweep.engine.executors.ray.executor.close()"
        )
    return _cluster


def close() -> None:
    """Release processors and blocks, and leave the cluster; end it if it was started here."""
    global _cluster
    cluster, _cluster = _cluster, None
    if cluster is not None:
        cluster.release()
        if cluster.ours:
            ray.shutdown()


def _connect(address: str | None) -> Cluster:
    if ray.is_initialized():  # by the program that uses this package
        return Cluster(address, ours=False)
    address = address or os.environ.get("RAY_ADDRESS") or None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None or address == "local":
        # No dashboard, and no usage statistics.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"address": "local", "include_dashboard": False}
    else:
        options["address"] = address
        if address != "auto":
            _check_address(address)
    with _short_errors(address):
        ray.init(namespace="marketsweep", **options)
    # Ray prints lost workers to stdout, where results go; what matters is raised as an error.
    ray._private.worker.print_to_stdstream = _log_message
    atexit.register(close)
    return Cluster(address, ours=True)


def _log_message(data: Any, ignore_prefix: bool) -> None:  # noqa: ANN401, as Ray calls it
    logging.getLogger("ray").info("\n".join(data["lines"]))


def _check_address(address: str) -> None:
    """Raise UsageError if no suitable Ray cluster answers at an address."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise UsageError(
            f"Ray address {address!r} is not valid: write host:port, such as head:6379"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "1":
                connection.sendall(_HTTP2)
                if connection.recv(9)[3:4] != b"\4":
                    raise UsageError(f"the server at {address} is not a Ray cluster")
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or f"no answer in {_PATIENCE_S:.0f} s"
        raise UsageError(
            f"no Ray cluster at {address} ({reason}): start one with ray start --head, or give "
            "another --ray-address"
        ) from error
    _check_token()
    with _short_errors(address), _without_stderr():
        from ray._raylet import GcsClient  # type: ignore[attr-defined]  # not in its stubs

        metadata = GcsClient(address=address).internal_kv_get(b"CLUSTER_METADATA", b"cluster")
    version = json.loads(metadata or b"{}").get("ray_version", ray.__version__)
    if version != ray.__version__:
        raise UsageError(
            f"the cluster at {address} runs Ray {version}, but this machine has Ray "
            f"{ray.__version__}: pip install ray=={version}"
        )


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Silence Ray's native code, which prints at length what is raised as well."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _check_token() -> None:
    """Raise UsageError if a token is missing, since Ray would then end the whole process."""
    from ray._private.authentication.authentication_utils import is_token_auth_enabled
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # as above

    loader = AuthenticationTokenLoader.instance()
    if is_token_auth_enabled() and not loader.has_token(ignore_auth_mode=True):
        raise UsageError(f"RAY_AUTH_MODE is token, but there is no token: {_TOKEN}")


@contextmanager
def _short_errors(address: str | None) -> Iterator[None]:
    where = f"the Ray cluster at {address}" if address else "a local Ray cluster"
    try:
        yield
    except AuthenticationError as error:
        raise UsageError(f"{where} rejects this token, or a call without one: {_TOKEN}") from error
    except (ConnectionError, RuntimeError, ValueError, RayError, OSError) as error:
        lines = str(error).strip().splitlines()
        if address == "auto" and isinstance(error, ConnectionError):
            raise UsageError(
                "no Ray cluster runs on this machine: ray start --head starts one, and without "
                "--ray-address one is started for this process"
            ) from error
        if "ersion mismatch" in str(error):
            versions_of = " ".join(line.strip() for line in lines[1:])
            raise UsageError(f"{where} runs other versions. {versions_of}") from error
        if "none of these match" in str(error) or "node_ip_address" in str(error):
            raise UsageError(
                f"this machine is not a node of {where}: run ray start --address={address} "
                "--num-cpus=0 on it first"
            ) from error
        raise UsageError(f"{where} cannot be used: {lines[0] if lines else error!r}") from error


def _processors() -> list[int]:
    """Return the processors of each node that is alive and has any, ascending."""
    counts = [int(node["Resources"].get("CPU", 0)) for node in _nodes() if node["Alive"]]
    return sorted(count for count in counts if count)


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return nodes


def _choose_workers(processors: list[int], options: Ray) -> tuple[int, int]:
    """Return the number of workers and the threads of each; raise UsageError if they do not fit."""

    def capacity(threads: int) -> int:
        return sum(count // threads for count in processors)

    most = processors[0] if processors else 0
    if options.threads is not None:
        threads = options.threads
    else:
        least = options.workers or 1
        threads = next((n for n in range(most, 1, -1) if capacity(n) >= least), 1)
    workers = options.workers or max(1, capacity(threads))
    if capacity(threads) < workers:
        raise UsageError(
            f"{_as_text(workers, threads)} do not fit on the Ray cluster, which has "
            f"{_node_text(processors)}: use fewer --ray-workers or --threads, or add nodes"
        )
    return workers, threads


def _as_text(workers: int, threads: int) -> str:
    return f"{_counted(workers, 'worker')} of {_counted(threads, 'processor')} each"


def _node_text(processors: list[int]) -> str:
    if not processors:
        return "no node with a processor"
    counts = ", ".join(map(str, processors))
    return f"{_counted(len(processors), 'node')} with {counts} processors"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _reserve_group(workers: int, threads: int, *, pack: bool) -> PlacementGroup:
    strategy = "PACK" if pack else "SPREAD"
    group: PlacementGroup = placement_group([{"CPU": threads}] * workers, strategy=strategy)
    try:
        is_ready = group.wait(_PLACING_S)
    except BaseException:
        remove_placement_group(group)
        raise
    if not is_ready:
        free = ray.available_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
        remove_placement_group(group)
        raise ExecutorError(
            f"{_as_text(workers, threads)} found no place on the Ray cluster in {_PLACING_S:.0f} "
            f"s: it has {_node_text(_processors())}, of which {free:g} are free; use fewer "
            "--ray-workers, or wait until other jobs are done"
        )
    return group


def _remove_group(group: PlacementGroup) -> None:
    """Remove a group, and wait briefly until its processors are free for the next one."""
    remove_placement_group(group)
    deadline = monotonic() + _RETURNING_S
    while monotonic() < deadline and any(group.id.hex() in name for name in _resources()):
        sleep(0.01)


def _resources() -> dict[str, float]:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _group_state(group: PlacementGroup) -> str:
    return str(placement_group_table(group).get("state"))
