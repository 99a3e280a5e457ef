"""Text to tree: a Pratt parser for the condition language, and the checks of names and kinds.

    rsi(14) < 30 and close > sma(200) and volume > 2 * sma(volume, 20)
    sma(50) crosses above sma(200) within 5 bars

Every error is a `ConditionError` that points at its column. Nothing of the text is ever executed.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Final, NamedTuple, NoReturn

from marketsweep import tree
from marketsweep.errors import ConditionError
from marketsweep.fields import DERIVED, FIELDS
from marketsweep.indicators import INDICATORS, MAX_PERIOD, Indicator
from marketsweep.tree import FACTS, Kind, Node, Span
from marketsweep.vocabulary import FUNCTIONS, WORDS

MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 64
MAX_OPERATORS: Final = 250

_COMPARISONS: Final = ("<=", ">=", "==", "!=", "<", ">", "=")
_KEYWORDS: Final = frozenset(
    ("and", "or", "not", "in", "crosses", "above", "below", "within", "bar", "bars")
)
_SUFFIX: Final = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<number>(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?P<suffix>[kKmMbBtT]?)
            (?![\w.]))
      | (?P<name>[A-Za-z_]\w*)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<operator><=|>=|==|!=|[-+*/<>=()\[\],.])
    """,
    re.VERBOSE,
)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int

    @property
    def span(self) -> Span:
        return Span(self.column, max(1, len(self.text)))


def parse(source: str) -> Node:
    """The tree of a condition: true or false at each bar of a symbol.

    Raises `ConditionError`, with the column, for whatever is wrong with it.
    """
    node = parse_expression(source)
    if node.kind is not Kind.TRUTH:
        raise ConditionError(
            f"this is {node.kind.value}, and a condition is true or false: compare it, "
            f"as in {_shorten(source)} > 0",
            source,
            node.span.column,
            node.span.width,
        )
    return node


def parse_expression(source: str) -> Node:
    """The tree of any expression: a condition, or a number to sort by or show."""
    if len(source) > MAX_LENGTH:
        raise ConditionError(
            f"the condition is {len(source):,} characters long; at most {MAX_LENGTH:,} are read"
        )
    return _Parser(source).whole()


def split_expressions(source: str) -> tuple[str, ...]:
    """The expressions of a list: cut at the commas that stand in no parenthesis or bracket."""
    parts, depth, start = [], 0, 0
    for token in _tokens(source):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.kind == "end" or (token.text == "," and depth == 0):
            parts.append(source[start : token.column].strip())
            start = token.column + 1
    return tuple(part for part in parts if part)


def _shorten(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= 40 else text[:37] + "..."


def _tokens(source: str) -> Iterable[_Token]:
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise ConditionError(_unreadable(source, at), source, at)
        kind = match.lastgroup if match.lastgroup != "suffix" else "number"
        if kind != "space":
            yield _Token(str(kind), match.group(), at)
        at = match.end()
    yield _Token("end", "", at)


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
        "%": "write a plain number",
    }
    return f"{mark!r} has no meaning here" + (f": {hints[mark]}" if mark in hints else "")


