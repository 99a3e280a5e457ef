"""The same scan on a Ray cluster of this machine's processors, beside threads."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

from benchmarks.example import Example
from benchmarks.measure import Row, Samples, alternate, clocked, within
from marketsweep.cli.demo import REFERENCE_SCAN
from marketsweep.market import open_market

_RUNS: Final = 7
_MORE_S: Final = 0.1
"""What a second scan may take on top of threads."""


def rows(example: Example) -> Iterator[Row]:
    """The first scan, and those after it; nothing where Ray is not installed."""
    if find_spec("ray") is None:
        return
    from marketsweep.engine.executors.ray.executor import close

    with open_market(example.store) as market:
        here = market.scan(REFERENCE_SCAN).symbols
        first = clocked(lambda: market.scan(REFERENCE_SCAN, executor="ray"))()
        yield Row(
            "ray: the first scan, a cluster of two processors being started", Samples((first,))
        )
        if market.scan(REFERENCE_SCAN, executor="ray").symbols != here:
            raise AssertionError("the matches differ")
        threads, cluster = alternate(
            _RUNS,
            clocked(lambda: market.scan(REFERENCE_SCAN)),
            clocked(lambda: market.scan(REFERENCE_SCAN, executor="ray")),
        )
        more = (its - own for own, its in zip(threads.values, cluster.values, strict=True))
        what = f"ray: a scan after it ({cluster}), over one on threads ({threads})"
        yield within(what, Samples.of(more), _MORE_S)
    close()
