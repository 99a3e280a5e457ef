"""The bars of a running session so far, from snapshots and from minutes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import close_time, open_time
from marketsweep.core.fields import CLOSE, FIELDS, HIGH, LOW, OPEN, VOLUME
from marketsweep.core.records import MinuteBar, Quote, SessionBars

_ROOM: Final = 16_384


class Today:
    """The bar of each symbol that was traded in a session, so far.

    Prices are those of regular trading. The volume also has what was traded before the open.

    A minute may come twice, late or out of order: the result is the same. A minute that corrects
    an earlier one to a lower high or a higher low is seen at the next snapshot.
    """

    def __init__(self, session: dt.date) -> None:
        self.session = session
        self._opens_ms = int(open_time(session).timestamp() * 1000)
        self._closes_ms = int(close_time(session).timestamp() * 1000)
        self._places: dict[str, int] = {}
        self._values = np.full((len(FIELDS), _ROOM), np.nan)
        self._closed_ms = np.zeros(_ROOM, np.int64)
        """End of the minute that has the close of each symbol."""
        self._opened_ms = np.zeros(_ROOM, np.int64)
        """Start of the minute that has the open of each symbol, if it came with a minute."""
        self.newest_ms = 0
        """When the newest of all bars changed."""

    def __len__(self) -> int:
        return len(self._places)

    def take_snapshot(self, quotes: Iterable[Quote]) -> None:
        """Replace the bars of the symbols of a snapshot; those without a trade today are skipped.

        A symbol whose minutes are newer than the snapshot keeps them.
        """
        for quote in quotes:
            if quote.today is None:
                continue
            place = self._place_of(quote.symbol)
            if quote.today[VOLUME] < self._values[VOLUME, place]:
                continue  # the snapshot is older than the minutes
            self._values[:, place] = quote.today
            self._opened_ms[place] = self._opens_ms
            self._closed_ms[place] = max(self._closed_ms[place], quote.updated_ms)
            self.newest_ms = max(self.newest_ms, quote.updated_ms)

    def take_minutes(self, bars: Iterable[MinuteBar]) -> None:
        """Fold minutes into the bars of the day."""
        for bar in bars:
            if not self._opens_ms <= bar.start_ms < self._closes_ms:
                continue  # the volume of the day up to the next minute has theirs
            place = self._place_of(bar.symbol)
            values = self._values[:, place]
            is_first = np.isnan(values[CLOSE])
            if is_first or bar.start_ms < self._opened_ms[place]:
                values[OPEN], self._opened_ms[place] = bar.open, bar.start_ms
            if bar.day_open:
                values[OPEN], self._opened_ms[place] = bar.day_open, self._opens_ms
            values[HIGH] = np.fmax(values[HIGH], bar.high)
            values[LOW] = np.fmin(values[LOW], bar.low)
            if bar.end_ms >= self._closed_ms[place]:
                values[CLOSE], self._closed_ms[place] = bar.close, bar.end_ms
            values[VOLUME] = np.fmax(values[VOLUME], bar.day_volume)
            self.newest_ms = max(self.newest_ms, bar.end_ms)

    def bars(self) -> SessionBars:
        """Return a copy of the bars."""
        count = len(self._places)
        return SessionBars(self.session, [*self._places], self._values[:, :count].copy())

    def ages_s(self, now: dt.datetime) -> NDArray[np.float64]:
        """Return the seconds since the bar of each symbol changed, float64 [symbols]."""
        return now.timestamp() - self._closed_ms[: len(self._places)] / 1000

    def _place_of(self, symbol: str) -> int:
        place = self._places.setdefault(symbol, len(self._places))
        if place == self._values.shape[1]:
            self._values = np.hstack([self._values, np.full_like(self._values, np.nan)])
            self._closed_ms = np.concatenate([self._closed_ms, np.zeros_like(self._closed_ms)])
            self._opened_ms = np.concatenate([self._opened_ms, np.zeros_like(self._opened_ms)])
        return place
