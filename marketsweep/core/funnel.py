"""The records of a pre-screen: which symbols passed, and what each clause excluded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Clause:
    """What one clause of a pre-screen excluded; clauses are in the order of evaluation."""

    text: str
    alone: int
    """Symbols that the clause alone would exclude."""
    removed: int
    """Symbols that the clause excluded and the clauses before it did not."""
    unknown: int
    """Symbols for which the clause is unknown."""
    left: int
    """Symbols that passed this clause and those before it."""


class Screened(Struct, frozen=True, eq=False):
    """Which symbols passed a pre-screen, bool [symbols], and what each clause excluded."""

    passes: NDArray[np.bool_]
    unknown: int
    """How many symbols lack a fact of the pre-screen and fail no other clause of it."""
    funnel: list[Clause]
    warnings: list[str]
    keeps_unknown: bool
    """Whether symbols with unknown facts pass."""
