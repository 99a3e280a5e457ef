"""Read tokens one by one: look ahead, take, expect, and raise errors that point at a column."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from typing import Final, NoReturn

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.indicators.row import MAX_PERIOD
from marketsweep.language.parsing.lexer import (
    END,
    LINE_END,
    PLACEHOLDER,
    Token,
    number_of,
    text_of,
    tokenize,
)
from marketsweep.language.tree import Kind, Node, Span

MAX_LENGTH: Final = 16_384

_INFINITE: Final = float("inf")


class TokenStream(ABC):
    """The tokens of a text, and the position of the current one."""

    answers_foreign_words = True
    """Whether an error says what to write instead of other tools' words."""

    def __init__(self, source: str, token_list: list[Token] | None = None) -> None:
        if len(source) > MAX_LENGTH:
            raise ConditionError(
                f"the condition is {len(source):,} characters long; at most {MAX_LENGTH:,} are "
                "allowed"
            )
        self.source = source
        self.tokens = tokenize(source) if token_list is None else token_list
        self.position = 0
        self.token = self.tokens[0]
        """The current token."""

    def advance(self) -> Token:
        """Take the current token."""
        token = self.token
        self.position = position = self.position + 1
        if position < len(self.tokens):
            self.token = self.tokens[position]
        return token

    def jump(self, position: int) -> None:
        """Go on at another token."""
        self.position = position
        self.token = self.tokens[position]

    def fail(self, message: str, span: Span | None = None, suggestion: str = "") -> NoReturn:
        """Raise ConditionError at a span of the text, or at the current token.

        The current token may belong to words of another tool: then the error says what to write.
        """
        if span is None:
            self.fail_if_foreign(self.position)
        column, width = span or self.token.span
        raise ConditionError(message, self.source, column, width, suggestion)

    def fail_if_foreign(self, at: int, *, is_name: bool = False) -> None:
        """Raise ConditionError with the right text if words of another tool stand at a token.

        `is_name` says that the token is a name without a meaning.
        """
        if not self.answers_foreign_words:
            return
        from marketsweep.language.foreign.answer import answer_at  # imported late: rarely needed

        answer = answer_at(self.tokens, at, self.can_parse, is_name=is_name)
        if answer:
            column, width = answer.span
            raise ConditionError(answer.message, self.source, column, width, answer.text)

    @abstractmethod
    def can_parse(self, text: str) -> bool:
        """Return whether a text is an expression, which may use the names of this text."""

    def is_word(self, *words: str) -> bool:
        """Return whether the current token is one of these words, in any case."""
        return self.token.word in words

    def is_mark(self, *marks: str) -> bool:
        """Return whether the current token is one of these marks."""
        return self.token.text in marks

    def is_line_end(self) -> bool:
        """Return whether the text, or the current line, ends here."""
        return self.token.kind in (END, LINE_END)

    def expect(self, mark: str, where: str) -> Token:
        """Take a mark, or raise ConditionError if another token is there."""
        if not self.is_mark(mark):
            self.fail(f"expected {mark!r} {where}, found {self.token_text()}")
        return self.advance()

    def expect_word(self, word: str, where: str) -> Token:
        """Take a word, or raise ConditionError if another token is there."""
        if not self.is_word(word):
            self.fail(f"expected {word} {where}, found {self.token_text()}")
        return self.advance()

    def token_text(self) -> str:
        """Describe the current token for an error message."""
        if self.token.kind == LINE_END:
            return "the end of the line"
        if self.token.kind == PLACEHOLDER:
            return f"{self.token.text}, which stands for the values of a sweep"
        return "the end of the condition" if self.token.kind == END else repr(self.token.text)

    def span_from(self, start: Span | Token) -> Span:
        """Return the span from `start` to the end of the last token taken."""
        last = self.tokens[self.position - 1]
        column = start.column
        return Span(column, last.column + len(last.text) - column)

    def require_kind(self, node: Node, kind: Kind, role: str) -> Node:
        """Return the node; raise ConditionError (with `role` in it) if its kind differs."""
        if node.kind is kind:
            return node
        if kind is Kind.TRUTH:
            node = tree.as_condition(node)
        if node.kind is not kind:
            self.fail_if_foreign(self.position)  # as after volume in: close > 5 and volume over 1M
            hint = ""
            if kind is Kind.NUMBER and node.kind is Kind.TRUTH:
                hint = f": write number({node}), which is 1 or 0"
            elif kind is Kind.NUMBER and isinstance(node, tree.Text) and node.value.isupper():
                hint = f': the price of another symbol is symbol("{node.value}").close'
            self.fail(
                f"{role} must be {kind.value}, but this is {node.kind.value}{hint}", node.span
            )
        return node

    def parse_number(self) -> tree.Number | tree.Negate:
        """Take a number; a value of a sweep may be negative."""
        token = self.advance()
        value = self._value(token)
        span = Span(token.column, len(token.text))
        if value < 0:
            return tree.Negate(tree.Number(-value, span=span), span=span)
        return tree.Number(value, span=span)

    def _value(self, token: Token) -> float:
        value = number_of(token.text)
        if value == _INFINITE:
            self.fail(f"{token.text} is too large for a number", token.span)
        return value

    def parse_text(self, role: str) -> tree.Text:
        """Take a literal text; `role` describes it in the error."""
        if self.token.kind != "text":
            self.fail(f"expected {role}, found {self.token_text()}", self.token.span)
        token = self.advance()
        return tree.Text(text_of(token.text), span=token.span)

    def parse_date(self, role: str) -> tree.Day:
        """Take a literal date; `role` describes it in the error."""
        if self.token.kind != "date":
            self.fail(f"expected {role}, found {self.token_text()}")
        token = self.advance()
        try:
            day = dt.datetime.strptime(token.text, "%Y-%m-%d").date()
        except ValueError:
            self.fail(f"{token.text} is not a date: write year-month-day", token.span)
        return tree.Day.of(day, token.span)

    def parse_whole_number(self, role: str, least: int) -> int:
        """Take a literal whole number of bars; `role` describes it in the error."""
        negative = self.is_mark("-")
        if negative:
            self.advance()
        if self.token.kind != "number":
            self.fail(f"{role} must be a whole number, found {self.token_text()}")
        token = self.advance()
        value = self._value(token) * (-1 if negative else 1)
        if value != int(value) or not least <= value <= MAX_PERIOD:
            self.fail(
                f"{role} must be a whole number from {least} to {MAX_PERIOD:,}, not {value:g}",
                token.span,
            )
        return int(value)
