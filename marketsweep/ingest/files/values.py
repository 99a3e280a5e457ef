"""Read number columns: missing markers, decimal commas, thousands, 82.04M, dollar signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

import polars as pl

from marketsweep.core.safe_text import clean_line
from marketsweep.errors import UsageError

MISSING: Final = ("", "null", "none", "na", "n/a", "nan", "-", "--", ".", "#n/a", "nil")
"""Texts in lower case that stand for a missing number."""

DOLLARS: Final = (*MISSING, "usd", "$", "us$")
"""Currencies, in lower case, that mean US dollars; a missing currency means dollars, too."""

Decimal = Literal[".", ","]

_SHOWN_CHARACTERS: Final = 100
"""Number of characters of a cell that are shown."""

LARGE_NUMBERS: Final = ("volume", "market_cap", "shares")
"""Columns of large numbers: a comma or dot before three digits separates thousands."""

_SURE_COMMA: Final = (
    r"^[-+]?(\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}"
    r"|\d+,\d{1,2}|\d+,\d{4,}|0,\d+|\d{4,},\d+)$"
)
"""Numbers in which the comma can only be the decimal separator, and the dot separates thousands."""

_MAYBE_COMMA: Final = r"^[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?[KMBT]?$"

_SURE_POINT: Final = r"^[-+$]*(\d{1,3}(,\d{3})+\.\d*|\d{1,3}(,\d{3}){2,}|\d+\.(\d{1,2}|\d{4,}))$"
"""Numbers in which the dot can only be the decimal point, or the comma only separates thousands."""

_DOTTED_THOUSANDS: Final = r"^[1-9]\d{0,2}(\.\d{3})*$"
"""Numbers in which each dot may separate thousands."""

_GROUPED: Final = r"^[-+$]*\d{1,3}(,\d{3})+(\.\d*)?$"
_MULTIPLES: Final = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class Notation(NamedTuple):
    """How the numbers of a file are written."""

    decimal: Decimal = "."
    groups: bool = False
    """Whether a comma separates thousands in prices as well."""


class CellFault(UsageError):
    """Cells of a column that have an invalid value."""

    def __init__(self, rows: Sequence[int], fault: str) -> None:
        """Describe the fault of the first of `rows`, and count the others; rows count from 0."""
        others_text = f"; {len(rows) - 1:,} more rows have the same fault" if len(rows) > 1 else ""
        super().__init__(f"row {rows[0] + 1}: {fault}{others_text}")
        self.rows = rows
        self.fault = fault


@contextmanager
def with_file_rows(file_row: Callable[[int], int]) -> Iterator[None]:
    """Replace table rows in faults by file rows; `file_row` maps the one to the other."""
    try:
        yield
    except CellFault as error:
        raise CellFault(list(map(file_row, error.rows)), error.fault) from None


def map_categories(column: pl.Series, texts: pl.Series, values: pl.Series) -> pl.Series:
    """Return for each cell of a column the value of its text, null for an empty cell.

    `texts` are the categories of `column`, each once, and `values` their values in that order.
    """
    codes = pl.DataFrame({"code": texts.to_physical(), "value": values})
    cells = column.to_physical().alias("code").to_frame()
    joined = cells.join(codes, on="code", how="left", maintain_order="left")
    return joined["value"].alias(column.name)


def with_numbers(table: pl.DataFrame, names: list[str], notation: Notation) -> pl.DataFrame:
    """Return the table with columns as Float64, null for a missing number.

    Raises UsageError, naming row and column, for a cell that is not a number.
    """
    for name in names:
        table = table.with_columns(_as_numbers(table, name, notation).alias(name))
    return table


def notation_of(table: pl.DataFrame, names: list[str]) -> Notation:
    """Return how numbers in text columns are written.

    The comma is the decimal separator only if a number proves it and no number contradicts it. Dots
    separate thousands if every number of the table, volumes included, has three digits after each
    dot: a volume is a whole number.
    """
    columns = [table[name].drop_nulls() for name in names if table.schema[name] == pl.String]
    if any(column.str.contains(_SURE_COMMA).any() for column in columns):
        values = (column.filter(~column.str.to_lowercase().is_in(MISSING)) for column in columns)
        if all(column.str.contains(_MAYBE_COMMA).all() for column in values):
            return Notation(",")
    if _has_dotted_thousands(table, columns):
        return Notation(",")
    return Notation(groups=any(column.str.contains(_SURE_POINT).any() for column in columns))


def _has_dotted_thousands(table: pl.DataFrame, columns: Sequence[pl.Series]) -> bool:
    """Return whether dots separate thousands: in the volumes, and wherever else there is one."""
    if table.schema.get("volume") != pl.String:
        return False
    if not table["volume"].str.contains(".", literal=True).any():
        return False
    values = (column.filter(~column.str.to_lowercase().is_in(MISSING)) for column in columns)
    return all(column.str.contains(_DOTTED_THOUSANDS).all() for column in values)


def lenient_numbers(texts: pl.Series, notation: Notation) -> pl.Series:
    """Return texts as Float64, null for a text that is not a number; 1.25% is 1.25."""
    bare = texts.str.strip_suffix("%").str.strip_chars(" ")
    if notation.decimal == ",":
        bare = bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    bare = bare.str.strip_prefix("$")
    values = bare.cast(pl.Float64, strict=False)
    is_other = values.is_null() & bare.is_not_null()
    values = values.scatter(
        is_other.arg_true(), _parse_large(bare.filter(is_other), notation, large=True)
    )
    return values.set(~values.is_finite().fill_null(value=True), None)


def _as_numbers(table: pl.DataFrame, name: str, notation: Notation) -> pl.Series:
    column, kind = table[name], table.schema[name]
    if kind == pl.Null:
        return column.cast(pl.Float64)
    if isinstance(kind, pl.Categorical | pl.Enum):
        column, kind = column.cast(pl.String), pl.String()
    if kind == pl.String:
        return _parse_texts(table, column, notation)
    if not kind.is_numeric():
        raise UsageError(f"column {name} holds {kind_name(kind)} and not numbers")
    return column.cast(pl.Float64)


def _parse_texts(table: pl.DataFrame, column: pl.Series, notation: Notation) -> pl.Series:
    is_present = column.is_not_null() & ~column.str.to_lowercase().is_in(MISSING)
    if notation.decimal == ",":
        texts = column.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    else:
        texts = column.str.strip_prefix("$")
    values = texts.cast(pl.Float64, strict=False)
    is_faulty = is_present & values.is_null()
    if is_faulty.any():
        parsed = _parse_large(texts.filter(is_faulty), notation, large=column.name in LARGE_NUMBERS)
        values = values.scatter(is_faulty.arg_true(), parsed)
        is_faulty = is_present & values.is_null()
    is_grouped = is_faulty.any() and column.filter(is_faulty).head(1).str.contains(_GROUPED).any()
    hint = " (its comma may separate thousands or decimals: write it without)" if is_grouped else ""
    refuse(column, is_faulty, column.name, f"is not a number{hint}", table)
    return values.set(~is_present, None)


def _parse_large(texts: pl.Series, notation: Notation, *, large: bool) -> pl.Series:
    """Return numbers with separated thousands, or such as 82.04M; null for other texts."""
    multiples: pl.Series | float = 1.0
    if large:
        multiples = texts.str.slice(-1).str.to_uppercase().replace_strict(_MULTIPLES, default=1.0)
        texts = texts.str.replace(r"(?i)[KMBT]$", "").str.strip_chars(" ")
    if large or notation.groups:
        ungrouped = texts.str.replace_all("[,$]", "")
        texts = texts.zip_with(~texts.str.contains(_GROUPED), ungrouped)
    return texts.cast(pl.Float64, strict=False) * multiples


def refuse(
    column: pl.Series,
    is_faulty: pl.Series,
    name: str,
    complaint: str,
    table: pl.DataFrame | None = None,
) -> None:
    """Raise CellFault, naming row and content, for the first faulty cell of a column.

    The rest of the row is shown from `table`.
    """
    rows = is_faulty.arg_true().to_list()
    if rows:
        cell = column[rows[0]]
        shown = "" if cell is None else f": {str(cell)[:_SHOWN_CHARACTERS]!r}"
        row = "" if table is None else f" in {_row_text(table, rows[0])}"
        raise CellFault(rows, f"{name} {complaint}{shown}{row}")


def _row_text(table: pl.DataFrame, i: int) -> str:
    cells = table.row(i, named=True)
    shown = ", ".join(f"{name}={value}" for name, value in cells.items() if value is not None)
    return clean_line(shown)


def kind_name(kind: pl.DataType) -> str:
    """Return a description of the content of a column of this type."""
    words = {pl.List: "lists", pl.Array: "lists", pl.Struct: "records", pl.Binary: "bytes"}
    words |= {pl.Boolean: "yes and no", pl.Datetime: "times", pl.Date: "dates", pl.Time: "times"}
    return words.get(kind.base_type(), f"{kind}")
