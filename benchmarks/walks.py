"""A synthetic market of the size of the real one: random walks, without a gap or a fault."""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.kernels.cpu import TILE

SYMBOLS: Final = 6_000
BARS: Final = 513
"""As many as two years have, and as the reference scan asks for."""

_AS_OF: Final = dt.date(2016, 12, 30)


def walks(symbols: int = SYMBOLS, bars: int = BARS) -> Panel:
    """The panel of it, always the same."""
    r = np.random.default_rng(2016)
    tiles = -(-symbols // TILE)
    shape = (tiles, bars, TILE)
    start = r.uniform(2.0, 200.0, (tiles, 1, TILE))
    drift = r.normal(0.0005, 0.001, (tiles, 1, TILE))
    close = start * np.exp(np.cumsum(drift + r.normal(0.0, 0.02, shape), axis=1))
    opened = close * np.exp(r.normal(0.0, 0.01, shape))
    high = np.maximum(opened, close) * np.exp(np.abs(r.normal(0.0, 0.005, shape)))
    low = np.minimum(opened, close) * np.exp(-np.abs(r.normal(0.0, 0.005, shape)))
    volume = np.floor(r.lognormal(13.0, 1.0, shape))
    fields = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    return Panel(
        as_of=_AS_OF,
        symbols=[f"W{number:05}" for number in range(symbols)],
        rows=bars,
        fields={name: _without_spare_lanes(values, symbols) for name, values in fields.items()},
        bars=np.full(symbols, bars),
        age=np.zeros(symbols, dtype=np.int64),
        reference=Reference([], list, _AS_OF),
    )


def _without_spare_lanes(values: NDArray[np.float64], symbols: int) -> NDArray[np.float64]:
    """The last tile's lanes beyond the last symbol hold no bars, as in a panel from a store."""
    values[-1, :, symbols % TILE or TILE :] = np.nan
    return values
