"""What a symbol has to be to be looked at, and what each part of that has left out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from marketsweep.engine.clauses import clauses_of
from marketsweep.errors import ConditionError
from marketsweep.language.parser import parse
from marketsweep.language.presets import Saved
from marketsweep.language.tree import Kind, Node

SESSIONS: Final = 20
"""Over which a median of dollar volume is taken where nothing else is asked for: a month."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on reference data, and how its writer put it."""

    node: Node
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Screen:
    """A pre-screen: who is looked at. All of it must hold; the empty one lets everybody pass."""

    where: tuple[Condition, ...] = ()
    """Conditions on reference data."""
    min_price: float | None = None
    """Dollars, of the last close."""
    min_dollar_volume: float | None = None
    """Dollars a session, the median of the last `sessions`."""
    sessions: int = SESSIONS
    watchlist: frozenset[str] | None = None
    """Nobody else; None for no such list."""
    exclude: frozenset[str] = frozenset()
    skip_low_volume: bool = False
    """Whether those on the kept low-volume list are left out."""
    keep_unknown: bool = False
    """Whether those pass of whom it cannot be told."""

    @property
    def parts(self) -> list[str]:
        """What it asks for, in words."""
        of_lists = [
            ("" if self.watchlist is None else f"{len(self.watchlist):,} symbols of a watchlist"),
            f"not {len(self.exclude):,} symbols" if self.exclude else "",
            "not the low-volume list" if self.skip_low_volume else "",
        ]
        return [
            *filter(None, of_lists),
            *(condition.text for condition in self.where),
            *([] if self.min_price is None else [self.price_floor]),
            *([] if self.min_dollar_volume is None else [self.volume_floor(self.sessions)]),
            *(["unknown is kept"] if self.keep_unknown else []),
        ]

    @property
    def price_floor(self) -> str:
        """The floor of prices, in words."""
        return f"price >= {self.min_price:,.10g}"

    def volume_floor(self, sessions: int) -> str:
        """The floor of dollar volume, in words; `sessions` are those that there are."""
        return f"median dollar volume of {sessions:,} sessions >= {self.min_dollar_volume:,.10g}"

    @property
    def lets_all_pass(self) -> bool:
        """Whether there is nothing in it that could leave anybody out."""
        return replace(self, sessions=SESSIONS, keep_unknown=False) == EVERYBODY

    def also(self, where: tuple[Condition, ...]) -> Screen:
        """Return this screen with further conditions."""
        return replace(self, where=self.where + where)


EVERYBODY: Final = Screen()


def conditions_of(given: str | Node, saved: Saved | None = None) -> tuple[Condition, ...]:
    """The conditions that a text or tree joins by `and`, one by one.

    Raises ConditionError if it is not a condition.
    """
    source = given if isinstance(given, str) else None
    node = parse(given, saved) if isinstance(given, str) else given
    if node.kind is not Kind.TRUTH:
        raise ConditionError(f"{node} is {node.kind.value}, and a condition is true or false")
    return tuple(Condition(part, written(part, source)) for part in clauses_of(node))


def written(node: Node, source: str | None) -> str:
    """A node as its writer put it; in canonical text where it has no source."""
    if source is None or not node.span.width:
        return str(node)
    text = " ".join(source[node.span.column : node.span.column + node.span.width].split())
    # A parenthesis before the node is not a part of it, though the one behind may be.
    return text if text.count("(") == text.count(")") else str(node)
