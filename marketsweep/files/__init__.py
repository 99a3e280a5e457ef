"""Bars, corporate actions and symbols from files that people have."""

from marketsweep.files.actions import NO_ACTIONS, read_actions
from marketsweep.files.bars import read_bars
from marketsweep.files.symbols import read_symbols

__all__ = ["NO_ACTIONS", "read_actions", "read_bars", "read_symbols"]
