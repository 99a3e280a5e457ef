"""One sync at a time, on a thread of its own; any number of listeners follow it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct

from marketsweep.errors import Cancelled, MarketsweepError
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.sync import sync
from marketsweep.serve.api.problem import Problem
from marketsweep.store.store import Store

State = Literal["idle", "running", "done", "failed", "stopped"]


class Progress(Struct, frozen=True):
    """What is known of the running sync, or of the last one."""

    state: State = "idle"
    done: int = 0
    """Calls or sessions that are done."""
    total: int = 0
    bars: int = 0
    receipt: dict[str, Any] | None = None
    """What the sync stored, at its end."""
    error: str = ""


IDLE: Final = Progress()


class SyncJob:
    """The sync that runs, or the last one. Threads may share it."""

    def __init__(
        self, store: Store, provider: Callable[[], Provider], refresh: Callable[[], object]
    ) -> None:
        """`refresh` loads what a sync has stored, before the sync counts as done."""
        self._store = store
        self._provider = provider
        self._refresh = refresh
        self._lock = threading.Lock()
        self._listeners: set[Callable[[], object]] = set()
        self.progress = IDLE
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, since: dt.date | None, until: dt.date | None) -> Progress:
        """Start a sync. Raises Problem if one runs, and UsageError without a provider."""
        provider = self._provider()
        with self._lock:
            if self.progress.state == "running":
                raise Problem(409, "running", "a sync runs already")
            self._stopped.clear()
            self.progress = Progress("running")
        self._thread = threading.Thread(
            target=self._run, args=(provider, since, until), name="sync", daemon=True
        )
        self._tell(self.progress)
        self._thread.start()
        return self.progress

    def stop(self) -> Progress:
        """Let the sync stop after its current call; what is committed stays."""
        self._stopped.set()
        return self.progress

    def close(self) -> None:
        """Stop the sync, and wait for its end."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` on any thread when the progress changes; return what ends that."""
        with self._lock:
            self._listeners.add(listener)

        def end() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return end

    def _run(self, provider: Provider, since: dt.date | None, until: dt.date | None) -> None:
        try:
            receipt = sync(self._store, provider, since, until, self._report)
            self._refresh()
        except Cancelled:
            self._tell(Progress("stopped", *self._counts))
        except MarketsweepError as error:
            self._tell(Progress("failed", *self._counts, error=str(error)))
        except BaseException:
            self._tell(Progress("failed", *self._counts, error="the sync failed: see the log"))
            raise
        else:
            self._tell(Progress("done", *self._counts, receipt=receipt.to_dict()))

    def _report(self, done: int, total: int, bars: int) -> None:
        if self._stopped.is_set():
            raise Cancelled("the sync was stopped")
        self._tell(Progress("running", done, total, bars))

    @property
    def _counts(self) -> tuple[int, int, int]:
        return self.progress.done, self.progress.total, self.progress.bars

    def _tell(self, progress: Progress) -> None:
        with self._lock:
            self.progress = progress
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
