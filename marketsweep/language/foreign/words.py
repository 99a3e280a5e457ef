"""The table of other tools' words: a row for each name, phrase and function, and how to find it.

The words were collected from thinkorswim, Pine Script, MetaStock, AmiBroker, TC2000, ChartInk,
Finviz, Trade Ideas and pandas. A word that gets a meaning of its own here, because an indicator of
that name is added, is no longer looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from marketsweep.language.foreign.functions import CALLS
from marketsweep.language.foreign.names import MISSING, NAMES
from marketsweep.language.foreign.operators import MARKS, OPERATORS, PATTERNS
from marketsweep.language.indicators.table import find_indicator
from marketsweep.language.vocabulary import WORDS


class Row(NamedTuple):
    """A row of the table."""

    texts: tuple[str, ...]
    """The texts that mean the same, the best first: the first one that parses is shown."""
    reason: str = ""
    """Why the word has no meaning here; empty if the text is simply another spelling."""
    is_operator: bool = False
    """Whether the text stands between operands, as `>` and `within 5 bars` do."""


Phrase = tuple[str, ...]
"""The words and marks of a phrase, in lower case."""

_BARS_IN: Final = {"weeks": 5, "months": 21, "years": 252}


def bars_of(number: int, text: str) -> str:
    """Return the text of a phrase with its number: of bars, weeks, months or years."""
    counts = {unit: number * bars for unit, bars in _BARS_IN.items()}
    if number in (52, 260):
        counts["weeks"] = number = _BARS_IN["years"]
    share = f"{1 - number / 100:g}"
    return text.format(n=number, share=share, **counts) if "{" in text else text


def _phrase(text: str) -> Phrase:
    return tuple(re.findall(r"\w+|\{\w+\}|[^\w\s]", text))


def _texts(key: str | tuple[str, ...]) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key


PHRASES: Final[dict[Phrase, Row]] = {
    **{
        _phrase(phrase): Row((possible,), reason)
        for (reason, possible), phrases in MISSING.items()
        for phrase in phrases.split(", ")
    },
    **{
        _phrase(phrase): Row(_texts(key))
        for key, phrases in NAMES.items()
        for phrase in phrases.split(", ")
    },
}
"""Every word and phrase; a phrase of one word is a name."""

FUNCTIONS: Final[dict[str, Row]] = {
    name: Row(_texts(key)) for key, names in CALLS.items() for name in names.split()
}
"""Every function, by its name in lower case."""

INFIX: Final[dict[Phrase, str]] = {
    tuple(phrase.split()): text
    for text, phrases in OPERATORS.items()
    for phrase in phrases.split(", ")
}
"""The operator for each phrase between operands."""

LONGEST: Final = max(map(len, (*PHRASES, *INFIX)))
"""The number of words of the longest phrase."""


def row_of(words: Sequence[str]) -> Row | None:
    """Return the row of a phrase in lower case, whose number may be any; else None."""
    phrase = tuple(words)
    if phrase in PHRASES:
        return PHRASES[phrase] if len(phrase) > 1 or phrase[0] not in WORDS else None
    if phrase in INFIX:
        return Row((INFIX[phrase],), is_operator=True)
    if len(phrase) == 1 and re.fullmatch(r"(?:sh|ta|fa|cap|exch|sec|ind|geo)_\w+", phrase[0]):
        return PHRASES["finviz",]
    numbers = [word for word in phrase if word.rstrip("%").isdigit()]
    if len(numbers) != 1 or len(phrase) == 1:
        return None
    pattern = tuple("#" if word == numbers[0] else word for word in phrase)
    row = PHRASES.get(pattern)
    if row is None and pattern in INFIX:
        row = Row((INFIX[pattern],), is_operator=True)
    number = int(numbers[0].rstrip("%"))
    return row and row._replace(texts=tuple(bars_of(number, text) for text in row.texts))


def numbered(word: str, can_parse: Callable[[str], bool]) -> Row | None:
    """Return the row of a name with a number in it, such as `sma50`; else None."""
    match = re.fullmatch(r"([a-z_]+?)_?(\d+)", word)
    indicator = match and find_indicator(match[1])
    if match and indicator and indicator.parameters:
        text = f"{indicator.name}({int(match[2])})"
        if can_parse(text):
            return Row((text,))
    for pattern, text in PATTERNS:
        if match := re.fullmatch(pattern, word):
            return Row((bars_of(int(match[1]), text),))
    return None


def unread_answer(source: str, position: int) -> str:
    """Return what to write instead of the characters at which no token begins; "" if unknown."""
    word = re.match(r"\w*", source[position:])
    row = row_of([word[0].lower()]) or numbered(word[0].lower(), lambda _: False) if word else None
    if row is None and source[position] == "%":
        after = re.match(r"%\s*(\w*)", source[position:])
        before = re.search(r"(\w+)\s*$", source[:position])
        row = (row_of(("%", after[1].lower())) if after else None) or (
            row_of((before[1].lower(), "%")) if before else None
        )
    if row:
        return (
            f"{row.reason}; possible: {row.texts[-1]}" if row.reason else f"write {row.texts[-1]}"
        )
    return next((MARKS[mark] for mark in _MARKS if source.startswith(mark, position)), "")


_MARKS: Final = sorted(MARKS, key=len, reverse=True)
