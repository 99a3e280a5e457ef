"""Report the table of indicators as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.language.indicators.events import EventFunction
from marketsweep.language.indicators.row import Indicator
from marketsweep.language.vocabulary import EXAMPLES
from marketsweep.output.indicator_facts import first_bar, indicator_rows, units


def indicators_report(name: str | None) -> str:
    """Return the indicators by family, one line each; in detail if one is named."""
    by_family = indicator_rows(name)
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


def _outputs(row: Indicator | EventFunction) -> str:
    return f" Outputs: {', '.join('.' + name for name in row.outputs)}." if row.outputs else ""
