"""Report the table of indicators as plain text and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.core.suggest import names_misspelled
from marketsweep.errors import UsageError
from marketsweep.language.indicators.events import EVENTS, EventFunction
from marketsweep.language.indicators.row import Indicator
from marketsweep.language.indicators.table import ALIASES, FAMILIES
from marketsweep.language.vocabulary import EXAMPLES


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
        for family, rows in _indicator_rows(name).items()
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


def indicators_report(name: str | None) -> str:
    """Return the indicators by family, one line each; in detail if one is named."""
    by_family = _indicator_rows(name)
    if name is not None:
        ((row,),) = by_family.values()
        return "\n".join(_indicator_lines(row))
    lines: list[str] = []
    for family, rows in by_family.items():
        width = max(len(row.signature) for row in rows)
        lines += [family, *(f"  {r.signature:<{width}}  {r.doc}{_outputs(r)}" for r in rows), ""]
    derived = ", ".join(f"{key} = {formula}" for key, formula in DERIVED.items())
    others = ", ".join(EXAMPLES.values())
    return "\n".join(
        [*lines, f"fields: {', '.join(FIELDS)}", f"derived: {derived}", f"functions: {others}"]
    )


def _indicator_lines(row: Indicator | EventFunction) -> Iterator[str]:
    """Yield everything about one indicator."""
    yield f"{row.signature}  {row.doc}{_outputs(row)}"
    for parameter in row.parameters:
        kind = "whole number" if parameter.whole else "number"
        yield (
            f"  {parameter.name}: {kind} from {parameter.minimum:g} to {parameter.maximum:,g}, "
            f"{parameter.default:g} by default"
        )
    if isinstance(row, EventFunction):
        return
    if text := units(row):
        yield f"  unit: {text}"
    yield f"  first value: bar {first_bar(row)}, with the defaults"
    if row.aliases:
        yield f"  other names: {', '.join(row.aliases)}"
    for other, output in row.output_aliases.items():
        yield f"  .{other} is .{output}"
    for output, text in row.formula_texts().items():
        yield f"  {f'.{output}' if output else 'formula'} = {text}"
    if not row.is_pattern:
        yield from _picture(row)


def _picture(row: Indicator) -> Iterator[str]:
    """Yield made prices and the indicator below them, in dots."""
    from marketsweep.output.charts.dots import dots_of  # as above
    from marketsweep.output.charts.indicator_picture import SHOWN, curves_of, have_values, made_bars

    bars = made_bars()
    curves = curves_of(row, bars)
    if not have_values(curves):
        return
    yield ""
    yield f"  {SHOWN} made bars: the close"
    yield from (f"  {text}" for text in dots_of([bars["close"][-SHOWN:]], 3))
    yield f"  {', '.join(str(curve.node) for curve in curves)}"
    yield from (f"  {text}" for text in dots_of([c.values[-SHOWN:] for c in curves], 5))


def _indicator_rows(name: str | None) -> dict[str, list[Indicator | EventFunction]]:
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


def _outputs(row: Indicator | EventFunction) -> str:
    return f" Outputs: {', '.join('.' + name for name in row.outputs)}." if row.outputs else ""
