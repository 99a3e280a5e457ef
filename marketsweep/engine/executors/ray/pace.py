"""How long a plan takes: what was measured of it, or else of others."""

from __future__ import annotations

from typing import Any, Final

from marketsweep.engine.plan import Plan
from marketsweep.kernels.cpu import TILE

_PLANS_KEPT: Final = 64
_ELEMENT_S: Final = 0.5e-9
"""A first guess at what a step takes for a bar, until any plan has been measured."""


class Pace:
    """What tiles have taken, in seconds of one thread."""

    def __init__(self) -> None:
        self._element = _ELEMENT_S
        self._tile: dict[Plan, float] = {}

    def of(self, plan: Plan) -> float:
        """Seconds for a tile."""
        return self._tile.get(plan, _elements(plan) * self._element)

    def measured(self, plan: Plan, seconds: float) -> None:
        """Learn from what a tile has taken."""
        if plan not in self._tile:
            make_room(self._tile)
        self._tile[plan] = seconds
        self._element = seconds / _elements(plan)


def make_room(kept: dict[Plan, Any]) -> None:
    """Let go of the oldest where there are many."""
    while len(kept) >= _PLANS_KEPT:
        del kept[next(iter(kept))]


def _elements(plan: Plan) -> int:
    """Bars that the steps of a plan make or are fed, of a tile."""
    steps = zip(plan.operations, plan.rows, strict=True)
    return TILE * max(1, sum(rows + step.reach for step, rows in steps))
