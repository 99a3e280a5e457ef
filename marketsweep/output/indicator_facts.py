"""The table of indicators as plain data."""

from __future__ import annotations

from typing import Any

from marketsweep.core.suggest import names_misspelled
from marketsweep.errors import UsageError
from marketsweep.language.indicators.events import EVENTS, EventFunction
from marketsweep.language.indicators.row import Indicator
from marketsweep.language.indicators.table import ALIASES, FAMILIES


def indicators_facts(name: str | None) -> list[dict[str, Any]]:
    """Return the table of indicators as plain data."""
    return [
        {
            "name": row.name,
            "family": family,
            "signature": row.signature,
            "outputs": list(row.outputs),
            "doc": row.doc,
            "parameters": [
                {
                    "name": parameter.name,
                    "default": parameter.default,
                    "minimum": parameter.minimum,
                    "maximum": parameter.maximum,
                }
                for parameter in row.parameters
            ],
            **_more_facts(row),
        }
        for family, rows in indicator_rows(name).items()
        for row in rows
    ]


def _more_facts(row: Indicator | EventFunction) -> dict[str, Any]:
    if isinstance(row, EventFunction):
        return {"aliases": [], "output_aliases": {}, "formulas": {}, "units": "", "first_bar": None}
    return {
        "units": units(row),
        "first_bar": first_bar(row),
        "aliases": list(row.aliases),
        "output_aliases": dict(row.output_aliases),
        "formulas": row.formula_texts(),
    }


def first_bar(row: Indicator) -> int:
    """Return the number of the first bar with a value of every output, with the defaults."""
    # These bring NumPy, which the list of all indicators does not need.
    from marketsweep.engine.plan import make_plan
    from marketsweep.engine.units import default_calls

    return max(make_plan([*default_calls(row).values()]).bars)


def units(row: Indicator) -> str:
    """Return the units of the outputs of an indicator; "" where none is known."""
    from marketsweep.engine.units import units_text  # as above

    return units_text(row)


def indicator_rows(name: str | None) -> dict[str, list[Indicator | EventFunction]]:
    """Return the rows by family; only the named one if a name is given."""
    families: dict[str, list[Indicator | EventFunction]] = {
        **{family: list(rows) for family, rows in FAMILIES.items()},
        "Earlier events": list(EVENTS.values()),
    }
    if name is None:
        return families
    wanted = ALIASES.get(name.lower(), name.lower())
    for family, rows in families.items():
        for row in rows:
            if row.name == wanted:
                return {family: [row]}
    names = [row.name for rows in families.values() for row in rows]
    near = names_misspelled(wanted, names)
    hint = f"did you mean {near[0]}?" if near else "marketsweep indicators lists them"
    raise UsageError(f"unknown indicator {name!r}: {hint}")
