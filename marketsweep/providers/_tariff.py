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

    def calls(self, sessions: int, symbols: int) -> int:
        """Calls for the bars of so many symbols in so many sessions."""
        return _times(sessions, self.sessions) * _times(symbols, self.symbols)


@dataclass(frozen=True, slots=True)
class Tariff:
    """The routes of a provider, and what else it asks calls for."""

    routes: Sequence[Route] = ()
    """None where bars cost no calls. The first is the one that a sync takes."""
    calls_a_minute: int | None = None
    """The plan's limit, None where it has none."""
    calls_before: int = 0
    """Calls that every sync begins with."""
    rows_a_page: Mapping[str, int] = field(default_factory=dict)
    """Of splits, dividends and listings: a call for each page."""


def _times(amount: int, carried: int | None) -> int:
    if not amount:
        return 0
    return 1 if carried is None else -(-amount // carried)
