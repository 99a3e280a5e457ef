"""The names that a data folder adds to those of the language."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from marketsweep.language.tree import Kind


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


NO_NAMES = OwnNames()
