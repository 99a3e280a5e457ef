"""One sync at a time, on a thread of its own; any number of listeners follow it."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct

from marketsweep.errors import Cancelled, MarketsweepError
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.schedule import watch
from marketsweep.ingest.sync import sync
from marketsweep.serve.api.problem import Problem
from marketsweep.store.store import Store

_log: Final = logging.getLogger(__name__)

_AFTER_FAILURE_S: Final = 3_600.0
"""Seconds until the next sync of the watch after one that a retry soon would not mend."""

State = Literal["idle", "running", "stopping", "done", "failed", "stopped"]


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
        self.is_ending = False
        """Whether the server stops: then nobody listens any longer."""
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, since: dt.date | None, until: dt.date | None) -> Progress:
        """Start a sync. Raises Problem if one runs, and UsageError without a provider."""
        provider = self._begin()

        def work() -> None:
            try:
                self._run(provider, since, until)
            except MarketsweepError:
                return  # the progress has it
            except Exception:
                _log.exception("the sync failed")

        self._spawn(work, "sync")
        return self.progress

    def watch(self, say: Callable[[str], None]) -> None:
        """Sync now and after each close until `close`; `say` gets a line of text for each step.

        Raises UsageError without a provider.
        """
        self._provider()

        def work() -> None:
            while not self._closed.is_set():
                try:
                    watch(self._store, self._sync_in_turn, say, sleep=self._sleep)
                except MarketsweepError as error:
                    reason = str(error)
                except Exception:
                    _log.exception("the sync failed")
                    reason = "the sync failed"
                if not self._closed.is_set():
                    say(f"{reason}; next try in {_AFTER_FAILURE_S / 60:.0f} min")
                    self._closed.wait(_AFTER_FAILURE_S)

        self._spawn(work, "watch")

    def stop(self) -> Progress:
        """Stop the sync at once; what has arrived is committed."""
        with self._lock:
            is_running = self.progress.state == "running"
        if is_running:
            self._stop.set()
            self._tell(Progress("stopping", *self._counts))
        return self.progress

    def close(self) -> None:
        """Stop the sync and the watch, and wait for their end."""
        self._closed.set()
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def end_streams(self) -> None:
        """Tell all listeners that the server stops; the sync itself goes on."""
        self.is_ending = True
        self._notify()

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` on any thread when the progress changes; return what ends that."""
        with self._lock:
            self._listeners.add(listener)

        def end() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return end

    def _spawn(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads = [*(other for other in self._threads if other.is_alive()), thread]
        thread.start()

    def _begin(self) -> Provider:
        provider = self._provider()
        with self._lock:
            if self.progress.state in ("running", "stopping"):
                raise Problem(409, "running", "a sync runs already")
            if not self._closed.is_set():
                self._stop.clear()
            self.progress = Progress("running")
        self._tell(self.progress)
        return provider

    def _sync_in_turn(self) -> SyncReceipt:
        """Sync on this thread, after the sync that runs now."""
        while True:
            try:
                provider = self._begin()
            except Problem:
                self._sleep(1.0)
            else:
                return self._run(provider, None, None)

    def _run(self, provider: Provider, since: dt.date | None, until: dt.date | None) -> SyncReceipt:
        """Sync, and tell how it ends. Raises what a sync raises."""
        try:
            receipt = sync(self._store, provider, since, until, self._report, stop=self._stop)
            self._refresh()
        except Cancelled:
            self._tell(Progress("stopped", *self._counts))
            raise
        except MarketsweepError as error:
            self._tell(Progress("failed", *self._counts, error=str(error)))
            raise
        except BaseException:
            self._tell(Progress("failed", *self._counts, error="the sync failed: see the log"))
            raise
        self._tell(Progress("done", *self._counts, receipt=receipt.to_dict()))
        return receipt

    def _sleep(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise Cancelled("the server ends")

    def _report(self, done: int, total: int, bars: int) -> None:
        state: State = "stopping" if self._stop.is_set() else "running"
        self._tell(Progress(state, done, total, bars))

    @property
    def _counts(self) -> tuple[int, int, int]:
        return self.progress.done, self.progress.total, self.progress.bars

    def _tell(self, progress: Progress) -> None:
        with self._lock:
            self.progress = progress
        self._notify()

    def _notify(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
