"""The names that a data folder adds to those of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from marketsweep.errors import ConditionError
from marketsweep.language.tree import Fact, Kind, Node, map_children


def no_condition(name: str) -> str | None:
    """Return None: no condition is saved."""
    return None


class OwnNames(Struct, frozen=True):
    """The saved conditions and the stored facts that a text may use."""

    condition: Callable[[str], str | None] = no_condition
    """Returns the text of the saved condition of that name, or None."""
    facts: tuple[tuple[str, Kind], ...] = ()
    """The stored facts beyond those of the language, with the kinds of their values."""
    dated: frozenset[str] = frozenset()
    """The stored facts whose values differ from day to day."""

    def kind_of(self, fact: str) -> Kind | None:
        """Return the kind of a stored fact, or None if no fact has that name."""
        return next((kind for name, kind in self.facts if name == fact), None)


NO_NAMES: Final = OwnNames()


def with_stored_facts(node: Node, own_names: OwnNames) -> Node:
    """Return a tree that was built in Python, with what the store knows of the facts in it.

    Raises ConditionError for a fact that is not stored, or not of that kind.
    """
    own = [part for part in node.walk() if isinstance(part, Fact) and part.own_kind is not None]
    for part in own:
        kind = own_names.kind_of(part.name)
        if kind is not part.own_kind:
            stored = "is not stored" if kind is None else f"is {kind.value}"
            raise ConditionError(
                f"the fact {part.name} {stored}: marketsweep facts lists those that are"
            )
    return _with_days(node, own_names) if own else node


def _with_days(node: Node, own_names: OwnNames) -> Node:
    if isinstance(node, Fact) and node.own_kind is not None:
        return replace(node, dated=node.name in own_names.dated)
    return map_children(node, lambda child: _with_days(child, own_names))
