"""The names that a data folder adds to those of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from marketsweep.errors import ConditionError
from marketsweep.language.tree import Fact, Kind, Node


def no_condition(name: str) -> str | None:
    """Return None: no condition is saved."""
    return None


class OwnNames(Struct, frozen=True):
    """The saved conditions and the stored facts that a text may use."""

    condition: Callable[[str], str | None] = no_condition
    """Returns the text of the saved condition of that name, or None."""
    facts: tuple[tuple[str, Kind], ...] = ()
    """The stored facts beyond those of the language, with the kinds of their values."""

    def kind_of(self, fact: str) -> Kind | None:
        """Return the kind of a stored fact, or None if there is no fact of that name."""
        return next((kind for name, kind in self.facts if name == fact), None)


NO_NAMES: Final = OwnNames()


def require_stored_facts(node: Node, own_names: OwnNames) -> None:
    """Raise ConditionError for a fact in a tree that is not stored, or not of that kind."""
    for part in node.walk():
        if isinstance(part, Fact) and part.own_kind is not None:
            kind = own_names.kind_of(part.name)
            if kind is not part.own_kind:
                stored = "is not stored" if kind is None else f"is {kind.value}"
                raise ConditionError(
                    f"the fact {part.name} {stored}: marketsweep facts lists those that are"
                )
