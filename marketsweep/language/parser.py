"""Text to tree: a Pratt parser for the condition language, and the checks of names and kinds.

    rsi(14) < 30 and close > sma(200) and volume > 2 * sma(volume, 20)
    sma(50) crosses above sma(200) within 5 bars

1. `lexer` cuts the text.
2. Operators climb by how tightly they bind (`Parser.expression`); what stands between them is a
   literal, a parenthesis, or a name or call (`calls`).
3. Lines that begin with `let` name expressions, which later lines may use (`Parser.whole`).

Every error is a `ConditionError` that points at its column. Nothing of the text is ever executed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.calls import Calls, is_free, is_literal, literal
from marketsweep.language.lexer import END, LINE_END, Token, tokens
from marketsweep.language.token_stream import MAX_LENGTH
from marketsweep.language.tree import Kind, Node
from marketsweep.language.vocabulary import KEYWORDS

__all__ = ["MAX_LENGTH", "parse", "parse_expression", "split_expressions"]

MAX_DEPTH: Final = 64
MAX_OPERATORS: Final = 250
MAX_PARTS: Final = 2000
MAX_HEIGHT: Final = 300
"""Height of the whole tree, with names written out."""
MAX_SAVED: Final = 50
"""Saved conditions that use each other, one within the other."""

_COMPARISONS: Final = ("<=", ">=", "==", "!=", "<", ">", "=")
_MARKS: Final = {"+": tree.SUM, "-": tree.SUM, "*": tree.PRODUCT, "/": tree.PRODUCT} | {
    "[": tree.POSTFIX
}
_WORDS: Final = {"or": tree.OR, "and": tree.AND, "within": tree.WITHIN, "for": tree.WITHIN} | (
    dict.fromkeys(("in", "crosses", "between", "contains", "matches"), tree.COMPARE)
)

Saved = Callable[[str], str | None]
"""The text of the condition that is saved under a name; None where none is."""


def parse(source: str, saved: Saved | None = None) -> Node:
    """The tree of a condition: true or false at each bar of a symbol.

    Raises `ConditionError`, with the column, for whatever is wrong with it.
    """
    node = parse_expression(source, saved)
    if node.kind is not Kind.TRUTH:
        raise ConditionError(
            f"this is {node.kind.value}, and a condition is true or false: compare it, "
            f"as in {_shorten(source)} > 0",
            source,
            node.span.column,
            node.span.width,
        )
    return node


def parse_expression(source: str, saved: Saved | None = None) -> Node:
    """The tree of any expression: a condition, or a number to sort by or show."""
    return Parser(source, saved, ()).whole()


def parse_with(source: str, nodes: dict[str, Node]) -> Node:
    """The tree of an expression in which names stand for trees, which may be of any size."""
    parser = Parser(source, None, ())
    parser.lets = nodes
    return parser.rest()


def require_size(node: Node, most: int = MAX_PARTS) -> None:
    """Raise ConditionError for a tree of too many parts, or one that is too deep."""
    parts, height, level = 0, 0, [node]
    while level:
        parts, height = parts + len(level), height + 1
        if parts > most or height > MAX_HEIGHT:
            raise ConditionError(
                f"with its names written out, the condition has more than {most:,} parts or is "
                f"nested more than {MAX_HEIGHT} deep",
            )
        level = [child for one in level for child in one.children()]


def split_expressions(source: str) -> tuple[str, ...]:
    """The expressions of a list: cut at the commas that stand in no parenthesis or bracket."""
    parts, depth, start = [], 0, 0
    for token in tokens(source):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.kind == END or (token.text == "," and depth == 0):
            parts.append(source[start : token.column].strip())
            start = token.column + 1
    return tuple(part for part in parts if part)


def _shorten(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= 40 else text[:37] + "..."


class Parser(Calls):
    """Precedence climbing over the tokens; one method a construct."""

    def __init__(
        self,
        source: str,
        saved: Saved | None,
        within: tuple[str, ...],
        cut: list[Token] | None = None,
    ) -> None:
        super().__init__(source, cut)
        self._saved = saved
        self._within = within
        """Names of the saved conditions that this one is a part of."""
        self.depth = 0
        self.operators = 0

    def whole(self) -> Node:
        """All of the text: lines that begin with `let`, and the expression."""
        self._skip_line_ends()
        while self.is_word("let"):
            self._let()
            self._skip_line_ends()
        # What follows the names is one expression, over as many lines as it takes.
        rest = [token for token in self.tokens[self.at :] if token.kind != LINE_END]
        self.tokens[self.at :] = rest
        if self.token.kind == END:
            missing = "after the names comes a condition, and there is none" if self.lets else ""
            self.fail(missing or "the condition is empty: write, for example, rsi(14) < 30")
        node = self.rest()
        self.need_size(node)
        return node

    def rest(self) -> Node:
        """The expression that the rest of the text is."""
        node = self.expression(0)
        if self.token.kind != END:
            self.fail(f"expected and, or or the end of the condition, found {self.found()}")
        return node

    def _skip_line_ends(self) -> None:
        while self.token.kind == LINE_END:
            self.advance()

    def _let(self) -> None:
        self.advance()
        token = self.advance()
        name = token.text.lower()
        if token.kind != "name":
            self.fail("expected a name after let, as in let trend = sma(50)", token.span)
        if not is_free(name) or name in self.lets:
            taken = "is given twice" if name in self.lets else "has a meaning of its own"
            self.fail(f"{token.text} {taken}: choose another name", token.span)
        self.expect("=", "after the name, as in let trend = sma(50)")
        node = self.expression(0)
        if not self.is_over():
            self.fail(f"expected the end of the line after let {name} = ..., found {self.found()}")
        self.need_size(node)
        self.lets[name] = node

    def need_size(self, node: Node) -> None:
        """Names within names grow as powers do: what they stand for is bounded as well."""
        try:
            require_size(node)
        except ConditionError as error:
            self.fail(str(error), node.span)

    def saved(self, name: str) -> Node | None:
        """The tree of a saved condition, which may use others."""
        text = self._saved(name) if self._saved else None
        if text is None:
            return None
        if name in self._within:
            chain = " -> ".join([*self._within, name])
            raise ConditionError(f"the saved condition {name} is a part of itself: {chain}")
        if len(self._within) >= MAX_SAVED:
            first = " -> ".join([*self._within[:3], "..."])
            raise ConditionError(
                f"saved conditions use each other more than {MAX_SAVED} deep: {first}"
            )
        try:
            return tree.unplaced(Parser(text, self._saved, (*self._within, name)).whole())
        except ConditionError as error:
            if self._within:
                raise
            raise ConditionError(f"in the saved condition {name}: {error}") from error

    # -- operators

    def expression(self, floor: int) -> Node:
        """An expression whose operators bind more tightly than `floor`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"parentheses and operators are nested more than {MAX_DEPTH} deep")
        left = self.operand()
        while (binding := self._binding()) > floor:
            # A chain of operators nests to the left without nesting in the text.
            self.operators += 1
            if self.operators > MAX_OPERATORS:
                self.fail(f"the condition has more than {MAX_OPERATORS} operators")
            left = self._infix(left, binding)
        self.depth -= 1
        return left

    def _binding(self) -> int:
        """How tightly the operator at hand binds what stands before it; 0: it is none."""
        if self.token.kind == "operator":
            return _MARKS.get(
                self.token.text, tree.COMPARE if self.token.text in _COMPARISONS else 0
            )
        return _WORDS.get(self.token.text.lower(), 0) if self.token.kind == "name" else 0

    def _infix(self, left: Node, binding: int) -> Node:
        if binding == tree.POSTFIX:
            return self._shift(left)
        if binding == tree.WITHIN:
            return self._stretch(left)
        if binding == tree.COMPARE:
            return self._comparison(left)
        token = self.advance()
        operator = token.text.lower()
        kind = Kind.TRUTH if operator in ("and", "or") else Kind.NUMBER
        self.need(left, kind, f"the left side of {operator}")
        right = self.need(self.expression(binding), kind, f"the right side of {operator}")
        span = self.since(left.span)
        if kind is Kind.TRUTH:
            return tree.joined(operator, (left, right), span)
        return tree.Binary(operator, left, right, span=span)

    def _comparison(self, left: Node) -> Node:
        if self.is_word("in"):
            return self._membership(left)
        if self.is_word("crosses"):
            return self._cross(left)
        if self.is_word("between"):
            return self._between(left)
        if self.is_word("contains", "matches"):
            return self._match(left)
        operands, operators = [left], []
        while self.is_mark(*_COMPARISONS):
            token = self.advance()
            operators.append({"=": "=="}.get(token.text, token.text))
            operands.append(self.expression(tree.COMPARE))
            self._check_comparison(operands[-2], operands[-1], token)
            if len(operands) > 2 and left.kind is Kind.TEXT:
                self.fail("texts are compared by twos: join comparisons by and", token.span)
        return tree.Compare(tuple(operands), tuple(operators), span=self.since(left.span))

    def _check_comparison(self, left: Node, right: Node, token: Token) -> None:
        for side in (left, right):
            if side.kind is Kind.TRUTH:
                self.fail(f"{token.text} compares numbers, and this is true or false", side.span)
        if left.kind is not right.kind:
            self.fail(
                f"{token.text} compares {left.kind.value} with {right.kind.value}", right.span
            )
        if left.kind is Kind.TEXT and token.text not in ("==", "!=", "="):
            self.fail(f"texts have no order: use ==, != or in, not {token.text}", token.span)

    def _between(self, left: Node) -> Node:
        self.advance()
        low = self.expression(tree.COMPARE)
        self.expect_word("and", "between the two limits")
        high = self.expression(tree.COMPARE)
        for node in (left, low, high):
            self.need(node, Kind.NUMBER, "each part of between")
        return tree.Compare((low, left, high), ("<=", "<="), span=self.since(left.span))

    def _match(self, left: Node) -> Node:
        how = self.token.text.lower()
        if not isinstance(left, tree.Fact) or left.kind is not Kind.TEXT:
            self.fail(f"what stands before {how} must be a text, such as name", left.span)
        self.advance()
        pattern = self.text(f'a text in quotes after {how}, as in name {how} "Bio"')
        return tree.Match(left, how, pattern, span=self.since(left.span))

    def _membership(self, left: Node) -> Node:
        if left.kind is Kind.TRUTH:
            self.fail("what stands before in must be a text or a number", left.span)
        self.advance()
        self.expect("[", "after in")
        choices: list[Node] = []
        while not self.is_mark("]"):
            if choices:
                self.expect(",", "between the choices")
            choices.append(self._choice(left.kind))
        self.advance()
        if not choices:
            self.fail("the list is empty, so nothing could match", self.since(left.span))
        span = self.since(left.span)
        if left.kind is Kind.TEXT:
            texts = tuple(choice for choice in choices if isinstance(choice, tree.Text))
            return tree.In(left, texts, span=span)
        equal = [tree.Compare((left, choice), ("==",), span=span) for choice in choices]
        return tree.joined("or", equal, span)

    def _choice(self, kind: Kind) -> Node:
        if kind is Kind.TEXT:
            return self.text('a text in quotes, as in ["Energy"]')
        choice = self.expression(tree.SUM)
        if not is_literal(choice):
            self.fail("expected a number, as in [1, 2]", choice.span)
        value = literal(choice)
        return tree.Negate(tree.Number(-value)) if value < 0 else tree.Number(value)

    def _cross(self, left: Node) -> Node:
        self.advance()
        if not self.is_word("above", "below"):
            self.fail(f"expected above or below after crosses, found {self.found()}")
        direction = self.advance().text.lower()
        right = self.expression(tree.COMPARE)
        for side in (left, right):
            self.need(side, Kind.NUMBER, "what crosses")
        return tree.Cross(left, right, direction, span=self.since(left.span))

    def _stretch(self, left: Node) -> Node:
        word = self.token.text.lower()
        self.need(left, Kind.TRUTH, f"what stands before {word}")
        self.advance()
        bars = self.whole_number(f"the number of bars after {word}", least=1)
        if not self.is_word("bar", "bars"):
            self.fail(f"expected bars after the number, found {self.found()}")
        self.advance()
        node = tree.Within if word == "within" else tree.For
        return node(left, bars, span=self.since(left.span))

    def _shift(self, left: Node) -> Node:
        if left.kind is Kind.TEXT:
            self.fail("a text is the same at every bar: leave the brackets out", left.span)
        self.advance()
        bars = self.whole_number("the number of bars back, in brackets,", least=0)
        self.expect("]", "after the number of bars back")
        return tree.Shift(left, bars, span=self.since(left.span))

    # -- what stands between operators

    def operand(self) -> Node:
        """A literal, a parenthesis, or what begins with a name, a minus or `not`."""
        token = self.token
        if token.kind == "number":
            return self.number(self.advance())
        if token.kind == "text":
            return self.text("a text")
        if self.is_mark("("):
            return self._parenthesis()
        if self.is_mark("-") or self.is_word("not"):
            return self._unary()
        if token.kind == "name" and token.text.lower() not in KEYWORDS:
            return self.name()
        return self.fail(f"expected a number, a name or a parenthesis, found {self.found()}")

    def _parenthesis(self) -> Node:
        self.advance()
        inner = self.expression(0)
        self.expect(")", "to close the parenthesis")
        return inner

    def _unary(self) -> Node:
        token = self.advance()
        if token.text == "-":
            operand = self.need(self.expression(tree.NEGATE), Kind.NUMBER, "what follows -")
            return tree.Negate(operand, span=self.since(token.span))
        operand = self.need(self.expression(tree.NOT), Kind.TRUTH, "what follows not")
        return tree.Not(operand, span=self.since(token.span))
