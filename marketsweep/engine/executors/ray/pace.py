"""Estimate how long a plan takes, from measurements of it or of other plans."""

from __future__ import annotations

from typing import Any, Final

from marketsweep.engine.plan import Plan
from marketsweep.kernels.cpu import TILE

_MAX_PLANS: Final = 64
_ELEMENT_S: Final = 0.5e-9
"""Seconds that a step takes for a bar: a first guess, until a plan has been measured."""


class Pace:
    """Measured times of tiles, in seconds of one thread."""

    def __init__(self) -> None:
        self._element = _ELEMENT_S
        self._tile: dict[Plan, float] = {}

    def of(self, plan: Plan) -> float:
        """Return the estimated seconds for a tile."""
        return self._tile.get(plan, _elements(plan) * self._element)

    def record(self, plan: Plan, seconds: float) -> None:
        """Record the seconds that a tile took."""
        if plan not in self._tile:
            make_room(self._tile)
        self._tile[plan] = seconds
        self._element = seconds / _elements(plan)


def make_room(plans: dict[Plan, Any]) -> None:
    """Drop the oldest plans if there are too many."""
    while len(plans) >= _MAX_PLANS:
        del plans[next(iter(plans))]


def _elements(plan: Plan) -> int:
    """Return how many bars the steps of a plan compute or read for a tile."""
    operations = zip(plan.operations, plan.rows, strict=True)
    return TILE * max(1, sum(rows + operation.reach for operation, rows in operations))
