"""The clock of a replayed session, and what the market has seen of it."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any, Final

import msgspec
import numpy as np

from marketsweep.core.calendar import NEW_YORK
from marketsweep.core.fields import CLOSE, OPEN, VOLUME
from marketsweep.ingest.sandbox.live.minutes import MINUTE_MS, Minutes

_ROWS_A_MESSAGE: Final = 500


class Replay:
    """A session that passes `speed` times as fast as it did, from its first visitor on."""

    def __init__(self, minutes: Minutes, begins: dt.datetime, speed: float) -> None:
        self.minutes = minutes
        self._begins = begins
        self._speed = speed
        self._started: float | None = None
        self._opens = minutes.day_so_far(len(minutes.starts))[OPEN]
        self._volumes = np.fmax.accumulate(np.nan_to_num(minutes.bars[VOLUME]))
        """The volume of the day up to each minute."""

    def start(self) -> None:
        """Let the clock run, if it does not yet."""
        if self._started is None:
            self._started = time.monotonic()

    @property
    def now(self) -> dt.datetime:
        """The time of the replayed session, in New York."""
        if self._started is None:
            return self._begins
        passed = (time.monotonic() - self._started) * self._speed
        return (self._begins.astimezone(dt.UTC) + dt.timedelta(seconds=passed)).astimezone(NEW_YORK)

    def seconds_until(self, minute: int) -> float:
        """Return the seconds to wait until a minute of the session is over."""
        ends = int(self.minutes.starts[minute]) + MINUTE_MS
        return (ends / 1000 - self.now.timestamp()) / self._speed

    @property
    def passed(self) -> int:
        """The number of minutes that are over."""
        now_ms = int(self.now.timestamp() * 1000)
        return int(np.searchsorted(self.minutes.starts, now_ms - MINUTE_MS, side="right"))

    def snapshot(self) -> dict[str, dict[str, float]]:
        """Return the bar of today so far of each traded symbol, in the protocol's names."""
        self.start()
        folded = self.minutes.day_so_far(self.passed)
        traded = np.flatnonzero(~np.isnan(folded[CLOSE]))
        rows = folded[:, traded].T.tolist()
        symbols = [self.minutes.symbols[place] for place in traded.tolist()]
        return {
            symbol: dict(zip("ohlcv", row, strict=True))
            for symbol, row in zip(symbols, rows, strict=True)
        }

    def messages(self, minute: int) -> list[list[dict[str, Any]]]:
        """Return the messages of a minute that is over: lists of `AM` events."""
        bars = self.minutes.bars[:, minute]
        before = self._volumes[minute - 1] if minute else np.zeros(len(self._opens))
        start = int(self.minutes.starts[minute])
        events = []
        for place in np.flatnonzero(~np.isnan(bars[CLOSE])).tolist():
            open_, high, low, close, total = bars[:, place].tolist()
            average = (high + low + close) / 3
            head = {"ev": "AM", "sym": self.minutes.symbols[place]}
            volumes = {"v": total - before[place].item(), "av": total, "vw": average, "a": average}
            prices = {"op": self._opens[place].item(), "o": open_, "h": high, "l": low, "c": close}
            times = {"z": 100, "s": start, "e": start + MINUTE_MS}
            events.append({**head, **volumes, **prices, **times})
        return [events[i : i + _ROWS_A_MESSAGE] for i in range(0, len(events), _ROWS_A_MESSAGE)]


def encoded(events: list[dict[str, Any]]) -> str:
    """Return the text of a message."""
    return msgspec.json.encode(events).decode()
