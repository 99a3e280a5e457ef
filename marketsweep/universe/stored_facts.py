"""Summarize the stored facts beyond those of the language."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import numpy as np

from marketsweep.core.records import SHARES, FactKind
from marketsweep.engine.panel.facts import Reference, days_of
from marketsweep.language import tree
from marketsweep.language.parsing.calls import can_be_fact
from marketsweep.language.presets import SavedConditions
from marketsweep.language.tree import Kind
from marketsweep.language.vocabulary import GROUPS
from marketsweep.store.snapshot import Snapshot


class StoredFact(NamedTuple):
    """A stored fact: its kind, how many symbols have a value, and the days of the values."""

    name: str
    kind: FactKind
    symbols: int
    values: int
    first: dt.date | None
    """The first of the days from which values count; None if no value has such a day."""
    last: dt.date | None
    usable: bool
    """Whether a condition can name it: words and saved conditions have their own meaning."""

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        return self._asdict()


def stored_facts(snapshot: Snapshot, saved: SavedConditions) -> list[StoredFact]:
    """Return a summary of each stored fact, by name; the names of `saved` are taken."""
    result = []
    for name, (kind, _) in snapshot.facts().items():
        rows = [row for row in snapshot.fact_rows(name) if row[2] is not None]
        days = [day for _, day, _ in rows if day is not None]
        symbols = len({symbol for symbol, _, _ in rows})
        first, last = min(days, default=None), max(days, default=None)
        usable = name in (*GROUPS, SHARES) or (can_be_fact(name) and saved(name) is None)
        result.append(StoredFact(name, kind, symbols, len(rows), first, last, usable))
    return result


def facts_of(reference: Reference, symbol: str) -> dict[str, str | float | dt.date]:
    """Return the known facts of a symbol by name, those of the language first."""
    own = {name: kind for name, kind in reference.own.kinds.items() if can_be_fact(name)}
    result: dict[str, str | float | dt.date] = {}
    for name, kind in (tree.FACTS | own).items():
        value = reference.fact(symbol, name)
        if isinstance(value, float) and kind is Kind.DATE:
            if day := days_of(np.array([value])).tolist()[0]:
                result[name] = day
        elif value is not None:
            result[name] = value
    return result
