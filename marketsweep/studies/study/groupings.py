"""Group the events of a study: by year, price, size, sector, and the state of the market."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

_UNKNOWN: Final = -1
_PRICES: Final = {
    0.0: "below $1",
    1.0: "$1 to $5",
    5.0: "$5 to $20",
    20.0: "$20 to $100",
    100.0: "$100 and more",
}
_SIZES: Final = {
    0.0: "micro, below $300M",
    300e6: "small, to $2B",
    2e9: "mid, to $10B",
    10e9: "large, to $200B",
    200e9: "mega, $200B and more",
}
"""The labels of groups by their lowest value in dollars."""


class Grouping(Struct, frozen=True, eq=False):
    """The group of each event: a place in `labels`, int64 [events]; -1 if it is unknown."""

    labels: list[str]
    codes: NDArray[np.int64]

    def chosen(self) -> dict[str, NDArray[np.bool_]]:
        """Return which events are in each group that has any, in the order of the labels."""
        named = {label: self.codes == code for code, label in enumerate(self.labels)}
        named["unknown"] = self.codes == _UNKNOWN
        return {label: chosen for label, chosen in named.items() if chosen.any()}


def by_year(years: NDArray[np.int64]) -> Grouping:
    """Return the grouping of events by year."""
    names = sorted(set(years.tolist()))
    return Grouping([f"{year}" for year in names], np.searchsorted(names, years))


def by_price(closes: NDArray[np.float64]) -> Grouping:
    """Return the grouping of events by the close of the signal, in dollars."""
    return _by_size(closes, _PRICES)


def by_market_cap(market_caps: NDArray[np.float64]) -> Grouping:
    """Return the grouping of events by market cap in dollars; NaN where it is unknown."""
    return _by_size(market_caps, _SIZES)


def by_text(texts: Sequence[str | None]) -> Grouping:
    """Return the grouping of events by a text; None where it is unknown."""
    labels = sorted({text for text in texts if text is not None})
    places = {label: code for code, label in enumerate(labels)}
    codes = [_UNKNOWN if text is None else places[text] for text in texts]
    return Grouping(labels, np.array(codes, dtype=np.int64))


def by_truth(truths: NDArray[np.float64], condition: str) -> Grouping:
    """Return the grouping of events by whether a condition held: 1, 0, or NaN if unknown."""
    codes = np.where(np.isnan(truths), _UNKNOWN, (truths == 0).astype(np.int64))
    return Grouping([condition, f"not {condition}"], codes)


def _by_size(values: NDArray[np.float64], labels: dict[float, str]) -> Grouping:
    codes = np.searchsorted(np.array(list(labels)), values, side="right") - 1
    return Grouping(list(labels.values()), np.where(np.isnan(values), _UNKNOWN, codes))
