"""Cut a condition's text into tokens: names, numbers, dates, texts and marks."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from marketsweep.errors import ConditionError
from marketsweep.language.tree import Span

_SUFFIX: Final = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}

_TOKEN: Final = re.compile(
    r"""[^\S\n]*(?:\#[^\n]*)?
      (?:(?P<name>[A-Za-z_]\w*)
      | (?P<operator><=|>=|==|!=|[-+*/^<>=()\[\],]|\.(?!\d))
      | (?P<date>\d{4}-\d\d?-\d\d?(?![\w.]))
      | (?P<number>(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[kKmMbBtT%]?
            (?![\w.]))
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<end>[\n;])
      | (?P<placeholder>\{[A-Za-z_]\w*\})
      | (?P<last>\Z)
      | (?P<unread>.))
    """,
    re.VERBOSE | re.DOTALL,
)
"""The commonest tokens come first: each alternative is tried in turn."""

LINE_END: Final = "line end"
END: Final = "end"
PLACEHOLDER: Final = "placeholder"


class Token(Struct, frozen=True, gc=False):
    """A piece of the text.

    `kind` is number, date, name, text, operator, placeholder, `LINE_END` or `END`.
    """

    kind: str
    text: str
    column: int
    word: str = ""
    """The text of a name in lower case; "" for other tokens."""

    @property
    def span(self) -> Span:
        """Position of the token in the text."""
        return Span(self.column, max(1, len(self.text)))


def tokenize(source: str) -> list[Token]:
    """Return the tokens of a text, the line ends outside parentheses, and the end of the text.

    Raises ConditionError at a character that starts no token.
    """
    tokens: list[Token] = []
    depth = 0
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup or ""
        text = match[kind]
        end = match.end()
        if kind == "name":
            tokens.append(Token(kind, text, end - len(text), text.lower()))
        elif kind == "operator":
            if text in "([":
                depth += 1
            elif text in ")]":
                depth -= 1
            tokens.append(Token(kind, text, end - len(text)))
        elif kind == "end":
            if text == ";" or depth <= 0:
                tokens.append(Token(LINE_END, text, end - len(text)))
        elif kind == "last":
            tokens.append(Token(END, "", end))
            break
        elif kind == "unread":
            raise ConditionError(_lexer_error(source, end - 1), source, end - 1)
        else:
            tokens.append(Token(kind, text, end - len(text)))
    return tokens


def number_of(text: str) -> float:
    """Return the value of a number, with its suffix applied."""
    last = text[-1]
    if last.isdigit() or last == ".":
        return float(text)
    if last == "%":
        return float(text[:-1]) / 100  # 0.01 is not exactly a hundredth
    return float(text[:-1]) * _SUFFIX[last.lower()]


def text_of(quoted: str) -> str:
    """Return the text between quotes, with backslashes resolved."""
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


def _lexer_error(source: str, position: int) -> str:
    character = source[position]
    if character in "\"'":
        return "the text that begins here has no closing quote"
    from marketsweep.language.foreign.words import unread_answer  # imported late: rarely needed

    answer = unread_answer(source, position)
    if character.isdigit() or character == ".":
        unread = "this number cannot be read"
        return f"{unread}: {answer}" if answer else f"{unread} (write 20000000, 2e7 or 20M)"
    return f"{character!r} has no meaning here" + (f": {answer}" if answer else "")
