"""Write the parts of the docs that follow from the program: `python -m docs.generate`.

These are `docs/reference/cli.md`, `docs/reference/api.md` and `docs/reference/indicators.md` as a
whole, the names of indicators in `docs/guide/language.md`, the table of rules in
`docs/guide/quality.md`, and the packages in `docs/architecture.md`.
`tests/test_docs.py` fails if they are out of date.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from docs.api import API, api_page
from docs.pictures import FOLDER, write_pictures
from marketsweep.cli.main import main
from marketsweep.language.indicators.events import EVENTS
from marketsweep.language.indicators.row import Indicator, Parameter
from marketsweep.language.indicators.table import FAMILIES, INDICATORS
from marketsweep.output.indicator_facts import first_bar, units
from marketsweep.quality.rules import RULES

DOCS: Final = Path(__file__).parent
CLI: Final = DOCS / "reference" / "cli.md"
SCANS_PAGE: Final = DOCS / "reference" / "published-scans.md"
SCANS: Final = DOCS.parent / "tests" / "language" / "corpus" / "scans.jsonl"
INDICATORS_PAGE: Final = DOCS / "reference" / "indicators.md"
LANGUAGE: Final = DOCS / "guide" / "language.md"
QUALITY: Final = DOCS / "guide" / "quality.md"
ARCHITECTURE: Final = DOCS / "architecture.md"
LAYERS: Final = DOCS.parent / "tests" / "test_layers.py"
PACKAGE: Final = DOCS.parent / "marketsweep"

_SCANS_OPENING: Final = """\
# Published scans

Written by `python -m docs.generate`; do not edit. {count} scans of thinkorswim, ChartInk,
StockCharts, PKScreener, Finviz, MetaStock, freqtrade and others were written in the condition
language. {daily} of them need daily bars and stored facts alone. A test runs each condition on the
example market. The sources are in `tests/language/corpus/scans.jsonl`.
"""

_HOW: Final = {
    "natural": "naturally",
    "contorted": "with a formula in place of a name, or a trick",
    "impossible": "not at all",
}

_INDICATORS_OPENING: Final = """\
# Indicators

Written by `python -m docs.generate` from the program; do not edit. There are {count} indicators.
A call shows its defaults; a field in it can be replaced by any series. Values and first bars of
TA-Lib's functions are TA-Lib's. In a formula, `x` and `y` are the series, and a parameter has its
name. An indicator without a formula is a kernel in C++.
[language.md](../guide/language.md) describes the rest of the language.

The gray line of a picture is the close of 120 made bars; a pattern is shown on candles of the
example market.
"""

_OPENING: Final = """\
# The command line

