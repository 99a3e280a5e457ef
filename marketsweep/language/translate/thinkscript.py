"""Translate thinkScript: the scans of thinkorswim."""

from __future__ import annotations

from typing import Final

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.language import tree
from marketsweep.language.parsing.calls import constant_value
from marketsweep.language.translate.script import Part, Script
from marketsweep.language.translate.tables.thinkscript import FUNCTIONS, MISSING
from marketsweep.language.translate.tokens import END, NAME, NUMBER, Token, Words, tokenize
from marketsweep.language.translate.values import (
    ALWAYS,
    NEVER,
    UNKNOWN,
    Outputs,
    Value,
    Word,
    as_number,
    as_truth,
    compared,
)
from marketsweep.language.tree import Node

_WORDS: Final = Words(comment=r"\#[^\n]*", marks=r"<=|>=|==|!=|<>|&&|\|\|")
_COMPARISONS: Final = {
    ("is", "greater", "than", "or", "equal", "to"): ">=",
    ("is", "less", "than", "or", "equal", "to"): "<=",
    ("is", "not", "equal", "to"): "!=",
    ("is", "greater", "than"): ">",
    ("is", "less", "than"): "<",
    ("is", "equal", "to"): "==",
    ("equals",): "==",
    ("is", "true"): "true",
    ("is", "false"): "false",
}
"""The comparisons in words, the longest first."""
_PERIODS: Final = {"week": "weekly", "month": "monthly", "day": ""}
_CONSTANTS: Final = {"yes": ALWAYS, "true": ALWAYS, "no": NEVER, "false": NEVER}
_WORD_CLASSES: Final = ("averagetype", "aggregationperiod", "crossingdirection", "crossingtype")
_FIELDS: Final = (*FIELDS, *DERIVED)
_IGNORED: Final = (
    *("declare", "addlabel", "addcloud", "assignpricecolor", "assignbackgroundcolor", "alert"),
    *("addverticalline", "addchartbubble", "defineglobalcolor", "addorder", "profile"),
)


