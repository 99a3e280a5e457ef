"""Describe which symbols a scan looks at: conditions on facts, price, volume and lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from marketsweep.engine.clauses import clauses_of
from marketsweep.engine.levels import require_level
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.parsing.own_names import NO_NAMES, OwnNames, with_stored_facts
from marketsweep.language.parsing.parser import parse
from marketsweep.language.tree import Kind, Node

SESSIONS: Final = 20
"""The default number of sessions of a median dollar volume: about a month."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on reference data, with its text as written by the user."""

    node: Node
    text: str = field(compare=False)


class Screen(Struct, frozen=True):
    """A pre-screen. A symbol passes if it meets all parts; every symbol passes an empty screen."""

    where: tuple[Condition, ...] = ()
    """Conditions on reference data."""
    min_price: float | None = None
    """In dollars; compared with the last close."""
    min_dollar_volume: float | None = None
    """In dollars per session; compared with the median of the last `sessions`."""
    sessions: int = SESSIONS
    watchlist: frozenset[str] | None = None
    """Only these symbols pass; None for no watchlist."""
    exclude: frozenset[str] = frozenset()
    skip_low_volume: bool = False
    """Whether symbols on the low-volume list are excluded."""
    keep_unknown: bool = False
    """Whether symbols with unknown facts pass."""

    @property
    def parts(self) -> list[str]:
        """The parts of the screen, in words."""
        list_parts = [
            ("" if self.watchlist is None else f"{len(self.watchlist):,} symbols of a watchlist"),
            f"not {len(self.exclude):,} symbols" if self.exclude else "",
            "not the low-volume list" if self.skip_low_volume else "",
        ]
        return [
            *filter(None, list_parts),
            *(condition.text for condition in self.where),
            *([] if self.min_price is None else [self.price_floor]),
            *([] if self.min_dollar_volume is None else [self.volume_floor(self.sessions)]),
            *(["unknown is kept"] if self.keep_unknown else []),
        ]

    @property
    def price_floor(self) -> str:
        """The minimum price, in words."""
        return f"price >= {self.min_price:,.10g}"

    def volume_floor(self, sessions: int) -> str:
        """Return the minimum dollar volume, in words; `sessions` are those that are stored."""
        return f"median dollar volume of {sessions:,} sessions >= {self.min_dollar_volume:,.10g}"

    @property
    def is_empty(self) -> bool:
        """Whether the screen excludes no symbol."""
        return replace(self, sessions=SESSIONS, keep_unknown=False) == NO_SCREEN

    def also(self, where: tuple[Condition, ...]) -> Screen:
        """Return this screen with further conditions."""
        return replace(self, where=self.where + where)


NO_SCREEN: Final = Screen()


def conditions_of(condition: str | Node, own_names: OwnNames = NO_NAMES) -> tuple[Condition, ...]:
    """Return the conditions that a text or tree joins by `and`.

    Raises ConditionError if it is not a condition.
    """
    source = condition if isinstance(condition, str) else None
    node = parse(condition, own_names) if isinstance(condition, str) else condition
    node = tree.as_of_one_day(with_stored_facts(node, own_names))
    if node.kind is not Kind.TRUTH:
        raise ConditionError(f"{node} is {node.kind.value}, but a condition must be true or false")
    require_level(node)
    return tuple(Condition(part, written(part, source)) for part in clauses_of(node))


def written(node: Node, source: str | None) -> str:
    """Return a node as its user wrote it, or in canonical text if it has no source."""
    if source is None or not node.span.width:
        return str(node)
    text = " ".join(source[node.span.column : node.span.column + node.span.width].split())
    # A parenthesis before the node is not a part of it, but one after it may be.
    return text if text.count("(") == text.count(")") else str(node)