Written by `python -m docs.generate` from the program; do not edit. Exit codes are in the
[README](../../README.md#exit-codes), conditions in [language.md](../guide/language.md).
"""


def cli_page() -> str:
    """The whole of docs/reference/cli.md."""
    parts = [_OPENING, _section("marketsweep", main)]
    parts += [_section(title, command) for title, command in commands(main, "marketsweep")]
    return "\n".join(parts)


def commands(group: click.Group, title: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, as it is called; those of a group in it after it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{title} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{title} {name}")


def language_page(text: str) -> str:
    """docs/guide/language.md with its table of indicators as the program has it."""
    text = _between(text, "occurrences", _occurrences())
    return _between(text, "indicators", _indicators())


def quality_page(text: str) -> str:
    """docs/guide/quality.md with its table of rules as the program has it."""
    return _between(text, "rules", _rules())


def architecture_page(text: str) -> str:
    """docs/architecture.md with its packages as the code and the test of the layers have them."""
    return _between(text, "packages", _packages())


def _between(text: str, what: str, written: str) -> str:
    begin, end = f"<!-- {what}: written by docs/generate.py -->", f"<!-- /{what} -->"
    before, marked, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    assert marked, f"no {begin}"
    assert closed, f"no {end}"
    return f"{before}{begin}\n{written}\n{end}{after}"


def _packages() -> str:
    """What each package is for and what it imports, from the lowest to the highest."""
    lines = ["| package | what it is for | imports |", "|---|---|---|"]
    for name, imported in _allowed().items():
        folder = PACKAGE / name
        source = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        about = (ast.get_docstring(ast.parse(source.read_text())) or "").partition("\n")[0]
        rest = ", ".join(imported.split()) if imported != "*" else "all of them"
        lines.append(f"| `{name}` | {about} | {rest} |")
    return "\n".join(lines)


def _allowed() -> dict[str, str]:
    """The table of imports; read and not imported, as the tests need pytest."""
    for node in ast.parse(LAYERS.read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "ALLOWED":
            table: dict[str, str] = ast.literal_eval(ast.unparse(node.value or node))
            return table
    raise AssertionError(f"{LAYERS} has no ALLOWED")


def _section(title: str, command: click.Command) -> str:
    parameters = [one for one in command.params if isinstance(one, click.Option)]
    arguments = [_argument(one) for one in command.params if isinstance(one, click.Argument)]
    usage = " ".join([title, *arguments, *(["[OPTIONS]"] if parameters else [])])
    if isinstance(command, click.Group):
        usage = f"{title} COMMAND ..."
    about = inspect.cleandoc(re.sub(r" *\x08\n", "", command.help or ""))
    lines = [f"## {title}", "", "```text", usage, "", about, "```", ""]
    if parameters:
        lines += ["| option | what |", "|---|---|", *map(_option, parameters), ""]
    return "\n".join(lines)


def _argument(argument: click.Argument) -> str:
    if argument.metavar:
        return argument.metavar
    name = (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> str:
    names = " ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" `{_value(option)}`".replace("|", "\\|")
    words = [option.help] if option.help else []
    if option.required:
        words.append("Required.")
    if option.show_default and option.default is not None:
        default = option.opts[0] if option.default is True else option.default
        words.append(f"Default: `{default}`.")
    return f"| {names}{value} | {' '.join(words)} |"


def _value(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    return "YYYY-MM-DD" if isinstance(option.type, click.DateTime) else "N"


def _indicators() -> str:
    """The names of all indicators by family."""
    lines = ["| family | indicators |", "|---|---|"]
    for family, rows in FAMILIES.items():
        names = [f"`{name}`" for row in rows for name in (row.name, *row.aliases)]
        lines.append(f"| {family} | {' '.join(names)} |")
    return "\n".join(lines)


def indicators_page() -> str:
    """The whole of docs/reference/indicators.md."""
    parts = [_INDICATORS_OPENING.format(count=len(INDICATORS))]
    for family, rows in FAMILIES.items():
        parts += [f"## {family}", "", *(_indicator(row) for row in rows)]
    return "\n".join(parts)


def _occurrences() -> str:
    lines = ["| call, with its defaults | parameters | what |", "|---|---|---|"]
    return "\n".join(
        lines
        + [
            f"| `{row.signature}` | {'; '.join(map(_parameter, row.parameters))} | {row.doc} |"
            for row in EVENTS.values()
        ]
    )


def _indicator(row: Indicator) -> str:
    """The entry of an indicator: its call, what it is, its outputs, formulas and first bar."""
    lines = [f"### `{row.signature}`", "", row.doc, ""]
    if (FOLDER / f"{row.name}.svg").exists():
        lines += [f"![{row.name}](pictures/{row.name}.svg)", ""]
    facts = {
        "Other names": ", ".join(f"`{alias}`" for alias in row.aliases),
        "Outputs": ", ".join(map(_output_names(row), row.outputs)),
        "Parameters": "; ".join(map(_parameter, row.parameters)),
        "Reads": ", ".join(f"`{name}`" for name in row.inputs[row.series :]),
        "Unit": units(row),
        "First value": f"bar {first_bar(row)}, with the defaults",
    }
    lines += [f"- {name}: {text}" for name, text in facts.items() if text]
    for output, text in row.formula_texts().items():
        lines.append(f"- Formula{f' of `.{output}`' if output else ''}: `{text}`")
    return "\n".join([*lines, ""])


_SCANS_OF_FACTS = """\
These use columns of a symbols file, which become facts by their names
([facts of your own](../guide/universe.md#facts-of-your-own)): fundamentals, dates of earnings,
membership in an index."""


def needs_daily_bars(scan: dict[str, Any]) -> bool:
    """Whether a published scan needs daily bars and stored facts alone."""
    other = ("data:", "tf:intraday", "tf:premarket", "ml")
    return not scan.get("facts") and not any(lack.startswith(other) for lack in scan["lacks"])


def scans_page() -> str:
    """The whole of docs/reference/published-scans.md."""
    scans = [json.loads(line) for line in SCANS.read_text().splitlines()]
    daily = [scan for scan in scans if needs_daily_bars(scan)]
    lines = [_SCANS_OPENING.format(count=len(scans), daily=len(daily))]
    lines += ["| how it is written | all | daily bars only |", "|---|---:|---:|"]
    for how, what in _HOW.items():
        counts = [sum(scan["how"] == how for scan in group) for group in (scans, daily)]
        shares = [
            f"{n} ({n / len(group):.0%})" for n, group in zip(counts, (scans, daily), strict=True)
        ]
        lines.append(f"| {what} | {' | '.join(shares)} |")
    lacking = Counter(lack for scan in daily for lack in scan["lacks"])
    lines += ["", "What the others of daily bars lack:", "", "| lacks | scans |", "|---|---:|"]
    lines += [f"| {name} | {n} |" for name, n in lacking.most_common()]
    natural = [scan for scan in scans if scan["how"] == "natural"]
    lines += ["", "## The scans", "", *_table_of([s for s in natural if not s.get("facts")])]
    lines += ["", "## With facts of your own", "", _SCANS_OF_FACTS, ""]
    lines += _table_of([scan for scan in natural if scan.get("facts")])
    return "\n".join([*lines, ""])


def _table_of(scans: Iterable[dict[str, Any]]) -> list[str]:
    lines = ["| id | scan | condition |", "|---|---|---|"]
    for scan in scans:
        text = scan["condition"].replace("|", "\\|")
        lines.append(f"| {scan['id']} | {scan['scan'].replace('|', '/')} | `{text}` |")
    return lines


def _output_names(row: Indicator) -> Callable[[str], str]:
    def names(output: str) -> str:
        others = [f"`.{other}`" for other, own in row.output_aliases.items() if own == output]
        return f"`.{output}`" + (f" (or {' and '.join(others)})" if others else "")

    return names


def _rules() -> str:
    lines = ["| rule | what | left out by `--exclude-suspect` |", "|---|---|---|"]
    return "\n".join(
        lines
        + [f"| {rule.name} | {rule.doc} | {'yes' if rule.excludes else ''} |" for rule in RULES]
    )


def _parameter(parameter: Parameter) -> str:
    kind = "" if parameter.whole else ", any number"
    return f"`{parameter.name}` {parameter.minimum:g} to {parameter.maximum:,.0f}{kind}"


if __name__ == "__main__":
    write_pictures()
    CLI.write_text(cli_page())
    API.write_text(api_page())
    INDICATORS_PAGE.write_text(indicators_page())
    SCANS_PAGE.write_text(scans_page())
    QUALITY.write_text(quality_page(QUALITY.read_text()))
    LANGUAGE.write_text(language_page(LANGUAGE.read_text()))
    ARCHITECTURE.write_text(architecture_page(ARCHITECTURE.read_text()))