class ThinkScript(Script):
    """A reader of one script."""

    functions = FUNCTIONS
    missing = MISSING

    def __init__(self, source: str) -> None:
        tokens = [token for token in tokenize(source, _WORDS) if token.kind != "line"]
        super().__init__(source, tokens)

    def condition(self) -> Node:
        """Return the condition that the script plots."""
        plots: dict[str, tuple[Token, Part]] = {}
        expressions: list[Part] = []
        while self.token.kind != END:
            self._statement(plots, expressions)
        if plots:
            name = "scan" if "scan" in plots else next(iter(plots))
            if len(plots) > 1 and name != "scan":
                token = list(plots.values())[1][0]
                self.fail("the script has several plots: keep one, or name it scan", token.span)
            return self._truth(plots[name][1])
        if not expressions:
            self.fail("the script has no plot: add, for example, plot scan = ...")
        if len(expressions) > 1:
            self.fail("expected and, or or the end", self.tokens[expressions[1].start].span)
        return self._truth(expressions[0])

    def _truth(self, part: Part) -> Node:
        return as_truth(self.as_node(self.part_value(part), self.tokens[part.start]))

    def _statement(self, plots: dict[str, tuple[Token, Part]], expressions: list[Part]) -> None:
        if self.take(";"):
            return
        start = self.token
        is_definition = start.word in ("input", "def", "plot", "rec")
        if is_definition and self.tokens[self.position + 1].kind == NAME:
            self.advance()
            self._definition(start.word, self.advance(), plots)
        elif start.word in _IGNORED or self.is_next("."):
            self._ignored(expressions)
        elif start.word in ("switch", "if") and self._is_block():
            self.fail("a block in braces cannot be translated: use if ... then ... else ...")
        elif self.is_next("="):
            self.fail("expected a definition with def, or a plot")
        else:
            begin = self.position
            expressions.append(Part(begin, self.skip_to(";")))

    def _definition(self, word: str, name: Token, plots: dict[str, tuple[Token, Part]]) -> None:
        key = name.word
        if word == "rec":
            self.forbidden[key] = MISSING["rec"]
        if not self.take("="):
            if not self.is_mark(";"):
                self.fail(f"expected '=', found {self.token_text()}")
            self.forbidden[key] = "it gets its value in a block"
            return
        begin = self.position
        if word == "input" and self.is_mark("{"):
            self.forbidden[key] = "a choice in braces has no counterpart"
        part = Part(begin, self.skip_to(";"))
        self.parts[key] = part
        if word == "plot":
            plots[key] = (name, part)

    def _ignored(self, expressions: list[Part]) -> None:
        """Skip a statement about the chart; `MACD().Diff > 0` and `rsi.rsi` are expressions."""
        begin = self.position
        is_setting = self.tokens[self.position + 2].word.startswith(
            ("set", "assign", "hide", "define")
        )
        end = self.skip_to(";")
        if self.tokens[begin].word not in _IGNORED and not is_setting:
            expressions.append(Part(begin, end))

    def _is_block(self) -> bool:
        position = self.position
        end = self.skip_to("{", ";")
        is_block = self.tokens[end].text == "{"
        self.position = position
        return is_block

    # -- expressions

    def binding(self) -> int:
        """Return how tightly the current operator binds, with the operators in words."""
        if self.is_word("within"):
            return tree.WITHIN
        if self.is_word("crosses", "is", "equals", "from", "between"):
            return tree.COMPARE if not self.is_word("from") else tree.POSTFIX
        if self.is_mark("="):
            self.fail("a single = cannot compare: write ==")
        return super().binding()

    def infix(  # noqa: PLR0911, a line for each operator
        self, left: Value, binding: int, start: Token
    ) -> Value:
        """Parse an operator in words, or one that the languages share."""
        node = self.as_node(left, start) if not isinstance(left, Word) else left
        if isinstance(node, Word):
            return super().infix(left, binding, start)
        if self.take("crosses"):
            return self._crossing(node, start)
        if self.take("between"):
            return self._between(node)
        if self.take("within"):
            bars = self._bars()
            return self.filled(f"cond within {bars} bars", {"cond": node}, self.span_from(start))
        if self.take("from"):
            bars = self._bars()
            if not self.take("ago"):
                self.fail(f"expected ago, found {self.token_text()}")
            return self.earlier(node, bars, self.span_from(start))
        operator = next((sign for words, sign in _COMPARISONS.items() if self.take(*words)), "")
        if not operator and not self.is_word("is"):
            return super().infix(node, binding, start)
        return self._compared(operator, node)

    def _compared(self, operator: str, node: Node) -> Node:
        """Parse the right side of a comparison in words."""
        if not operator:
            self.fail(f"{self.token.text} cannot be translated here")
        if operator in ("true", "false"):
            return as_truth(node) if operator == "true" else tree.Not(as_truth(node))
        return compared(operator, node, self.node(tree.COMPARE))

    def _between(self, node: Node) -> Node:
        low = as_number(self.node(tree.COMPARE))
        if not self.take("and"):
            self.fail(f"expected and, found {self.token_text()}")
        high = as_number(self.node(tree.COMPARE))
        return tree.Compare((low, as_number(node), high), ("<=", "<="))

    def _crossing(self, node: Node, start: Token) -> Node:
        ways = [way for way in ("above", "below") if self.take(way)] or ["above", "below"]
        right = as_number(self.node(tree.COMPARE))
        span = self.span_from(start)
        names = {"x": as_number(node), "y": right}
        parts = [self.filled(f"x crosses {way} y", names, span) for way in ways]
        return tree.joined("or", parts)

    def _bars(self) -> int:
        """Parse a number of bars, and the word after it."""
        start = self.token
        if start.kind == NUMBER:
            value: float | None = float(self.advance().text)
        else:
            value = constant_value(self.node(tree.POSTFIX))
        if value is None or value != int(value):
            self.fail("the number of bars must be a whole number", start.span)
        if not (self.take("bars") or self.take("bar")):
            self.fail(f"expected bars, found {self.token_text()}")
        return int(value)

    def name_value(self, token: Token) -> Value:
        """Return a definition, a price, a function with its output, or a word."""
        word = token.word
        if word in ("if", "reference", "fold"):
            return self._keyword(token)
        value = self.defined(token, word)
        if value is None and word in FUNCTIONS:
            value = self.call(token, token.text)
        if value is not None:
            return self._output(value, token)
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if word in _FIELDS:
            return self._price(token, word)
        return self._special(token)

    def _keyword(self, token: Token) -> Value:
        if token.word == "if":
            return self._choice(token)
        if token.word == "reference":
            return self.name_value(self.advance())
        return self.refuse(token, token.text)

    def _special(self, token: Token) -> Value:
        """Return a call or a word that is not a row of the table."""
        word = token.word
        if self.is_mark("(") and word == "isnan":
            return self.is_unknown(token)
        if self.is_mark("(") and word in ("crosses", "between"):
            return self._crosses_call(token) if word == "crosses" else self._between_call()
        if self.is_mark(".") and word in _WORD_CLASSES:
            self.advance()
            return Word(f"{word}.{self.advance().word.strip(chr(34))}")
        if self.take(".", "nan") and word == "double":
            return UNKNOWN
        if word in MISSING:
            self.refuse(token, token.text)
        kind = "function" if self.is_mark("(") else "name"
        return self.fail(f"the {kind} {token.text} cannot be translated", token.span)

    def _output(self, value: Value, token: Token) -> Value:
        """Return the line of an indicator that is named after a point."""
        if not self.is_mark("."):
            return value.first if isinstance(value, Outputs) else value
        self.advance()
        name = self.advance()
        line = name.text.strip('"').lower()
        if not isinstance(value, Outputs):
            self.fail(f"{token.text} has no line {name.text}", name.span)
        if line not in value.lines:
            lines = ", ".join(value.lines)
            self.fail(f"{token.text} has no line {name.text}; translated are {lines}", name.span)
        return value.lines[line]

    def _choice(self, token: Token) -> Node:
        condition = as_truth(self.node())
        if not self.take("then"):
            self.fail(f"expected then, found {self.token_text()}")
        yes = self.node()
        if not self.take("else"):
            self.fail(f"expected else, found {self.token_text()}")
        no = self.node()
        return self.choice(condition, yes, no, self.span_from(token))

    def _price(self, token: Token, word: str) -> Node:
        """Return a price, of another symbol or of longer bars if it has arguments."""
        field: Node = tree.Field(word)
        if not self.is_mark("("):
            return field
        by_position, by_name = self.arguments()
        span = self.span_from(token)
        symbol = by_name.pop("symbol", None) or (by_position[0] if by_position else None)
        period = by_name.pop("period", None) or (by_position[1] if len(by_position) > 1 else None)
        if by_name or len(by_position) > 2:
            self.fail(f"these arguments of {token.text} cannot be translated", span)
        unit = ""
        if period is not None:
            word = str(period[0]).lower().rpartition(".")[2]
            if not isinstance(period[0], Word) or word not in _PERIODS:
                self.fail("bars other than daily, weekly or monthly are not stored", span)
            unit = _PERIODS[word]
        if symbol is not None:
            if not isinstance(symbol[0], Word) or unit:
                self.fail(f"these arguments of {token.text} cannot be translated", span)
            return tree.OtherSymbol(str(symbol[0]), field)
        return tree.Resampled(unit, field, running=True) if unit else field

    def _crosses_call(self, token: Token) -> Node:
        by_position, by_name = self.arguments()
        span = self.span_from(token)
        if len(by_position) < 2:
            self.fail("crosses needs two series", span)
        direction = by_position[2][0] if len(by_position) > 2 else None
        direction = by_name["direction"][0] if "direction" in by_name else direction
        way = str(direction or "any").lower().rpartition(".")[2]
        ways = {"above": ["above"], "below": ["below"], "any": ["above", "below"]}.get(way)
        if ways is None:
            self.fail(f"the direction {direction} cannot be translated", span)
        names = {
            name: as_number(self.as_node(*argument))
            for name, argument in zip(("x", "y"), by_position, strict=False)
        }
        return tree.joined("or", [self.filled(f"x crosses {way} y", names, span) for way in ways])

    def _between_call(self) -> Node:
        by_position, _ = self.arguments()
        x, low, high = (as_number(self.as_node(*argument)) for argument in by_position)
        return tree.Compare((low, x, high), ("<=", "<="))
