"""Read a file of facts in long form: a row has one value of one fact of one symbol."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from marketsweep.core.records import FactRow, FactValues
from marketsweep.core.spellings import to_store_spelling
from marketsweep.errors import UsageError
from marketsweep.ingest.files.bars import Reading
from marketsweep.ingest.files.cells import DEFAULT_MB
from marketsweep.ingest.files.columns import as_text, require_columns, with_days, with_texts
from marketsweep.ingest.files.layouts import table_of
from marketsweep.ingest.files.reference.facts import fact_name, read_facts
from marketsweep.ingest.files.sources import files_of, with_file_name
from marketsweep.ingest.providers.listing_words import DATED_TEXTS, text_of

_COLUMNS: Final = ("symbol", "name", "value")
_OF_SYMBOLS_FILES: Final = (
    *("symbol", "ticker", "known_on", "valid_from", "status", "first_listed", "last_listed"),
    *("market_cap", "shares", "shares_on", "renamed_from", "renamed_to"),
)
"""Columns of symbols files with a meaning of their own."""
_DAYS: Final = ("known_on", "valid_from", "date")
"""Names of the column with the day on which a value was known; the first one is used."""


class FactRows(NamedTuple):
    """The facts of files in long form, and how each file was read."""

    facts: list[FactValues]
    readings: list[Reading]


def read_fact_rows(path: Path, most_mb: int = DEFAULT_MB) -> FactRows:
    """Return the facts of files with the columns symbol, known_on, name and value.

    The column `name` has the names of the facts, so that one file may have any number of them. A
    fact is a number, a date or a text, as a column of a symbols file is. An empty value ends the
    one before. Raises UsageError.
    """
    result = FactRows([], [])
    for file in files_of(path):
        with with_file_name(file):
            content = _read(file, most_mb)
        result.facts.extend(content.facts)
        result.readings.extend(content.readings)
    return result


def _read(path: Path, most_mb: int) -> FactRows:
    table = table_of(path, most_mb)
    day = next((name for name in _DAYS if name in table.columns), None)
    if day is None:
        raise UsageError(
            "a file of facts needs a column known_on with the day on which each value was known, "
            "beside symbol, name and value"
        )
    table = require_columns(table.filter(~pl.all_horizontal(pl.all().is_null())), _COLUMNS)
    nowhere = pl.repeat(value=False, n=len(table), eager=True)
    table, _ = with_days(with_texts(table, ("symbol",)), day, unless=nowhere)
    names = as_text(table["name"]).str.to_lowercase()
    symbols = [to_store_spelling(symbol) for symbol in table["symbol"]]
    table = table.with_columns(names.alias("name"), pl.Series("symbol", symbols, pl.String))
    facts, used, notes, ignored = list[FactValues](), dict[str, str](), list[str](), list[str]()
    for (name,), rows in table.group_by("name", maintain_order=True):
        ours = None if name is None else fact_name(str(name))
        if ours is None or ours in used or ours in _OF_SYMBOLS_FILES:
            ignored.append(str(name or ""))
            continue
        # The values of one fact are a column of their own.
        column = rows.select("symbol", day, pl.col("value").alias(ours))
        content = read_facts(column, [ours], column[day])
        facts += [in_our_words(fact) for fact in content.facts]
        used[ours] = str(name)
        notes += [note.replace(f"column {ours}", str(name)) for note in content.notes]
    if ignored:
        shown = ", ".join(name or "(empty)" for name in ignored[:5])
        notes.append(
            f"not used: {shown}; it cannot be a fact, is named twice, or belongs in a symbols file"
        )
    reading = Reading(path, "symbols", "facts by row", used, ignored, rows=len(table), notes=notes)
    return FactRows(facts, [reading])


def in_our_words(fact: FactValues) -> FactValues:
    """Return a fact of listings, such as exchange, with the names that listings have.

    A SIC code is a text of four digits.
    """
    if fact.name == "sic_code" and fact.kind == "number":
        codes: list[FactRow] = [
            (symbol, day, None if value is None else f"{value:04.0f}")
            for symbol, day, value in fact.rows
        ]
        return fact._replace(kind="text", rows=codes)
    if fact.name not in DATED_TEXTS or fact.kind not in (None, "text"):
        return fact
    rows: list[FactRow] = [
        (symbol, day, text_of(fact.name, None if value is None else f"{value}"))
        for symbol, day, value in fact.rows
    ]
    return fact._replace(rows=rows)
