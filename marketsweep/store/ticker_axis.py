"""The axis of a store: which column belongs to which ticker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from marketsweep.kernels.places import Places, places_near

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Axis:
    """The tickers in the order of their arrival; the place of a ticker is its column forever."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        self._places = Places(symbols)
        self._last_session: tuple[list[str], NDArray[np.intp]] = [], np.empty(0, np.intp)
        """The tickers of the last session, and their places."""

    def __len__(self) -> int:
        return len(self.symbols)

    def find(self, tickers: list[str]) -> NDArray[np.intp]:
        """Return the place of each ticker, intp [tickers]; -1 for a ticker without a place."""
        return self._places.find(tickers)

    def follow(self, tickers: list[str]) -> NDArray[np.intp]:
        """Return the columns of a session's tickers, intp [tickers]; -1 for a new ticker.

        The tickers are mostly those of the last session. The search takes a fourth of the time if
        they are the same objects.
        """
        last_tickers, last_places = self._last_session
        if last_tickers:
            matches = places_near(tickers, last_tickers)
            places = np.where(matches < 0, -1, last_places[matches])
            unmatched = np.flatnonzero(places < 0)
            places[unmatched] = self.find([tickers[i] for i in unmatched.tolist()])
        else:
            places = self.find(tickers)
        # Copies: the callers own the lists.
        self._last_session = tickers.copy(), places.copy()
        return places

    def append(self, tickers: Iterable[str]) -> list[str]:
        """Give new tickers the next places in sorted order, and return them in that order."""
        new = sorted(tickers)
        self._places.extend(new)
        self.symbols += new
        return new

    def cut(self, length: int) -> None:
        """Remove the tickers that were appended since the axis had `length`."""
        self._places.cut(length)
        del self.symbols[length:]
        self._last_session = [], np.empty(0, np.intp)
