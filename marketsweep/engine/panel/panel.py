"""Gather the adjusted bars of a universe as of a session, as matrices without holes.

1. `History.survey` walks back from the as-of session: how many bars each symbol has, and how old
   the newest is.
2. Symbols are sorted by number of bars, so that short histories share tiles.
3. Splits (and dividends) become factors of the bars before their ex-date.
4. `gather` copies each field, oldest bar first; every symbol's newest bar is in the last row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from marketsweep.core.fields import FIELDS
from marketsweep.engine.panel.adjustments import (
    CHUNK,
    Adjust,
    Adjustments,
    History,
    Lanes,
    Survey,
    in_chunks,
)
from marketsweep.engine.panel.facts import Reference, ReferenceByPlace
from marketsweep.engine.plan import SESSION
from marketsweep.kernels import cpu, memory
from marketsweep.kernels.cpu import TILE
from marketsweep.language.tree import Buckets, Node


class Panel(Struct, frozen=True, eq=False):
    """Bars of some symbols up to one session, for the kernels; not changed once it is built.

    `fields[name]` is float64 [tiles, rows, TILE] in C order: `symbols[i]` is lane i % TILE of tile
    i // TILE. Each row is a bar of the symbol's own, the last row its newest. The last `bars[i]`
    rows hold bars, earlier ones NaN. `age[i]` is how many sessions its newest bar lies before
    the as-of session.
    """

    as_of: dt.date
    symbols: list[str]
    rows: int
    fields: dict[str, NDArray[np.float64]]
    bars: NDArray[np.int64]
    age: NDArray[np.int64]
    reference: Reference | ReferenceByPlace
    dates: list[dt.date] = field(default_factory=list)
    """The sessions, by the numbers in the field "session"."""
    spans: NDArray[np.int64] | None = None
    """int64 [3, symbols]: first and last session for which a symbol is evaluated, and its bars."""
    still: NDArray[np.int64] | None = None
    """Bars that a symbol needs beyond those of a plan; None if all of its bars count."""
    derived_cache: dict[object, NDArray[np.float64]] = field(default_factory=dict)
    """Cache of the derived fields of this panel."""

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return _tile_count(len(self.symbols))

    def matrix(self, name: str) -> NDArray[np.float64]:
        """Return a copy of a field as float64 [rows, symbols]."""
        flat = self.fields[name].transpose(1, 0, 2).reshape(self.rows, -1)
        return flat[:, : len(self.symbols)]

    def groups(self, by: str | Buckets) -> NDArray[np.int64]:
        """Return the group number of each symbol, such as its sector; -1 if it is unknown."""
        if isinstance(by, Buckets):
            values = np.array(self.reference.values_of(self.symbols, by.fact), dtype=np.float64)
            numbers_of = np.searchsorted(np.array(by.edges), values, side="right")
            return np.where(np.isnan(values), -1, numbers_of)
        texts = self.reference.values_of(self.symbols, by)
        folded = [None if text is None else str(text).casefold() for text in texts]
        names = sorted({text for text in folded if text is not None})
        numbers = {name: number for number, name in enumerate(names)}
        groups = [-1 if text is None else numbers[text] for text in folded]
        return np.array(groups, dtype=np.int64)

    def texts(self, name: str, places: NDArray[np.intp]) -> NDArray[np.object_]:
        """Return a text fact of the symbols at some places; None where it is unknown."""
        texts = [self.reference.at(at).fact(self.symbols[at], name) for at in places.tolist()]
        return np.array(texts, dtype=np.object_)

    def facts(self, nodes: Sequence[Node]) -> NDArray[np.float64]:
        """Return reference data of the symbols, float64 [nodes, tiles * TILE]."""
        result = np.full((len(nodes), self.tiles * TILE), np.nan)
        result[:, : len(self.symbols)] = self.reference.columns(nodes, self.symbols)
        return result


def panel_of_bars(
    symbol: str, bars: Mapping[str, NDArray[np.float64]], days: list[dt.date]
) -> Panel:
    """Return the panel of one symbol whose bars are not stored: float64 [bars] by field."""
    count = len(days)
    columns = {**bars, SESSION: np.arange(count, dtype=np.float64)}
    fields = {name: np.full((1, count, TILE), np.nan) for name in columns}
    for name, values in columns.items():
        fields[name][0, :, 0] = values
    return Panel(
        days[-1],
        [symbol],
        count,
        fields,
        np.array([count]),
        np.zeros(1, np.int64),
        Reference([], list, days[-1]),
        days,
        np.array([[0], [count - 1], [count]]),
    )


def _tile_count(symbols: int) -> int:
    return max(1, -(-symbols // TILE))


def facts_panel(symbols: list[str], reference: Reference | ReferenceByPlace) -> Panel:
    """Return a panel without bars, for conditions on reference data alone."""
    zeros = np.zeros(len(symbols), dtype=np.int64)
    return Panel(reference.as_of, symbols, 1, {}, zeros, zeros, reference)


def build_panel(
    history: History,
    columns: NDArray[np.int64],
    survey: Survey,
    fields: Iterable[str],
    adjust: Adjust,
    reference: Reference,
) -> Panel:
    """Return the panel of some columns of the axis; `survey` has their numbers of bars."""
    symbols = [history.snapshot.symbols[column] for column in columns.tolist()]
    lanes = Adjustments(history, columns, adjust).lanes
    return gather_panel(history, lanes, symbols, survey, fields, reference)


def longest_first(bars: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the order of a panel's symbols: most bars first."""
    return np.argsort(-bars, kind="stable")


def gather_panel(
    history: History,
    lanes: Lanes,
    symbols: Sequence[str],
    survey: Survey,
    fields: Iterable[str],
    reference: Reference | ReferenceByPlace,
) -> Panel:
    """Return the panel of lanes; `symbols` are their tickers, `survey` their numbers of bars."""
    order = longest_first(survey.bars)
    columns, survey = lanes.columns[order], survey.taken(order)
    bars = survey.bars
    rows, tiles = max(1, int(bars.max(initial=1))), _tile_count(len(columns))
    changes = lanes.packed(order)
    matrices = {name: memory.aligned((tiles, rows, TILE)) for name in sorted(set(fields))}

    def make_fill(name: str) -> Callable[[int, int], None]:
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

    in_chunks([make_fill(name) for name in matrices], tiles, CHUNK // TILE)
    for matrix in matrices.values():
        matrix.flags.writeable = False
    ordered = [symbols[position] for position in order.tolist()]
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
