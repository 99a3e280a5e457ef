"""What a pre-screen did: who passed, and what each part of it left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Clause:
    """What one part of a pre-screen did, in the order in which the parts were asked."""

    text: str
    alone: int
    """Symbols that it would leave out by itself."""
    removed: int
    """Symbols among them that the parts before it had left."""
    unknown: int
    """Symbols for which this part is unknown."""
    left: int
    """Symbols that have passed up to here."""


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """Who passed, bool [symbols], and what each part of the pre-screen left out."""

    passes: NDArray[np.bool_]
    unknown: int
    """For how many it could not be told, and nothing else left them out."""
    funnel: list[Clause]
    warnings: list[str]
    keeps_unknown: bool
    """Whether those pass of whom it cannot be told."""
