"""What calls of a provider bring, and what they cost: what a plan of a sync is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Route:
    """One way to bars: what a single call of it can carry."""

    name: str
    sessions: int | None
    """Sessions of one call, None for any number of them."""
    symbols: int | None
    """Symbols of one call, None for the whole market."""
    bytes_a_bar: float
    bars: int | None = None
    """Bars of one call, over all of its symbols; None for any number of them."""

    def calls(self, sessions: int, symbols: int) -> int:
        """Calls for the bars of so many symbols in so many sessions."""
        if not sessions or not symbols:
            return 0
        most = min(sessions, self.sessions or sessions), min(symbols, self.symbols or symbols)
        pages = _times(most[0] * most[1], self.bars)
        return _times(sessions, self.sessions) * _times(symbols, self.symbols) * pages

    @property
    def by_session(self) -> bool:
        """Whether a call brings the whole market."""
        return self.symbols is None


@dataclass(frozen=True, slots=True)
class Tariff:
    """The routes of a provider, and what else it asks calls for."""

    routes: Sequence[Route] = ()
    """None where bars cost no calls."""
    calls_a_minute: int | None = None
    """The plan's limit, None where it has none."""
    calls_before: int = 0
    """Calls that every sync begins with."""
    rows_a_page: Mapping[str, int] = field(default_factory=dict)
    """Rows of a page of splits, dividends or listings; a page is a call."""
    symbols_a_call: int = 1
    """How many symbols a call for splits or dividends can be narrowed to."""


def blocks(symbols: Sequence[str], most: int) -> list[Sequence[str]]:
    """The symbols in pieces of at most so many."""
    return [symbols[start : start + most] for start in range(0, len(symbols), most)]


def _times(amount: int, carried: int | None) -> int:
    return 1 if carried is None else -(-amount // carried)
