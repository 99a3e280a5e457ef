"""Text to tokens: the words, numbers, texts and marks of the condition language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from marketsweep.errors import ConditionError
from marketsweep.language.tree import Span

_SUFFIX: Final = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}

_TOKEN: Final = re.compile(
    r"""(?P<space>(?:[^\S\n]|\#[^\n]*)+)
      | (?P<end>[\n;])
      | (?P<number>(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?P<suffix>[kKmMbBtT%]?)
            (?![\w.]))
      | (?P<name>[A-Za-z_]\w*)
      | (?P<placeholder>\{[A-Za-z_]\w*\})
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<operator><=|>=|==|!=|[-+*/<>=()\[\],.])
    """,
    re.VERBOSE,
)

LINE_END: Final = "line end"
END: Final = "end"
PLACEHOLDER: Final = "placeholder"


class Token(NamedTuple):
    """A piece of the text.

    Its kind is number, name, text, operator, placeholder, `LINE_END` or `END`.
    """

    kind: str
    text: str
    column: int

    @property
    def span(self) -> Span:
        """Where it stands."""
        return Span(self.column, max(1, len(self.text)))


def tokens(source: str) -> Iterator[Token]:
    """The tokens of a text, with those that end a line outside parentheses, and the end itself.

    Raises ConditionError at what is none.
    """
    at = depth = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise ConditionError(_unreadable(source, at), source, at)
        kind, text = match.lastgroup or "", match.group()
        if kind == "suffix":
            kind = "number"
        depth += (text in ("(", "[")) - (text in (")", "]"))
        if kind == "end" and (text == ";" or depth <= 0):
            yield Token(LINE_END, text, at)
        elif kind not in ("space", "end"):
            yield Token(kind, text, at)
        at = match.end()
    yield Token(END, "", at)


def number_of(text: str) -> float:
    """The value of a number, its suffix counted in."""
    if text.endswith("%"):
        return float(text[:-1]) / 100  # not * 0.01, which is not a hundredth
    scale = _SUFFIX.get(text[-1].lower())
    return float(text) if scale is None else float(text[:-1]) * scale


def text_of(quoted: str) -> str:
    """The text between quotes, its backslashes resolved."""
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


def _unreadable(source: str, at: int) -> str:
    mark = source[at]
    if mark in "\"'":
        return "the text that begins here has no closing quote"
    if mark.isdigit() or mark == ".":
        return "this number cannot be read (write 20000000, 2e7 or 20M)"
    hints = {
        "&": "write and",
        "|": "write or",
        "!": "write not, or !=",
        "%": "a percent sign belongs right after its number, as in 5%",
        "{": "a name in braces, as in {n}, stands for the values of a sweep",
    }
    return f"{mark!r} has no meaning here" + (f": {hints[mark]}" if mark in hints else "")
