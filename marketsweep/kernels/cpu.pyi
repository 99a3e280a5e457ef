from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TILE: Final[int]
ISAS: Final[tuple[str, ...]]
KERNELS: Final[dict[str, int]]
ELEMENTWISE: Final[frozenset[str]]

class Program:
    def __init__(
        self,
        steps: list[tuple[object, ...]],
        results: list[tuple[int, int, int, int]],
        constants: list[float],
        scratch_rows: int,
        strips: int,
        result_rows: int,
        due: list[tuple[int, int]],
    ) -> None: ...

class Sweep:
    def __init__(
        self,
        program: Program,
        fields: Sequence[NDArray[np.float64]],
        depths: NDArray[np.int64],
        facts: NDArray[np.float64],
        results: list[NDArray[np.float64]],
        isa: str,
    ) -> None: ...
    def stop(self) -> None: ...
    def work(self, check: Callable[[], Any] | None = None) -> None: ...
    def search(
        self,
        session: NDArray[np.float64],
        spans: NDArray[np.int64],
        needed: NDArray[np.int64],
        sessions: int,
        check: Callable[[], Any] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]: ...
    def tally(
        self,
        session: NDArray[np.float64],
        spans: NDArray[np.int64],
        needed: NDArray[np.int64],
        first: int,
        sessions: int,
        outcome: NDArray[np.float64] | None = None,
        check: Callable[[], Any] | None = None,
    ) -> NDArray[np.int64]: ...

SESSION_FIELD: int
SAME_COLUMN: int
NO_COLUMN: int

class Changes:
    def __init__(
        self, places: NDArray[np.int64], factors: NDArray[np.float64], positions: int
    ) -> None: ...

class Sessions:
    def __init__(
        self,
        rows: NDArray[np.int64],
        widths: NDArray[np.int64],
        field_strides: NDArray[np.int64],
    ) -> None: ...
    def survey(
        self,
        columns: NDArray[np.int64],
        changes: Changes,
        first: int,
        last: int,
        depth: int,
        watched: int,
        oldest: int,
        asked: int,
        bars: NDArray[np.int64],
        age: NDArray[np.int64],
        still: NDArray[np.int64],
    ) -> int: ...
    def gather(
        self,
        field: int,
        is_volume: bool,
        columns: NDArray[np.int64],
        bars: NDArray[np.int64],
        changes: Changes,
        first_tile: int,
        last_tile: int,
        to: NDArray[np.float64],
    ) -> None: ...

def merge_periods(
    session: NDArray[np.float64],
    field: NDArray[np.float64],
    how: int,
    period: NDArray[np.int64],
    to: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None: ...
def spread_periods(
    session: NDArray[np.float64],
    period: NDArray[np.int64],
    complete: NDArray[np.uint8],
    running: bool,
    values: NDArray[np.float64],
    to: NDArray[np.float64],
) -> None: ...
def fingerprint(
    values: NDArray[np.float64], days: NDArray[np.int64], sums: NDArray[np.uint64]
) -> None: ...
