import numpy as np
from numpy.typing import NDArray

def columns_of_json(
    body: bytes, start: int, text: str, numbers: tuple[str, ...], known: list[str]
) -> tuple[list[str], NDArray[np.float64], int] | None: ...
