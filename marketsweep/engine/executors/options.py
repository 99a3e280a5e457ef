"""Settings of the ray executor, and the report of what an executor did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from marketsweep.core.safe_text import counted
from marketsweep.core.settings import MAX_VALUES
from marketsweep.errors import UsageError


@dataclass(frozen=True, slots=True)
class Ray:
    """A Ray cluster to evaluate on; the executor chooses each setting that is None.

    Raises UsageError for a number that is not a whole number from 1 on.
    """

    address: str | None = None
    """host:port, or "auto" for the cluster on this machine. None: RAY_ADDRESS, else start a
    cluster."""
    workers: int | None = None
    """Number of workers. None: as many as fit on the processors of the cluster."""
    threads: int | None = None
    """Threads per worker, each on a reserved core. None: the cores of the smallest node."""
    block: int | None = None
    """Symbols per block in the object store, rounded up to whole tiles."""
    pack: bool = False
    """Put workers on as few nodes as possible, instead of on as many as possible."""
    progress: Callable[[int, int, int], None] | None = field(default=None, compare=False)
    """Called with the blocks evaluated so far, all blocks, and the bars in the evaluated blocks."""

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "block"):
            value, most = getattr(self, name), MAX_VALUES["ray", name]
            if value is not None and (not isinstance(value, int) or not 1 <= value <= most):
                raise UsageError(f"{name} {value!r} is not a whole number from 1 to {most:,}")


class Distribution(Struct):
    """What an executor did and where; updated while the work goes on."""

    workers: int = 0
    nodes: set[str] = msgspec.field(default_factory=set)
    """Nodes whose workers returned an answer."""
    tasks: int = 0
    sent_bytes: int = 0
    """Bytes of fields put into the object store; 0 if all of them were there already."""
    run_again: int = 0
    """Tasks that were run again because their worker was lost."""
    picked: set[str] = msgspec.field(default_factory=set)
    """Names of the executors that "auto" picked."""

    def add(self, other: Distribution) -> None:
        """Add the figures of another report."""
        self.workers = max(self.workers, other.workers)
        self.nodes |= other.nodes
        self.tasks += other.tasks
        self.sent_bytes += other.sent_bytes
        self.run_again += other.run_again
        self.picked |= other.picked

    def __str__(self) -> str:
        text = (
            f"{counted(self.tasks, 'task')} by {counted(self.workers, 'worker')} on "
            f"{counted(len(self.nodes), 'node')}, {self.sent_bytes / 1e6:,.1f} MB sent"
        )
        if self.run_again:
            verb = "was" if self.run_again == 1 else "were"
            text += (
                f"; {counted(self.run_again, 'task')} {verb} run again, because a worker was lost"
            )
        return text

    def to_dict(self) -> dict[str, int]:
        """Return the figures as plain data."""
        return {
            "workers": self.workers,
            "nodes": len(self.nodes),
            "tasks": self.tasks,
            "sent_bytes": self.sent_bytes,
            "run_again": self.run_again,
        }
