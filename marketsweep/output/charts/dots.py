"""Draw lines in a terminal, with the eight dots of a braille character."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.output.charts.paths import Scale

_BLANK: Final = 0x2800
_DOTS: Final = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot of a character, by its row and column."""


def dots_of(lines: Sequence[NDArray[np.float64]], height: int) -> list[str]:
    """Return lines as rows of text, two values a character, with the greatest and least value.

    `lines` are float64 [n] each; unknown values are left out.
    """
    count = len(lines[0])
    grid = np.zeros((4 * height, count + count % 2), dtype=bool)
    scale = Scale(lines, top=0, bottom=4 * height - 1)
    for line in lines:
        rows = scale(line)
        last: int | None = None
        for column, row in enumerate(rows.tolist()):
            if not np.isfinite(row):
                last = None
                continue
            at = round(row)
            # A steep line is drawn from about the middle between its ends.
            start = at if last is None else (last + at + (last < at)) // 2
            grid[min(start, at) : max(start, at) + 1, column] = True
            last = at
    cells = (grid.reshape(height, 4, -1, 2) * _DOTS[None, :, None, :]).sum(axis=(1, 3))
    texts = ["".join(chr(_BLANK + int(cell)) for cell in row) for row in cells]
    known = np.concatenate(lines)
    known = known[np.isfinite(known)]
    if not len(known):
        return texts
    texts[0] += f" {known.max():,.6g}"
    texts[-1] += f" {known.min():,.6g}"
    return texts