class _Parser:
    """Precedence climbing over the tokens; one method a construct."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = list(_tokens(source))
        self.at = 0
        self.depth = 0
        self.operators = 0

    # -- the machinery

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def advance(self) -> _Token:
        token = self.token
        self.at += 1
        return token

    def fail(self, message: str, span: Span | None = None) -> NoReturn:
        column, width = span or self.token.span
        raise ConditionError(message, self.source, column, width)

    def is_word(self, *words: str) -> bool:
        return self.token.kind == "name" and self.token.text.lower() in words

    def is_mark(self, *marks: str) -> bool:
        return self.token.kind == "operator" and self.token.text in marks

    def expect(self, mark: str, where: str) -> _Token:
        if not self.is_mark(mark):
            self.fail(f"expected {mark!r} {where}, found {self.found()}")
        return self.advance()

    def found(self) -> str:
        return "the end of the condition" if self.token.kind == "end" else repr(self.token.text)

    def since(self, start: Span) -> Span:
        """From `start` to the end of the last token read."""
        last = self.tokens[self.at - 1]
        return Span(start.column, last.column + len(last.text) - start.column)

    def need(self, node: Node, kind: Kind, role: str) -> Node:
        if node.kind is not kind:
            self.fail(f"{role} must be {kind.value}, and this is {node.kind.value}", node.span)
        return node

    # -- the grammar

    def whole(self) -> Node:
        if self.token.kind == "end":
            self.fail("the condition is empty: write, for example, rsi(14) < 30")
        node = self.expression(0)
        if self.token.kind != "end":
            self.fail(f"expected and, or or the end of the condition, found {self.found()}")
        return node

    def expression(self, floor: int) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"parentheses and operators are nested more than {MAX_DEPTH} deep")
        left = self.prefix()
        while (binding := self.binding()) > floor:
            # A chain of operators nests to the left without nesting in the text.
            self.operators += 1
            if self.operators > MAX_OPERATORS:
                self.fail(f"the condition has more than {MAX_OPERATORS} operators")
            left = self.infix(left, binding)
        self.depth -= 1
        return left

    def binding(self) -> int:
        """How tightly the operator at hand binds what stands before it; 0: it is none."""
        if self.token.kind == "operator":
            return {
                "+": tree.SUM,
                "-": tree.SUM,
                "*": tree.PRODUCT,
                "/": tree.PRODUCT,
                "[": tree.POSTFIX,
            }.get(self.token.text, tree.COMPARE if self.token.text in _COMPARISONS else 0)
        words = {"or": tree.OR, "and": tree.AND, "within": tree.WITHIN}
        compares = dict.fromkeys(("in", "crosses"), tree.COMPARE)
        if self.token.kind == "name":
            return (words | compares).get(self.token.text.lower(), 0)
        return 0

    def infix(self, left: Node, binding: int) -> Node:
        if binding == tree.POSTFIX:
            return self.shift(left)
        if binding == tree.WITHIN:
            return self.within(left)
        if binding == tree.COMPARE:
            return self.comparison(left)
        token = self.advance()
        operator = token.text.lower()
        kind = Kind.TRUTH if operator in ("and", "or") else Kind.NUMBER
        self.need(left, kind, f"the left side of {operator}")
        right = self.need(self.expression(binding), kind, f"the right side of {operator}")
        return tree.Binary(operator, left, right, span=self.since(left.span))

    def comparison(self, left: Node) -> Node:
        if self.is_word("in"):
            return self.membership(left)
        if self.is_word("crosses"):
            return self.cross(left)
        operands, operators = [left], []
        while self.is_mark(*_COMPARISONS):
            token = self.advance()
            operators.append({"=": "=="}.get(token.text, token.text))
            operands.append(self.expression(tree.COMPARE))
            self.check_comparison(operands[-2], operands[-1], token)
        return tree.Compare(tuple(operands), tuple(operators), span=self.since(left.span))

    def check_comparison(self, left: Node, right: Node, token: _Token) -> None:
        for side in (left, right):
            if side.kind is Kind.TRUTH:
                self.fail(f"{token.text} compares numbers, and this is true or false", side.span)
        if left.kind is not right.kind:
            self.fail(
                f"{token.text} compares {left.kind.value} with {right.kind.value}", right.span
            )
        if left.kind is Kind.TEXT and token.text not in ("==", "!=", "="):
            self.fail(f"texts have no order: use ==, != or in, not {token.text}", token.span)

    def membership(self, left: Node) -> Node:
        self.need(left, Kind.TEXT, "what stands before in")
        self.advance()
        self.expect("[", "after in")
        choices: list[tree.Text] = []
        while not self.is_mark("]"):
            if choices:
                self.expect(",", "between the choices")
            if self.token.kind != "text":
                self.fail(f'expected a text in quotes, as in ["Energy"], found {self.found()}')
            choices.append(self.text())
        self.advance()
        if not choices:
            self.fail("the list is empty, so nothing could match", self.since(left.span))
        return tree.In(left, tuple(choices), span=self.since(left.span))

    def cross(self, left: Node) -> Node:
        self.advance()
        if not self.is_word("above", "below"):
            self.fail(f"expected above or below after crosses, found {self.found()}")
        direction = self.advance().text.lower()
        right = self.expression(tree.COMPARE)
        for side in (left, right):
            self.need(side, Kind.NUMBER, "what crosses")
        return tree.Cross(left, right, direction, span=self.since(left.span))

    def within(self, left: Node) -> Node:
        self.need(left, Kind.TRUTH, "what stands before within")
        self.advance()
        bars = self.count("the number of bars after within", least=1)
        if not self.is_word("bar", "bars"):
            self.fail(f"expected bars after the number, found {self.found()}")
        self.advance()
        return tree.Within(left, bars, span=self.since(left.span))

    def shift(self, left: Node) -> Node:
        self.advance()
        bars = self.count("the number of bars back, in brackets,", least=0)
        self.expect("]", "after the number of bars back")
        return tree.Shift(left, bars, span=self.since(left.span))

    def count(self, what: str, least: int) -> int:
        negative = self.is_mark("-")
        if negative:
            self.advance()
        if self.token.kind != "number":
            self.fail(f"{what} must be a whole number, found {self.found()}")
        token = self.advance()
        value = self.number(token).value * (-1 if negative else 1)
        if value != int(value) or not least <= value <= MAX_PERIOD:
            self.fail(
                f"{what} must be a whole number from {least} to {MAX_PERIOD:,}, not {value:g}",
                token.span,
            )
        return int(value)

    def prefix(self) -> Node:
        token = self.token
        if token.kind == "number":
            self.advance()
            return self.number(token)
        if token.kind == "text":
            return self.text()
        if self.is_mark("("):
            return self.parenthesis()
        if self.is_mark("-") or self.is_word("not"):
            return self.unary()
        if token.kind == "name" and token.text.lower() not in _KEYWORDS:
            return self.name()
        return self.fail(f"expected a number, a name or a parenthesis, found {self.found()}")

    def parenthesis(self) -> Node:
        self.advance()
        inner = self.expression(0)
        self.expect(")", "to close the parenthesis")
        return inner

    def unary(self) -> Node:
        token = self.advance()
        if token.text == "-":
            operand = self.need(self.expression(tree.NEGATE), Kind.NUMBER, "what follows -")
            return tree.Negate(operand, span=self.since(token.span))
        operand = self.need(self.expression(tree.NOT), Kind.TRUTH, "what follows not")
        return tree.Not(operand, span=self.since(token.span))

    def number(self, token: _Token) -> tree.Number:
        value = _number(token.text)
        if math.isinf(value):
            self.fail(f"{token.text} is larger than any number that can be kept", token.span)
        return tree.Number(value, span=token.span)

    def text(self) -> tree.Text:
        token = self.advance()
        return tree.Text(re.sub(r"\\(.)", r"\1", token.text[1:-1]), span=token.span)

    def name(self) -> Node:
        token = self.advance()
        name = token.text.lower()
        if self.is_mark("("):
            return self.call(token, name)
        if name in FIELDS or name in DERIVED:
            return tree.Field(name, span=token.span)
        if name in FACTS:
            return tree.Fact(name, span=token.span)
        if name in INDICATORS:
            self.fail(
                f"{name} needs its parameters: {INDICATORS[name].signature}",
                token.span,
            )
        return self.fail(_unknown(token.text), token.span)

    def call(self, token: _Token, name: str) -> Node:
        self.advance()
        arguments: list[Node] = []
        while not self.is_mark(")"):
            if arguments:
                self.expect(",", f"or ')' in {name}(...)")
            arguments.append(self.expression(0))
        self.advance()
        span = self.since(token.span)
        if name in FUNCTIONS:
            if len(arguments) != FUNCTIONS[name]:
                self.fail(f"{name} takes {FUNCTIONS[name]} numbers, not {len(arguments)}", span)
            for argument in arguments:
                self.need(argument, Kind.NUMBER, f"what {name} takes")
            return tree.Function(name, tuple(arguments), span=span)
        if name not in INDICATORS:
            self.fail(_unknown(token.text, calls=True), token.span)
        return self.indicator(INDICATORS[name], arguments, token)

    def indicator(self, row: Indicator, arguments: list[Node], token: _Token) -> Node:
        source: Node | None = None
        if row.series:
            source = tree.Field(row.inputs[0], span=token.span)
            if arguments and not _is_literal(arguments[0]):
                source = self.need(arguments.pop(0), Kind.NUMBER, f"what {row.name} reads")
        parameters = [parameter.default for parameter in row.parameters]
        for i, argument in enumerate(arguments[: len(parameters)]):
            parameters[i] = self.parameter(row, i, argument)
        if len(arguments) > len(parameters):
            span = self.since(token.span)
            self.fail(f"{len(arguments)} parameters are too many: {row.signature}", span)
        problem = row.problem(*parameters) if row.problem else None
        if problem:
            self.fail(f"{row.name}: {problem}", self.since(token.span))
        output = self.output(row, token)
        return tree.Call(row.name, source, tuple(parameters), output, span=self.since(token.span))

    def parameter(self, row: Indicator, index: int, argument: Node) -> float:
        wanted = row.parameters[index]
        number = f"a {'whole ' if wanted.whole else ''}number"
        limits = f"{number} from {wanted.minimum:,g} to {wanted.maximum:,g}"
        if not _is_literal(argument):
            hint = "" if row.series else f" ({row.name} reads {', '.join(row.inputs)} by itself)"
            self.fail(
                f"parameter {wanted.name} of {row.name} must be {limits}{hint}", argument.span
            )
        value = _literal(argument)
        if not wanted.minimum <= value <= wanted.maximum or (wanted.whole and value != int(value)):
            self.fail(
                f"parameter {wanted.name} of {row.name} must be {limits}, not {value:g}",
                argument.span,
            )
        return value

    def output(self, row: Indicator, token: _Token) -> str:
        if not self.is_mark("."):
            if row.outputs and row.name not in row.outputs:
                self.fail(
                    f"{row.name} has several outputs: add one of "
                    + ", ".join(f".{name}" for name in row.outputs),
                    self.since(token.span),
                )
            return row.name if row.outputs else ""
        self.advance()
        name = self.advance()
        if not row.outputs:
            self.fail(f"{row.name} has one value, and no .{name.text}", name.span)
        if name.text.lower() not in row.outputs:
            self.fail(
                f"{row.name} has no output {name.text!r}; it has {', '.join(row.outputs)}",
                name.span,
            )
        return name.text.lower()


def _number(text: str) -> float:
    suffix = text[-1].lower() if text[-1].isalpha() else ""
    return float(text[:-1] if suffix else text) * _SUFFIX[suffix]


def _is_literal(node: Node) -> bool:
    return isinstance(node, tree.Number) or (
        isinstance(node, tree.Negate) and isinstance(node.operand, tree.Number)
    )


def _literal(node: Node) -> float:
    if isinstance(node, tree.Negate):
        return -_literal(node.operand)
    assert isinstance(node, tree.Number)
    return node.value


def _unknown(name: str, *, calls: bool = False) -> str:
    known = [*INDICATORS, *FUNCTIONS] if calls else sorted(WORDS)
    name = name if len(name) <= 40 else name[:37] + "..."
    near = difflib.get_close_matches(name.lower(), known, n=1)
    what = "indicator or function" if calls else "name"
    hint = f"did you mean {near[0]}?" if near else "marketsweep indicators lists what there is"
    return f"unknown {what} {name!r}: {hint}"
