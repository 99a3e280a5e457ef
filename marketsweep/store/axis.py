"""The axis of a store: which column is whose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from marketsweep.kernels.places import Places, places_near

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Axis:
    """The tickers in the order in which they came; a ticker's place is its column for good."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        self._places = Places(symbols)
        self._followed: tuple[list[str], NDArray[np.intp]] = [], np.empty(0, np.intp)
        """The tickers of the last session, and their places."""

    def __len__(self) -> int:
        return len(self.symbols)

    def find(self, tickers: list[str]) -> NDArray[np.intp]:
        """The place of each ticker, -1 where it has none."""
        return self._places.find(tickers)

    def follow(self, tickers: list[str]) -> NDArray[np.intp]:
        """Return the columns of the tickers of a session; they are mostly those of the last one.

        A fourth of the cost where they are the very objects.
        """
        last, known = self._followed
        if last:
            near = places_near(tickers, last)
            places = np.where(near < 0, -1, known[near])
            other = np.flatnonzero(places < 0)
            places[other] = self.find([tickers[row] for row in other.tolist()])
        else:
            places = self.find(tickers)
        # Copies: the lists are the callers' own.
        self._followed = tickers.copy(), places.copy()
        return places

    def append(self, tickers: Iterable[str]) -> list[str]:
        """Give new tickers the next places, in sorted order; the order."""
        new = sorted(tickers)
        self._places.extend(new)
        self.symbols += new
        return new

    def cut(self, length: int) -> None:
        """Take back what was appended since the axis had that length."""
        self._places.cut(length)
        del self.symbols[length:]
        self._followed = [], np.empty(0, np.intp)
