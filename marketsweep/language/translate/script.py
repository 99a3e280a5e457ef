"""Names that a script defines. Each is translated when it is used, so that a script may contain
other parts, such as colours and labels, that have no translation."""

from __future__ import annotations

from itertools import islice
from typing import Final, NamedTuple

from marketsweep.language.translate.reader import Reader
from marketsweep.language.translate.tokens import END, LINE, NAME, TEXT, Token
from marketsweep.language.translate.values import Outputs, Value
from marketsweep.language.tree import Node

_MAX_COPIED: Final = 20_000


class Part(NamedTuple):
    """An expression of the script: its tokens from `start` up to `end`."""

    start: int
    end: int


class Script(Reader):
    """A reader of a text that consists of statements."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        super().__init__(source, tokens)
        self.parts: dict[str, Part] = {}
        self.values: dict[str, Value] = {}
        self.forbidden: dict[str, str] = {}
        """Names that cannot be translated, and why."""
        self._open: list[str] = []
        """Names that are being translated, outermost first."""
        self._copied = 0
        """Parts of the tree that the uses of names have copied."""

    def defined(self, token: Token, name: str) -> Value | None:
        """Return the value of a name that the script defines; None for another name."""
        if name in self.forbidden:
            self.fail(f"{token.text} cannot be translated: {self.forbidden[name]}", token.span)
        if name in self.values:
            return self._copy(self.values[name], token)
        if name not in self.parts or name in self._open[-1:]:
            # Within its own definition, `def ema = ema(close, 20)`, it is the function.
            return self._own_value(token, name)
        if name in self._open:
            self._fail_recursive(token)
        self._open.append(name)
        value = self.part_value(self.parts[name])
        self._open.pop()
        self.values[name] = value
        return value

    def reset(self) -> None:
        """Forget what an error has left open."""
        self._open.clear()
        self.depth = 0

    def _copy(self, value: Value, token: Token) -> Value:
        """Return a value that is used again. Raises ConditionError if the uses grow too large."""
        nodes = value.lines.values() if isinstance(value, Outputs) else (value,)
        for node in nodes:
            if isinstance(node, Node):
                self._copied += sum(1 for _ in islice(node.walk(), _MAX_COPIED))
        if self._copied > _MAX_COPIED:
            self.fail("the condition is too large with its names written out", token.span)
        return value

    def _own_value(self, token: Token, name: str) -> Value | None:
        is_recursive = name in self._open and name not in self.functions
        if is_recursive or (name in self._open and self.token.text == "["):
            self._fail_recursive(token)
        return None

    def _fail_recursive(self, token: Token) -> None:
        self.fail(
            f"{token.text} is computed from its own earlier value, which a condition cannot do: "
            "use streak, count, bars_since or an average",
            token.span,
        )

    def part_value(self, part: Part) -> Value:
        """Return the value of an expression of the script."""
        position, self.position = self.position, part.start
        value = self.expression()
        if self.position != part.end:
            self.fail(f"expected the end of the statement, found {self.token_text()}")
        self.position = position
        return value

    def skip_to(self, *marks: str) -> int:
        """Go to one of these marks, or line ends, outside parentheses; return its index."""
        depth = 0
        while self.token.kind != END:
            token = self.token
            is_end = token.kind == LINE if "\n" in marks else False
            if depth <= 0 and (is_end or (token.kind != TEXT and token.text in marks)):
                break
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            self.position += 1
        return self.position

    def is_next(self, text: str) -> bool:
        """Return whether the token after the current one is this one."""
        return self.token.kind == NAME and self.tokens[self.position + 1].text == text
