"""The example market, in the forms that are measured: a sandbox, bodies, sessions, stores."""

from __future__ import annotations

import datetime as dt
import shutil
import urllib.request
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Final

from marketsweep.cli.demo import AS_OF, FIRST, example_market
from marketsweep.core.calendar import sessions_in_range
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store

SESSIONS: Final = sessions_in_range(FIRST, AS_OF)
_FOLDER: Final = example_market()
_FILES: Final = tuple(_FOLDER / f"{name}.parquet" for name in ("bars", "actions", "symbols"))
_GROUPED: Final = "/v2/aggs/grouped/locale/us/market/stocks"


class Example:
    """Stores of the example market in a folder, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def store(self) -> Path:
        """All of it."""
        return self._filled(shutil.copytree(self.store_behind, self.folder / "whole"), AS_OF)

    @cached_property
    def store_behind(self) -> Path:
        """All but the last session."""
        return self._filled(self.folder / "behind", SESSIONS[-2])

    def _filled(self, path: Path, until: dt.date) -> Path:
        with Store.create(path) as store:
            sync(store, FilesProvider(*_FILES), FIRST, until)
        return path


def settings(latency_ms: float) -> Settings:
    """How a sandbox serves it."""
    bars, actions, symbols = _FILES
    return Settings(bars=bars, actions=actions, symbols=symbols, latency_ms=latency_ms)


def grouped_bodies(days: Iterable[dt.date]) -> list[bytes]:
    """What the provider answers for each day, unpacked."""
    with running(settings(latency_ms=0)) as url:
        return [_body(f"{url}{_GROUPED}/{day}?adjusted=false&apiKey=sandbox") for day in days]


def _body(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        body: bytes = answer.read()
    return body
