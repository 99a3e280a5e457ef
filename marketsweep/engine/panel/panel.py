"""Store to time-major matrices: bars of a universe as of a session, adjusted, holes closed up.

1. `survey` walks each symbol back from the as-of session: how many bars, and how old the newest.
2. Symbols are ordered by how many bars they have, so that short histories share tiles.
3. Splits (and dividends) become factors of the bars before their ex-date.
4. `gather` copies each field, oldest bar first, every symbol's last bar in the last row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from marketsweep.core.fields import FIELDS
from marketsweep.engine.panel.adjustments import (
    CHUNK,
    Adjust,
    History,
    Lanes,
    Past,
    Survey,
    in_chunks,
)
from marketsweep.engine.panel.facts import Reference, ReferenceByPlace
from marketsweep.engine.plan import SESSION
from marketsweep.kernels import cpu
from marketsweep.kernels.cpu import TILE
from marketsweep.language.tree import Node


class Panel(Struct, frozen=True, eq=False):
    """Bars of some symbols up to one session, for kernels; read-only once built.

    `fields[name]` is float64 [tiles, rows, TILE], C order: `symbols[i]` is lane i % TILE of tile
    i // TILE, a row is a bar of each symbol's own, and the last row its newest. `bars[i]` rows
    from the bottom hold bars, the rest is NaN; `age[i]` is how many sessions before the as-of
    session the newest of them lies.
    """

    as_of: dt.date
    symbols: list[str]
    rows: int
    fields: dict[str, NDArray[np.float64]]
    bars: NDArray[np.int64]
    age: NDArray[np.int64]
    reference: Reference | ReferenceByPlace
    dates: list[dt.date] = field(default_factory=list)
    """The sessions that the numbers of the field "session" stand for."""
    spans: NDArray[np.int64] | None = None
    """Where a symbol stands for some sessions: their first and last, and its bars; [3, symbols]."""
    still: NDArray[np.int64] | None = None
    """Bars that a symbol needs beyond those of a plan; None where all of its bars are to count."""
    kept: dict[object, NDArray[np.float64]] = field(default_factory=dict)
    """What passes over this panel have worked out."""

    @property
    def tiles(self) -> int:
        """How many tiles the symbols fill."""
        return _tiles(len(self.symbols))

    def matrix(self, name: str) -> NDArray[np.float64]:
        """A field as float64 [rows, symbols], copied out of the tiles."""
        flat = self.fields[name].transpose(1, 0, 2).reshape(self.rows, -1)
        return flat[:, : len(self.symbols)]

    def groups(self, fact: str) -> NDArray[np.int64]:
        """The number of each symbol's group, of a sector or the like; -1 where it is not known."""
        texts = self.reference.told(self.symbols, fact)
        folded = [None if text is None else str(text).casefold() for text in texts]
        names = sorted({text for text in folded if text is not None})
        numbers = {name: number for number, name in enumerate(names)}
        found = [-1 if text is None else numbers[text] for text in folded]
        return np.array(found, dtype=np.int64)

    def facts(self, nodes: Sequence[Node]) -> NDArray[np.float64]:
        """Reference data of the symbols, float64 [nodes, tiles * TILE]."""
        found = np.full((len(nodes), self.tiles * TILE), np.nan)
        found[:, : len(self.symbols)] = self.reference.columns(nodes, self.symbols)
        return found


def _tiles(symbols: int) -> int:
    return max(1, -(-symbols // TILE))


def facts_panel(symbols: list[str], reference: Reference | ReferenceByPlace) -> Panel:
    """A panel without bars, for conditions on reference data alone."""
    none = np.zeros(len(symbols), dtype=np.int64)
    return Panel(reference.as_of, symbols, 1, {}, none, none, reference)


def build_panel(
    history: History,
    columns: NDArray[np.int64],
    survey: Survey,
    fields: Iterable[str],
    adjust: Adjust,
    reference: Reference,
) -> Panel:
    """The panel of some columns of the axis, and what was found of them."""
    symbols = [history.snapshot.symbols[column] for column in columns.tolist()]
    lanes = Past(history, columns, adjust).lanes
    return gathered(history, lanes, symbols, survey, fields, reference)


def longest_first(bars: NDArray[np.int64]) -> NDArray[np.intp]:
    """The order of the symbols of a panel."""
    return np.argsort(-bars, kind="stable")


def gathered(
    history: History,
    lanes: Lanes,
    symbols: Sequence[str],
    survey: Survey,
    fields: Iterable[str],
    reference: Reference | ReferenceByPlace,
) -> Panel:
    """The panel of lanes, with what their tickers are and what was found of them."""
    order = longest_first(survey.bars)
    columns, survey = lanes.columns[order], survey.taken(order)
    bars = survey.bars
    rows, tiles = max(1, int(bars.max(initial=1))), _tiles(len(columns))
    changes = lanes.packed(order)
    matrices = {name: np.empty((tiles, rows, TILE)) for name in sorted(set(fields))}

    def filler(name: str) -> Callable[[int, int], None]:
        def fill(first: int, last: int) -> None:
            history.sessions.gather(
                cpu.SESSION_FIELD if name == SESSION else FIELDS.index(name),
                name == "volume",
                columns,
                bars,
                changes,
                first,
                last,
                matrices[name],
            )

        return fill

    in_chunks([filler(name) for name in matrices], tiles, CHUNK // TILE)
    for matrix in matrices.values():
        matrix.flags.writeable = False
    ordered = [symbols[place] for place in order.tolist()]
    return Panel(
        history.dates[-1],
        ordered,
        rows,
        matrices,
        bars,
        survey.age,
        reference,
        history.dates,
        still=survey.still,
    )
