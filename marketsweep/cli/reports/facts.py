"""Report stored facts as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketsweep.core.safe_text import counted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from marketsweep.universe.stored_facts import StoredFact


def facts_report(facts: Sequence[StoredFact]) -> str:
    """Return the stored facts, one line each."""
    if not facts:
        return (
            "no facts are stored: marketsweep sync --provider files --symbols FILE stores each "
            "column of the file"
        )
    width = max(len(fact.name) for fact in facts)
    return "\n".join(f"{fact.name:<{width}}  {fact.kind:<6}  {_extent(fact)}" for fact in facts)


def symbol_report(values: Mapping[str, str | float | dt.date]) -> str:
    """Return the facts of a symbol, one line each."""
    width = max(map(len, values))
    return "\n".join(f"{name:<{width}}  {_value_text(value)}" for name, value in values.items())


def _extent(fact: StoredFact) -> str:
    """Return how many symbols have a fact, since when, and whether a condition can name it."""
    days = (
        f", {counted(fact.values, 'value')} from {fact.first} to {fact.last}" if fact.first else ""
    )
    note = "" if fact.usable else ": not usable in conditions, where the name has another meaning"
    return f"{counted(fact.symbols, 'symbol')}{days}{note}"


def _value_text(value: str | float | dt.date) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value.is_integer() or abs(value) >= 1e9 else f"{value:,.10g}"
