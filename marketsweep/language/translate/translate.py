"""Translate a filter of another tool into a condition, and check that the condition parses."""

from __future__ import annotations

import re
from collections.abc import Callable
from textwrap import dedent
from typing import Final, NamedTuple, Protocol

from marketsweep.errors import ConditionError, UsageError
from marketsweep.language import tree
from marketsweep.language.parsing.parser import MAX_LENGTH, parse
from marketsweep.language.translate.chartink import ChartInk
from marketsweep.language.translate.finviz import Finviz
from marketsweep.language.translate.pine import Pine
from marketsweep.language.translate.thinkscript import ThinkScript
from marketsweep.language.translate.values import ALWAYS, NEVER
from marketsweep.language.tree import Node

_MAX_SOURCE: Final = 20_000


class Translation(NamedTuple):
    """A condition, and what to know about it."""

    language: str
    """The language of the text: a key of `LANGUAGES`."""
    condition: str
    notes: tuple[str, ...]
    """What was left out or differs from the other tool."""


class _Reader(Protocol):
    notes: list[str]

    def condition(self) -> Node: ...


LANGUAGES: Final[dict[str, Callable[[str], _Reader]]] = {
    "thinkscript": ThinkScript,
    "pine": Pine,
    "chartink": ChartInk,
    "finviz": Finviz,
}
"""What reads each language."""


def translate(text: str, language: str | None = None) -> Translation:
    """Return the condition of a filter of another tool; without a language, it is guessed.

    Raises ConditionError at the part that cannot be translated.
    """
    source = dedent(text.replace("\t", "    ").replace("\r\n", "\n")).strip()
    if not source:
        raise UsageError("the text is empty: there is nothing to translate")
    if len(source) > _MAX_SOURCE:
        raise UsageError(
            f"the text has {len(source):,} characters; at most {_MAX_SOURCE:,} are read"
        )
    name = language or guess_language(source)
    try:
        reader = LANGUAGES[name](source)
        node = _with_complete_periods(tree.as_condition(reader.condition()), reader.notes)
        condition = str(node)
    except RecursionError:
        raise ConditionError("the text is nested too deeply") from None
    except ConditionError as error:
        if language is None and _guessed(source) is None:
            error.message += " (read as thinkScript; --from names another language)"
        raise
    if node in (ALWAYS, NEVER):
        raise UsageError("the text is not a condition: it is the same for every symbol")
    if len(condition) > MAX_LENGTH:
        raise UsageError(
            f"the condition would have {len(condition):,} characters; at most {MAX_LENGTH:,} are "
            "allowed"
        )
    try:
        parse(condition)
    except ConditionError as error:
        raise UsageError(f"the condition would not be valid: {error}") from error
    return Translation(name, condition, tuple(reader.notes))


_GUESSES: Final = (
    (
        "finviz",
        r"finviz\.com|^\s*(?:f=)?(?:sh|ta|fa|cap|exch|sec|ind|geo|idx|ipodate|an|earningsdate)_",
    ),
    ("pine", r"//@version|\b(?:ta|math|input|request|str)\.\w|\balertcondition\b|\bindicator\s*\("),
    ("pine", r"\bstudy\s*\(|:=|=>|\bcrossover\s*\(|\bcrossunder\s*\(|\w\s\?\s.*:"),
    (
        "thinkscript",
        r"\bplot\s+\w+\s*=|\bdef\s+\w+\s*=|\bcrosses (?:above|below)\b|\bis (?:less|gre)",
    ),
    ("chartink", r"\{cash\}|\{\d+\}|\blatest\b|\b(?:days?|weeks?|months?) ago\b|\bweekly\s+\w"),
)
"""Patterns that tell a language, in the order in which they are tried."""


def guess_language(text: str) -> str:
    """Return the language that a text is most likely in; thinkScript if nothing tells."""
    return _guessed(text) or "thinkscript"


def _guessed(text: str) -> str | None:
    for name, pattern in _GUESSES:
        if re.search(pattern, text, re.IGNORECASE | re.MULTILINE):
            return name
    return None


_WINDOWS: Final = (tree.Shift, tree.Cross, tree.Within, tree.For, tree.Event, tree.Call)
"""Nodes that read earlier bars of what is in them."""


def _with_complete_periods(node: Node, notes: list[str], *, is_earlier: bool = False) -> Node:
    """Return the tree with complete weeks and months where their earlier values are read.

    The value of the running week is known at the newest bar only.
    """
    is_earlier = is_earlier or isinstance(node, _WINDOWS)
    if isinstance(node, tree.Resampled):
        if is_earlier and node.running:
            note = "earlier weeks and months are complete ones, without the running one"
            if note not in notes:
                notes.append(note)
            return tree.Resampled(node.unit, node.of)
        return node
    return tree.map_children(
        node, lambda child: _with_complete_periods(child, notes, is_earlier=is_earlier)
    )
