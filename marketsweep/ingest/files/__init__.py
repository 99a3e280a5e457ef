"""Read bars, corporate actions and symbols from the user's files."""

from marketsweep.ingest.files.actions import NO_ACTIONS, read_actions
from marketsweep.ingest.files.bars import Reading, read_bars, understood_bars
from marketsweep.ingest.files.cells import DEFAULT_MB
from marketsweep.ingest.files.symbols import read_symbols, understood_symbols

__all__ = [
    "DEFAULT_MB",
    "NO_ACTIONS",
    "Reading",
    "read_actions",
    "read_bars",
    "read_symbols",
    "understood_bars",
    "understood_symbols",
]
