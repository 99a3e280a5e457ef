"""Describe what a provider's calls carry and cost, so that a sync can be planned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Route:
    """A way to fetch bars, and how much a single call of it can carry."""

    name: str
    sessions: int | None
    """Maximum number of sessions per call; None for no limit."""
    symbols: int | None
    """Maximum number of symbols per call; None if a call brings the whole market."""
    bytes_a_bar: float
    bars: int | None = None
    """Maximum number of bars per call, over all its symbols; None for no limit."""

    def calls(self, sessions: int, symbols: int) -> int:
        """Return the number of calls for the bars of that many symbols in that many sessions."""
        if not sessions or not symbols:
            return 0
        per_call = min(sessions, self.sessions or sessions), min(symbols, self.symbols or symbols)
        pages = _calls_needed(per_call[0] * per_call[1], self.bars)
        return _calls_needed(sessions, self.sessions) * _calls_needed(symbols, self.symbols) * pages

    @property
    def by_session(self) -> bool:
        """Return whether a call brings the whole market."""
        return self.symbols is None


class RowsAYear(NamedTuple):
    """How many rows a list of facts has, and how many of them a call brings."""

    rows: int
    """In a year; of all, if the list has the newest row alone."""
    per_call: int
    days_before: int
    """Days before the first session whose rows are requested, too."""
    by_day: bool
    """Whether the list has the rows of earlier days."""

    def calls(self, days: int) -> int:
        """Return the number of calls for the values of so many days."""
        rows = self.rows * (days + self.days_before) / 365 if self.by_day else self.rows
        return max(1, math.ceil(rows / self.per_call))


@dataclass(frozen=True, slots=True)
class Tariff:
    """The routes of a provider, and its other calls."""

    routes: Sequence[Route] = ()
    """Empty if bars cost no calls."""
    calls_a_minute: int | None = None
    """Limit of the plan; None for no limit."""
    calls_before: int = 0
    """Number of calls at the start of every sync."""
    rows_a_page: Mapping[str, int] = field(default_factory=dict)
    """Rows per page of splits, dividends or listings; each page is one call."""
    symbols_a_call: int = 1
    """Maximum number of symbols in one call for splits or dividends."""
    facts: Mapping[str, Sequence[RowsAYear]] = field(default_factory=dict)
    """The lists of each group of further facts that the provider has."""


def in_blocks(symbols: Sequence[str], size: int) -> list[Sequence[str]]:
    """Return the symbols in blocks of at most `size`."""
    return [symbols[start : start + size] for start in range(0, len(symbols), size)]


def _calls_needed(amount: int, per_call: int | None) -> int:
    return 1 if per_call is None else -(-amount // per_call)
