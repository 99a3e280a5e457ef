"""Translate ChartInk: the clauses of its screeners, such as `( {cash} ( latest rsi( 14 ) < 30 ) )`.

A measure has an offset before it: `latest`, `2 days ago`, `weekly`, `1 week ago`. An offset before
the argument of a measure counts from today. One that repeats the offset of the measure, or is
`latest`, changes nothing: `1 day ago max( 20 , latest high )` is the value of one day ago.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from marketsweep.language import tree
from marketsweep.language.parsing.calls import constant_value
from marketsweep.language.translate.reader import Reader
from marketsweep.language.translate.tables.chartink import FUNCTIONS, MISSING
from marketsweep.language.translate.tokens import (
    END,
    LINE,
    NAME,
    NUMBER,
    TEXT,
    Token,
    Words,
    tokenize,
)
from marketsweep.language.translate.values import Value, as_number, as_truth
from marketsweep.language.tree import Node

_WORDS: Final = Words(comment=r"(?!)", marks=r"<=|>=|==|!=|<>")
_LONGEST: Final = max(len(name.split()) for name in (*FUNCTIONS, *MISSING))
_UNITS: Final = {
    "latest": "",
    **dict.fromkeys(("day", "days", "daily", "candle", "candles"), ""),
    **dict.fromkeys(("week", "weeks", "weekly"), "weekly"),
    **dict.fromkeys(("month", "months", "monthly"), "monthly"),
}
_OTHER_UNITS: Final = (
    *("minute", "minutes", "hour", "hours", "hourly", "quarter", "quarters", "quarterly"),
    *("year", "years", "yearly"),
)
_CHANGE: Final = "close - 1 candle ago close / 1 candle ago close * 100"
"""How ChartInk writes the change in percent."""


class _Offset(NamedTuple):
    """Which bars a measure reads: longer bars, and how many bars earlier."""

    unit: str = ""
    bars: int = 0


_LATEST: Final = _Offset()


class ChartInk(Reader):
    """A reader of one clause."""

    functions = FUNCTIONS
    missing = MISSING

    def __init__(self, source: str) -> None:
        tokens = [token for token in tokenize(source, _WORDS) if token.kind != LINE]
        super().__init__(source, tokens)
        self._frame: _Offset | None = None
        """The offset of the measure whose arguments are read."""

    def condition(self) -> Node:
        """Return the condition of the clause."""
        start = self.token
        value = self.as_node(self.expression(), start)
        if self.token.kind != END:
            self.fail(f"expected and, or or the end, found {self.token_text()}")
        return as_truth(value)

    def binding(self) -> int:
        """Return how tightly the current operator binds, with those in words."""
        if self.is_word("crossed", "crosses") or self.is_mark("="):
            return tree.COMPARE
        return 0 if self.is_mark("[") else super().binding()

    def infix(self, left: Value, binding: int, start: Token) -> Value:
        """Parse a crossing, or an operator that the languages share."""
        node = self.as_node(left, start)
        if self.take("crossed") or self.take("crosses"):
            way = self.advance().word
            if way not in ("above", "below"):
                self.fail("expected above or below")
            names = {"x": as_number(node), "y": as_number(self.node(tree.COMPARE))}
            return self.filled(f"x crosses {way} y", names, self.span_from(start))
        if self.take("="):
            right = self.node(tree.COMPARE)
            return tree.Compare((as_number(node), as_number(right)), ("==",))
        return super().infix(node, binding, start)

    # -- groups and offsets

    def operand(self) -> Value:
        """Parse a group, a measure with its offset, or what the languages share."""
        if self.are_words("(", "{"):
            return self._group()
        if self.is_mark("["):
            return self._bracket_offset()
        if self.token.kind == NUMBER and self.tokens[self.position + 1].word in (
            *_UNITS,
            *_OTHER_UNITS,
        ):
            return self._ago()
        if self.is_mark("%"):
            return self._measured(self.token, _LATEST)
        if self.token.kind == NAME and self.token.word != "not":
            return self._named()
        return super().operand()

    def name_value(self, token: Token) -> Value:
        """Return the measure that begins with a name."""
        self.position -= 1
        return self._measured(token, _LATEST)

    def _group(self) -> Node:
        self.advance()
        start = self.token
        while not self.is_mark("}"):
            if self.advance().kind == END:
                self.fail("expected '}' after the name of the group")
        self.advance()
        name = self.source[start.column + 1 : self.tokens[self.position - 1].column].strip()
        if name != "cash":
            self.note(f"the group {{{name}}} of Indian stocks was left out")
        node = self.node()
        self.expect(")")
        return node

    def _named(self) -> Node:
        start = self.token
        if start.word in _OTHER_UNITS:
            self.fail(f"bars of the unit {start.text} are not stored", start.span)
        if start.word in _UNITS:
            self.advance()
            return self._measured(start, _Offset(_UNITS[start.word]))
        return self._measured(start, _LATEST)

    def _ago(self) -> Node:
        start = self.advance()
        unit = self.advance()
        if unit.word in _OTHER_UNITS:
            self.fail(f"bars of the unit {unit.text} are not stored", self.span_from(start))
        if not self.take("ago"):
            self.fail(f"expected ago, found {self.token_text()}")
        bars = float(start.text)
        if bars != int(bars):
            self.fail("the number of bars must be a whole number", start.span)
        return self._measured(start, _Offset(_UNITS[unit.word], int(bars)))

    def _bracket_offset(self) -> Node:
        """Parse `[0] 15 minute` or `[-1] weekly`."""
        start = self.advance()
        self.take("-")
        bars = self.advance()
        if bars.kind != NUMBER or not self.take("]"):
            self.fail("this offset cannot be translated", self.span_from(start))
        if self.token.kind == NUMBER:
            self.advance()
        unit = self.advance()
        if unit.word not in _UNITS:
            self.fail(f"bars of the unit {unit.text} are not stored", self.span_from(start))
        return self._measured(start, _Offset(_UNITS[unit.word], int(float(bars.text))))

    def _measured(self, start: Token, offset: _Offset) -> Node:
        """Parse the measure after an offset."""
        outer = self._frame
        if outer is not None:
            if offset in (_LATEST, outer):
                offset = _LATEST
            elif offset.unit != outer.unit or outer.bars:
                self.fail("this offset within another one cannot be translated", start.span)
        self._frame = offset if outer is None else outer
        node = self._measure()
        self._frame = outer
        if offset.bars:
            node = self.earlier(node, offset.bars, self.span_from(start))
        if outer is None and offset.unit:
            node = tree.Resampled(offset.unit, node, running=True)
        return node

    # -- measures

    def _measure(self) -> Node:
        while self.take("{"):  # {custom_indicator_1_start}
            self.advance()
            self.expect("}")
        if self.token.kind == TEXT:
            return self._custom(self.advance())
        if self.is_word("count") and self.tokens[self.position + 1].text == "(":
            return self._count(self.advance())
        first = self.token
        for length in range(_LONGEST, 0, -1):
            tokens = self.tokens[self.position : self.position + length]
            name = " ".join(token.word for token in tokens)
            if name in MISSING:
                text = self.source[first.column : tokens[-1].column + len(tokens[-1].text)]
                self.fail(f"{text} cannot be translated: {MISSING[name]}", self._span(tokens))
            if name in FUNCTIONS:
                self.position += length
                return self.as_node(self.call(first, name), first)
        words = []
        while self.token.kind == NAME and self.token.word not in ("and", "or"):
            words.append(self.advance().text)
        if not words:
            self.fail(f"expected a measure, found {self.token_text()}")
        return self.fail(f"{' '.join(words)} cannot be translated", self.span_from(first))

    def _span(self, tokens: list[Token]) -> tree.Span:
        first, last = tokens[0], tokens[-1]
        return tree.Span(first.column, last.column + len(last.text) - first.column)

    def _custom(self, token: Token) -> Node:
        """Return an expression of the user in quotes."""
        text = token.text[1:-1]
        while self.take("{"):
            self.advance()
            self.expect("}")
        if " ".join(text.lower().split()) == _CHANGE:
            return self.filled("roc(1)", {}, token.span)
        inner = ChartInk(text)
        start = inner.token
        node = inner.as_node(inner.expression(), start)
        if inner.token.kind != END:
            self.fail("this expression cannot be translated", token.span)
        return as_number(node)

    def _count(self, token: Token) -> Node:
        """Parse `count( 5 , 1 where latest close > latest open )`."""
        self.advance()
        bars = constant_value(self.node())
        self.expect(",")
        if self.token.kind == NUMBER and self.tokens[self.position + 1].word == "where":
            self.position += 2
        outer, self._frame = self._frame, self._frame or _LATEST
        condition = self.node()
        self._frame = outer
        self.expect(")")
        if bars is None:
            self.fail("the number of bars must be a whole number", token.span)
        names = {"cond": condition, "n": tree.Number(bars)}
        return self.filled("count(cond, n)", names, self.span_from(token))
