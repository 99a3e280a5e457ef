"""Cut a text of another tool into tokens."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from marketsweep.errors import ConditionError
from marketsweep.language.tree import Span

NAME: Final = "name"
NUMBER: Final = "number"
TEXT: Final = "text"
MARK: Final = "mark"
LINE: Final = "line"
END: Final = "end"


class Token(NamedTuple):
    """A piece of a text; `kind` is name, number, text, mark, line or end."""

    kind: str
    text: str
    column: int

    @property
    def word(self) -> str:
        """Its text in lower case."""
        return self.text.lower()

    @property
    def span(self) -> Span:
        """Its position in the text."""
        return Span(self.column, max(1, len(self.text)))


class Words(NamedTuple):
    """How a language writes its tokens, as patterns: comments, and marks of more than one sign."""

    comment: str
    marks: str
    name: str = r"[A-Za-z_]\w*"


_NUMBER: Final = r"(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_TEXT: Final = r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\''


def tokenize(source: str, words: Words) -> list[Token]:
    """Return the tokens of a text, with its line ends, and the end.

    Raises ConditionError at a character that starts no token.
    """
    pattern = re.compile(
        rf"(?P<skip>[^\S\n]+|{words.comment})|(?P<line>\n)|(?P<text>{_TEXT})|(?P<number>{_NUMBER})"
        rf"|(?P<name>{words.name})|(?P<mark>{words.marks}|[-+*/^%<>=!?:;,.()\[\]{{}}&|$@#])"
    )
    tokens, position = [], 0
    while position < len(source):
        match = pattern.match(source, position)
        if match is None:
            message = f"{source[position]!r} cannot be read"
            raise ConditionError(message, source, position)
        kind = match.lastgroup or ""
        if kind != "skip":
            tokens.append(Token(kind, match.group(), position))
        position = match.end()
    tokens.append(Token(END, "", len(source)))
    return tokens
