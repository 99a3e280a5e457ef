"""What every part of the parser does with tokens: look, take, expect, and fail with a column."""

from __future__ import annotations

from typing import Final, NoReturn

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.indicators.table import MAX_PERIOD
from marketsweep.language.lexer import END, LINE_END, PLACEHOLDER, Token, number_of, text_of, tokens
from marketsweep.language.tree import Kind, Node, Span

MAX_LENGTH: Final = 4096


class Reader:
    """The tokens of a text, and the place up to which they are read."""

    def __init__(self, source: str, cut: list[Token] | None = None) -> None:
        if len(source) > MAX_LENGTH:
            raise ConditionError(
                f"the condition is {len(source):,} characters long; at most {MAX_LENGTH:,} are read"
            )
        self.source = source
        self.tokens = list(tokens(source)) if cut is None else cut
        self.at = 0

    @property
    def token(self) -> Token:
        """The one at hand."""
        return self.tokens[self.at]

    def advance(self) -> Token:
        """Take the one at hand."""
        token = self.token
        self.at += 1
        return token

    def fail(self, message: str, span: Span | None = None) -> NoReturn:
        """Raise ConditionError at a part of the text, or at the token at hand."""
        column, width = span or self.token.span
        raise ConditionError(message, self.source, column, width)

    def is_word(self, *words: str) -> bool:
        """Whether one of these words is at hand, in any case."""
        return self.token.kind == "name" and self.token.text.lower() in words

    def is_mark(self, *marks: str) -> bool:
        """Whether one of these marks is at hand."""
        return self.token.kind == "operator" and self.token.text in marks

    def is_over(self) -> bool:
        """Whether the text, or the line that is read, ends here."""
        return self.token.kind in (END, LINE_END)

    def expect(self, mark: str, where: str) -> Token:
        """Take that mark, or fail."""
        if not self.is_mark(mark):
            self.fail(f"expected {mark!r} {where}, found {self.found()}")
        return self.advance()

    def expect_word(self, word: str, where: str) -> Token:
        """Take that word, or fail."""
        if not self.is_word(word):
            self.fail(f"expected {word} {where}, found {self.found()}")
        return self.advance()

    def found(self) -> str:
        """What is at hand, in words."""
        if self.token.kind == LINE_END:
            return "the end of the line"
        if self.token.kind == PLACEHOLDER:
            return f"{self.token.text}, which stands for the values of a sweep"
        return "the end of the condition" if self.token.kind == END else repr(self.token.text)

    def since(self, start: Span) -> Span:
        """From `start` to the end of the last token read."""
        last = self.tokens[self.at - 1]
        return Span(start.column, last.column + len(last.text) - start.column)

    def need(self, node: Node, kind: Kind, role: str) -> Node:
        """The node, which must be of that kind."""
        if node.kind is not kind:
            self.fail(f"{role} must be {kind.value}, and this is {node.kind.value}", node.span)
        return node

    def number(self, token: Token) -> tree.Number | tree.Negate:
        """The literal number of a token; a value of a sweep may be negative."""
        value = self._value(token)
        if token.text.startswith("-"):
            return tree.Negate(tree.Number(-value, span=token.span), span=token.span)
        return tree.Number(value, span=token.span)

    def _value(self, token: Token) -> float:
        value = number_of(token.text)
        if value == float("inf"):
            self.fail(f"{token.text} is larger than any number that can be kept", token.span)
        return value

    def text(self, what: str) -> tree.Text:
        """Take a literal text."""
        if self.token.kind != "text":
            self.fail(f"expected {what}, found {self.found()}")
        token = self.advance()
        return tree.Text(text_of(token.text), span=token.span)

    def whole_number(self, what: str, least: int) -> int:
        """Take a literal whole number, of bars."""
        negative = self.is_mark("-")
        if negative:
            self.advance()
        if self.token.kind != "number":
            self.fail(f"{what} must be a whole number, found {self.found()}")
        token = self.advance()
        value = self._value(token) * (-1 if negative else 1)
        if value != int(value) or not least <= value <= MAX_PERIOD:
            self.fail(
                f"{what} must be a whole number from {least} to {MAX_PERIOD:,}, not {value:g}",
                token.span,
            )
        return int(value)
