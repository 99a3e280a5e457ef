"""Number columns of files: missing markers, decimal commas, thousands, 82.04M, dollar signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

import polars as pl

from marketsweep.core.safe_text import foreign
from marketsweep.errors import UsageError

MISSING: Final = ("", "null", "none", "na", "n/a", "nan", "-", "--", ".", "#n/a", "nil")
"""Texts that stand for a number that is not there, in lower case."""

DOLLARS: Final = (*MISSING, "usd", "$", "us$")
"""Currencies in which prices and cash count, in lower case; where none is told it is the dollar."""

Decimal = Literal[".", ","]

_SHOWN: Final = 100
"""Characters of a cell that are shown."""

COUNTS: Final = ("volume", "market_cap", "shares")
"""Columns of large numbers: a comma or a dot before three digits parts their thousands."""

_UNMISTAKABLE: Final = (
    r"^[-+]?(\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}"
    r"|\d+,\d{1,2}|\d+,\d{4,}|0,\d+|\d{4,},\d+)$"
)
"""Numbers in which the comma can only be the decimal point, and the dot parts thousands."""

_DECIMAL_COMMA: Final = r"^[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?[KMBT]?$"

_DECIMAL_POINT: Final = r"^[-+$]*(\d{1,3}(,\d{3})+\.\d*|\d{1,3}(,\d{3}){2,}|\d+\.(\d{1,2}|\d{4,}))$"
"""Numbers in which the dot can only be the decimal point, or the comma only part thousands."""

_GROUPED: Final = r"^[-+$]*\d{1,3}(,\d{3})+(\.\d*)?$"
_TIMES: Final = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class Notation(NamedTuple):
    """How the numbers of a file are written."""

    decimal: Decimal = "."
    groups: bool = False
    """Whether a comma parts thousands in prices as well."""


class CellFault(UsageError):
    """Cells of a column that cannot be what they should."""

    def __init__(self, places: Sequence[int], fault: str) -> None:
        """`places` are the rows, from 0, and `fault` is what is wrong in the first of them."""
        more = f"; so are {len(places) - 1:,} more rows" if len(places) > 1 else ""
        super().__init__(f"row {places[0] + 1}: {fault}{more}")
        self.places = places
        self.fault = fault


@contextmanager
def rows_of(row: Callable[[int], int]) -> Iterator[None]:
    """Name the rows of faults as the file has them: `row` turns the row of a table into that."""
    try:
        yield
    except CellFault as error:
        raise CellFault(list(map(row, error.places)), error.fault) from None


def of_categories(column: pl.Series, texts: pl.Series, values: pl.Series) -> pl.Series:
    """Return for each cell of a column the value of its text, null for an empty cell.

    `texts` are the categories of `column`, each once, and `values` their values in that order.
    """
    codes = pl.DataFrame({"code": texts.to_physical(), "value": values})
    cells = column.to_physical().alias("code").to_frame()
    found = cells.join(codes, on="code", how="left", maintain_order="left")
    return found["value"].alias(column.name)


def numbers(table: pl.DataFrame, names: list[str], notation: Notation) -> pl.DataFrame:
    """Return the table with columns as Float64, null where there is nothing.

    Raises UsageError, naming row and column, for a cell that is not a number.
    """
    for name in names:
        table = table.with_columns(_number(table, name, notation).alias(name))
    return table


def notation_of(table: pl.DataFrame, names: list[str]) -> Notation:
    """Return how numbers in text columns are written: a decimal comma must be unmistakable."""
    texts = [table[name].drop_nulls() for name in names if table.schema[name] == pl.String]
    if any(column.str.contains(_UNMISTAKABLE).any() for column in texts):
        plain = (column.filter(~column.str.to_lowercase().is_in(MISSING)) for column in texts)
        if all(column.str.contains(_DECIMAL_COMMA).all() for column in plain):
            return Notation(",")
    return Notation(groups=any(column.str.contains(_DECIMAL_POINT).any() for column in texts))


def _number(table: pl.DataFrame, name: str, notation: Notation) -> pl.Series:
    column, kind = table[name], table.schema[name]
    if kind == pl.Null:
        return column.cast(pl.Float64)
    if isinstance(kind, pl.Categorical | pl.Enum):
        column, kind = column.cast(pl.String), pl.String()
    if kind == pl.String:
        return _from_text(table, column, notation)
    if not kind.is_numeric():
        raise UsageError(f"column {name} holds {kind_name(kind)} and not numbers")
    return column.cast(pl.Float64)


def _from_text(table: pl.DataFrame, column: pl.Series, notation: Notation) -> pl.Series:
    there = column.is_not_null() & ~column.str.to_lowercase().is_in(MISSING)
    if notation.decimal == ",":
        plain = column.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    else:
        plain = column.str.strip_prefix("$")
    found = plain.cast(pl.Float64, strict=False)
    faulty = there & found.is_null()
    if faulty.any():
        rest = _in_words(plain.filter(faulty), notation, large=column.name in COUNTS)
        found = found.scatter(faulty.arg_true(), rest)
        faulty = there & found.is_null()
    grouped = faulty.any() and column.filter(faulty).head(1).str.contains(_GROUPED).any()
    either = " (its comma may part thousands or decimals: write it without)" if grouped else ""
    refuse(column, faulty, column.name, f"is not a number{either}", table)
    return found.set(~there, None)


def _in_words(texts: pl.Series, notation: Notation, *, large: bool) -> pl.Series:
    """Return numbers with parted thousands, or such as 82.04M; null for other texts."""
    times: pl.Series | float = 1.0
    if large:
        times = texts.str.slice(-1).str.to_uppercase().replace_strict(_TIMES, default=1.0)
        texts = texts.str.replace(r"(?i)[KMBT]$", "").str.strip_chars(" ")
    if large or notation.groups:
        plain = texts.str.replace_all("[,$]", "")
        texts = texts.zip_with(~texts.str.contains(_GROUPED), plain)
    return texts.cast(pl.Float64, strict=False) * times


def refuse(
    column: pl.Series,
    faulty: pl.Series,
    name: str,
    complaint: str,
    table: pl.DataFrame | None = None,
) -> None:
    """Raise UsageError for the first faulty cell of a column, naming its row and showing it.

    The rest of the row is shown from `table`.
    """
    places = faulty.arg_true().to_list()
    if places:
        cell = column[places[0]]
        shown = "" if cell is None else f": {str(cell)[:_SHOWN]!r}"
        row = "" if table is None else f" in {_row(table, places[0])}"
        raise CellFault(places, f"{name} {complaint}{shown}{row}")


def _row(table: pl.DataFrame, place: int) -> str:
    cells = table.row(place, named=True)
    shown = ", ".join(f"{name}={value}" for name, value in cells.items() if value is not None)
    return foreign(shown)


def kind_name(kind: pl.DataType) -> str:
    """Return what a column holds, in words."""
    words = {pl.List: "lists", pl.Array: "lists", pl.Struct: "records", pl.Binary: "bytes"}
    words |= {pl.Boolean: "yes and no", pl.Datetime: "times", pl.Date: "dates", pl.Time: "times"}
    return words.get(kind.base_type(), f"{kind}")
