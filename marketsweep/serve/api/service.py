"""What the server knows of its data folder: the market, its state, and the newest hits."""

from __future__ import annotations

import datetime as dt
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import sha256
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Any, Final

import msgspec
from msgspec import structs

from marketsweep.errors import UsageError
from marketsweep.ingest.providers.base import Provider
from marketsweep.language.presets import SavedConditions
from marketsweep.market import Market
from marketsweep.scan.results import Hits
from marketsweep.serve.api.parameters import Parameters, ScanParameters
from marketsweep.serve.api.sync_job import SyncJob
from marketsweep.universe.named import UNIVERSES
from marketsweep.version import __version__

_log: Final = logging.getLogger(__name__)

_REFRESH_S: Final = 0.02
"""Seconds between two looks for a new state of the data."""

_BUSY: Final = 12
"""So many requests within the seconds below are many: none of them waits for a new state."""

_BUSY_S: Final = 2.0

_PATIENCE_S: Final = 1.0
"""The longest such wait."""

_LOOK_S: Final = 0.005
"""Seconds between two looks of a request that waits."""

_RETRY_S: Final = 5.0
"""Seconds until the next look after a failure."""

_MOST_HITS: Final = 32
"""Scans whose hits are kept, so that the pages of one answer cost one scan."""

_MOST_MADE: Final = 32

_MOST_CELLS: Final = 1_000_000
"""Cells of their tables that are kept: the hits of the newest scan are kept in any case."""


class Service:
    """A market that requests share, with the hits of the newest scans. Threads may share it."""

    def __init__(self, market: Market, provider: Callable[[], Provider] | None = None) -> None:
        self.market = market
        self.folder = market.store.path
        self.sync = SyncJob(market.store, provider or _no_provider, self._load)
        self._times: deque[float] = deque(maxlen=_BUSY)
        """When the newest requests came."""
        self._lock = Lock()
        self._ended = Event()
        self._refresher = Thread(target=self._refresh, name="refresh", daemon=True)
        self._refresher.start()
        self._hits: OrderedDict[tuple[str, bytes], Hits] = OrderedDict()
        self._made: OrderedDict[tuple[str, str], tuple[str, dict[str, Any]]] = OrderedDict()

    def close(self) -> None:
        """Stop a running sync, and wait for its end."""
        self.sync.close()
        self._ended.set()
        self._refresher.join()

    def catch_up(self) -> None:
        """Wait for a new state of the data, unless many requests come.

        So a request after a sync sees what was stored.
        """
        now = monotonic()
        self._times.append(now)
        while not self._is_busy() and self._is_outdated() and monotonic() < now + _PATIENCE_S:
            sleep(_LOOK_S)

    def _is_outdated(self) -> bool:
        with self.market.view() as view:
            return view.snapshot.state != self.market.store.state()

    def _load(self) -> None:
        self.market.refresh(lambda: not self._is_busy())

    def _is_busy(self) -> bool:
        return len(self._times) == _BUSY and monotonic() - self._times[0] < _BUSY_S

    def _refresh(self) -> None:
        """Load each new state of the data, so that no request waits for it."""
        failed = ""
        while not self._ended.wait(_RETRY_S if failed else _REFRESH_S):
            try:
                self._load()
                failed = ""
            except Exception as error:  # a thread that ends would serve old data for ever
                if failed == str(error):
                    continue
                failed = str(error)
                _log.exception("a new state of the data cannot be loaded; the older one is served")

    def state(self) -> str:
        """Return a text that changes with everything that an answer depends on.

        These are the data, the saved conditions, the named universes, the program, and the day:
        an answer says how old the data is.
        """
        with self.market.view() as view:
            version = view.version
        try:
            universes = (self.folder / UNIVERSES).stat()
            stamp = universes.st_mtime_ns, universes.st_size
        except OSError:
            stamp = 0, 0
        saved = SavedConditions.of(self.folder).stamp
        today = dt.datetime.now(dt.UTC).date()
        return f"{version} {stamp} {saved} {today} {__version__}"

    def tag(self, path: str, parameters: Parameters) -> str:
        """Return the entity tag of an answer."""
        asked = msgspec.json.encode(parameters)
        return f'"{sha256(f"{self.state()} {path} ".encode() + asked).hexdigest()[:32]}"'

    def remember(self, kind: str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what was made for this state of the data, or make it."""
        name, wanted = (kind, key), self.state()
        with self._lock:
            state, made = self._made.get(name, ("", {}))
            if state == wanted:
                return made
        made = make()
        with self._lock:
            self._made[name] = wanted, made
            self._made.move_to_end(name)
            while len(self._made) > _MOST_MADE:
                self._made.popitem(last=False)
        return made

    def hits(self, parameters: ScanParameters) -> Hits:
        """Return all hits of a scan, not only the page. Raises what a scan raises."""
        whole = structs.replace(parameters, limit=0, offset=0, format="json")
        key = self.state(), msgspec.json.encode(whole)
        with self._lock:
            if (known := self._hits.get(key)) is not None:
                self._hits.move_to_end(key)
                return known
        hits = self.market.scan(
            parameters.condition,
            where=parameters.where,
            universe=parameters.universe,
            unknown=parameters.unknown,
            facts=parameters.facts,
            skip_low_volume=parameters.skip_low_volume,
            as_of=parameters.as_of,
            sort=parameters.sort,
            descending=parameters.descending,
            top=parameters.top,
            by=parameters.by.lower(),
            columns=parameters.columns,
            adjust=parameters.adjust,
            exclude_suspect=parameters.exclude_suspect,
            min_history=parameters.min_history,
            funnel=parameters.funnel,
            near=parameters.near,
            strict=parameters.strict,
        )
        with self._lock:
            self._hits[key] = hits
            while len(self._hits) > 1 and (
                len(self._hits) > _MOST_HITS or sum(map(_cells, self._hits.values())) > _MOST_CELLS
            ):
                self._hits.popitem(last=False)
        return hits


def _cells(hits: Hits) -> int:
    return len(hits) * (3 + len(hits.values))


def _no_provider() -> Provider:
    raise UsageError("this server has no source of prices: run marketsweep sync beside it")
