"""Where the ray executor works and how, and what it tells of that in the receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from marketsweep.errors import UsageError


@dataclass(frozen=True, slots=True)
class Ray:
    """A Ray cluster to evaluate on; what is None, the executor chooses.

    Raises UsageError for a number that cannot be.
    """

    address: str | None = None
    """host:port, or "auto" for the one that runs here. None: RAY_ADDRESS, else one is started."""
    workers: int | None = None
    """None: as many as the processors of the cluster hold."""
    threads: int | None = None
    """Threads of a worker, which reserves as many cores; None: the cores of the smallest node."""
    block: int | None = None
    """Symbols of a block in the object store, rounded up to whole tiles."""
    pack: bool = False
    """Whether workers share nodes where they can, instead of being spread over all."""
    progress: Callable[[int, int, int], None] | None = field(default=None, compare=False)
    """Told how many blocks are evaluated, of how many, and the bars in them."""

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "block"):
            given = getattr(self, name)
            if given is not None and (not isinstance(given, int) or given < 1):
                raise UsageError(f"{name} {given!r} is not a whole number from 1 on")


@dataclass(slots=True)
class Distribution:
    """What was done where; filled as the work goes on."""

    workers: int = 0
    nodes: set[str] = field(default_factory=set)
    """Workers whose tasks gave an answer."""
    tasks: int = 0
    sent_bytes: int = 0
    """Bytes of fields put into the object store; 0 if all of them were there."""
    run_again: int = 0
    """Tasks that were run again, since their worker was lost."""
    picked: set[str] = field(default_factory=set)
    """Whom "auto" picked."""

    def add(self, other: Distribution) -> None:
        """Count what another one counted."""
        self.workers = max(self.workers, other.workers)
        self.nodes |= other.nodes
        self.tasks += other.tasks
        self.sent_bytes += other.sent_bytes
        self.run_again += other.run_again
        self.picked |= other.picked

    def __str__(self) -> str:
        def counted(number: int, what: str) -> str:
            return f"{number:,} {what}{'s' if number != 1 else ''}"

        told = (
            f"{counted(self.tasks, 'task')} by {counted(self.workers, 'worker')} on "
            f"{counted(len(self.nodes), 'node')}, {self.sent_bytes / 1e6:,.1f} MB put"
        )
        if self.run_again:
            was = "was" if self.run_again == 1 else "were"
            told += f"; {counted(self.run_again, 'task')} {was} run again, since a worker was lost"
        return told

    def to_dict(self) -> dict[str, int]:
        """As plain data."""
        return {
            "workers": self.workers,
            "nodes": len(self.nodes),
            "tasks": self.tasks,
            "sent_bytes": self.sent_bytes,
            "run_again": self.run_again,
        }
