"""Read bars, corporate actions and symbols from the user's files."""

from marketsweep.ingest.files.actions import NO_ACTIONS, read_actions
from marketsweep.ingest.files.bars import Reading, read_bars, read_bars_with_readings
from marketsweep.ingest.files.cells import DEFAULT_MB
from marketsweep.ingest.files.reference.fact_rows import read_fact_rows
from marketsweep.ingest.files.reference.symbols import (
    ReferenceData,
    read_reference_data,
    read_symbols,
)

__all__ = [
    "DEFAULT_MB",
    "NO_ACTIONS",
    "Reading",
    "ReferenceData",
    "read_actions",
    "read_bars",
    "read_bars_with_readings",
    "read_fact_rows",
    "read_reference_data",
    "read_symbols",
]
