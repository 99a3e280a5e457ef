"""Settings of a sandbox: its files and its behaviour."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from marketsweep.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a sandbox serves, and how it behaves.

    Files may have any form that `files` reads; without `symbols`, the tickers of the bars are
    listed. `now` is the last day that the sandbox knows (None: the last day of the bars), `clock`
    its time on that day in New York (None: the close).
    """

    bars: Path
    actions: Path | None = None
    symbols: Path | None = None
    facts: Path | None = None
    """Facts by row: symbol, known_on, name, value."""
    port: int = 0
    """0 selects any free port."""
    latency_ms: float = 0
    """Delay of each call before it is processed."""
    calls_per_minute: int | None = None
    api_key: str = "sandbox"
    now: dt.date | None = None
    clock: dt.time | None = None
    replay: dt.date | None = None
    """Session that is replayed minute by minute; later days are hidden, and `now` is not used."""
    speed: float = 1.0
    """How many times as fast the replayed session passes."""
    stream_faults: tuple[str, ...] = ()
    """Names of `live.stream.FAULTS`."""
    faults: tuple[str, ...] = ()
    """Names of `faults.FAULTS`."""
    fault_share: float = 0.05
    """Share of calls that get a fault."""
    seed: int = 0

    def to_json(self) -> str:
        """Return the settings as the only argument of `python -m marketsweep.ingest.sandbox`."""
        return msgspec.json.encode(self, enc_hook=str).decode()

    @staticmethod
    def from_json(text: str) -> Settings:
        """Return the settings written by `to_json`. Raises `UsageError`."""
        try:
            return msgspec.json.decode(text, type=Settings, dec_hook=_path)
        except msgspec.DecodeError as error:
            raise UsageError(f"not the settings of a sandbox: {error}") from error


def _path(kind: type[Path], value: Any) -> Path:  # noqa: ANN401
    return kind(value)
