"""Parse a condition's text into a tree, and check names and kinds: a Pratt parser.

    rsi(14) < 30 and close > sma(200) and volume > 2 * sma(volume, 20)
    sma(50) crosses above sma(200) within 5 bars

1. `lexer` cuts the text into tokens.
2. Operators are parsed by precedence (`Parser.expression`). Between them stand literals,
   parentheses, names and calls (`calls`).
3. Lines that begin with `let` name expressions, and lines that begin with `def` define functions,
   which later lines may use (`Parser.parse_definitions`). A call of such a function parses its body
   again, with the arguments as names (`Parser.apply`).

Every error is a `ConditionError` that points at its column. No part of the text is ever executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from msgspec.structs import replace

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.derived_facts import DERIVED_FACTS
from marketsweep.language.indicators.row import MAX_PERIOD
from marketsweep.language.parsing.calls import Definition, constant_value
from marketsweep.language.parsing.definitions import DefinitionParser
from marketsweep.language.parsing.lexer import END, LINE_END, Token, tokenize
from marketsweep.language.parsing.own_names import NO_NAMES, OwnNames
from marketsweep.language.parsing.token_stream import MAX_LENGTH
from marketsweep.language.tree import Kind, Node, Span
from marketsweep.language.vocabulary import KEYWORDS, TRENDS, WORDS

__all__ = ["MAX_LENGTH", "parse", "parse_expression", "split_expressions"]

MAX_DEPTH: Final = 64
MAX_OPERATORS: Final = 2_000
MAX_PARTS: Final = 10_000
MAX_HEIGHT: Final = 300
"""Greatest height of the tree, with names replaced by their expressions."""
MAX_SAVED: Final = 50
"""Most saved conditions that use each other, one inside the other."""

_COMPARISONS: Final = frozenset(("<=", ">=", "==", "!=", "<", ">", "="))


def parse(source: str, own_names: OwnNames = NO_NAMES) -> Node:
    """Return the tree of a condition, which is true or false at each bar of a symbol.

    Raises ConditionError, with the column, for any error in the text.
    """
    node = tree.as_condition(parse_expression(source, own_names))
    if node.kind is not Kind.TRUTH:
        raise ConditionError(
            f"this is {node.kind.value}, but a condition must be true or false: compare it, as in "
            f"{_shorten(source)} > 0",
            source,
            node.span.column,
            node.span.width,
        )
    return node


def parse_expression(source: str, own_names: OwnNames = NO_NAMES) -> Node:
    """Return the tree of any expression: a condition, or a number to sort by or show."""
    return Parser(source, own_names, ()).parse_all()


def check_saved(name: str, source: str, own_names: OwnNames) -> None:
    """Raise ConditionError for a text that is neither a condition nor the function `name`."""
    parser = Parser(source, own_names, ())
    parser.parse_definitions()
    if parser.token.kind != END or not parser.functions:
        parse(source, own_names)
    elif name not in parser.functions:
        raise ConditionError(f"the text defines {', '.join(parser.functions)} and not {name}")


def parse_with(source: str, nodes: dict[str, Node], most_operators: int = MAX_OPERATORS) -> Node:
    """Return the tree of an expression in which names stand for trees of any size."""
    parser = Parser(source, NO_NAMES, ())
    parser.lets = nodes
    parser.most_operators = most_operators
    return parser.parse_rest()


def require_size(node: Node, most: int = MAX_PARTS) -> None:
    """Raise ConditionError for a tree that has too many parts or is too deep."""
    parts, height, nodes = 0, 0, [node]
    while nodes:
        parts, height = parts + len(nodes), height + 1
        if parts > most or height > MAX_HEIGHT:
            raise ConditionError(
                f"with its names written out, the condition has more than {most:,} parts or is "
                f"nested more than {MAX_HEIGHT} deep",
            )
        nodes = [child for parent in nodes for child in parent.children()]


def split_expressions(source: str) -> tuple[str, ...]:
    """Return the expressions of a list, cut at the commas outside parentheses and brackets."""
    parts, depth, start = [], 0, 0
    for token in tokenize(source):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.kind == END or (token.text == "," and depth == 0):
            parts.append(source[start : token.column].strip())
            start = token.column + 1
    return tuple(part for part in parts if part)


def _shorten(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= 40 else text[:37] + "..."


class _InSaved(ConditionError):
    """An error in a saved condition, at the place of the name in the text that uses it."""


class Parser(DefinitionParser):
    """Parses tokens by operator precedence; it has one method per construct."""

    def __init__(
        self,
        source: str,
        own_names: OwnNames,
        enclosing: tuple[str, ...],
        token_list: list[Token] | None = None,
    ) -> None:
        super().__init__(source, own_names, enclosing, token_list)
        self.calling: tuple[str, ...] = ()
        """The functions whose bodies contain this part, outermost first."""
        self.depth = 0
        self.operators = 0
        self.most_operators = MAX_OPERATORS

    def parse_all(self) -> Node:
        """Parse all of the text: lines that begin with `let` or `def`, and then the expression."""
        self.parse_definitions()
        # After the names comes one expression, over as many lines as it takes.
        remaining = [token for token in self.tokens[self.position :] if token.kind != LINE_END]
        self.tokens[self.position :] = remaining
        self.token = remaining[0]
        if self.token.kind == END:
            is_defined = self.lets or self.functions
            message = "the condition after the let and def lines is missing" if is_defined else ""
            self.fail(message or "the condition is empty: write, for example, rsi(14) < 30")
        node = self.parse_rest()
        self.check_size(node)
        return node

    def parse_rest(self) -> Node:
        """Parse the remaining text as one expression."""
        node = self.expression(0)
        if self.token.kind != END:
            self.fail(f"expected and, or or the end of the condition, found {self.token_text()}")
        return node

    def definition(self, name: str) -> Definition | None:
        """Return the function that the text defines, or that is saved, under a name; or None."""
        if name in self.calling or name in self.enclosing:
            self.fail(f"the function {name} calls itself", self.tokens[self.position - 1].span)
        if name in self.functions:
            return self.functions[name]
        text = self.own_names.condition(name)
        if text is None:
            return None
        parser = Parser(text, self.own_names, (*self.enclosing, name))
        with self._named(name, self.tokens[self.position - 1].span):
            parser.parse_definitions()
        return parser.functions.get(name)

    def apply(self, definition: Definition, arguments: list[Node], token: Token) -> Node:
        """Return the tree of a function's body, with arguments in place of its parameters."""
        span = self.span_from(token)
        count = len(definition.parameters)
        if len(arguments) != count:
            noun = "argument" if count == 1 else "arguments"
            self.fail(f"{definition.signature} takes {count} {noun}, not {len(arguments)}", span)
        body = Parser(definition.source, self.own_names, definition.saved_as, list(definition.body))
        body.lets = definition.lets | dict(zip(definition.parameters, arguments, strict=True))
        body.functions = definition.functions
        body.calling = (*self.calling, definition.name)
        body.most_operators = self.most_operators
        # A function that uses another one twice, and so on, grows exponentially.
        body.depth, body.operators = self.depth, self.operators + 1
        is_saved = definition.saved_as != self.enclosing
        if is_saved:
            with self._named(definition.name, span):
                node = tree.without_spans(body.parse_rest())
        else:
            node = body.parse_rest()
        self.operators = body.operators
        if self.operators > self.most_operators:
            self.fail(f"the condition has more than {self.most_operators} operators", span)
        self.check_size(node)
        return replace(node, span=span)

    @contextmanager
    def _named(self, name: str, span: Span) -> Iterator[None]:
        """Add the name of a saved text to the errors in it, at the place of the name."""
        try:
            yield
        except _InSaved as error:
            raise _InSaved(error.message, self.source, *span) from error
        except ConditionError as error:
            line = f", in {error.line!r}" if error.source else ""
            message = f"in the saved condition {name}: {error.message}{line}"
            raise _InSaved(message, self.source, *span) from error

    def check_size(self, node: Node) -> None:
        """Raise ConditionError if a tree is too large: names inside names grow exponentially."""
        try:
            require_size(node)
        except ConditionError as error:
            self.fail(str(error), node.span)

    def saved_condition(self, name: str) -> Node | None:
        """Return the tree of a saved condition, which may use other saved conditions."""
        text = self.own_names.condition(name)
        if text is None:
            return None
        if name in self.enclosing:
            chain = " -> ".join([*self.enclosing, name])
            raise ConditionError(f"the saved condition {name} contains itself: {chain}")
        if len(self.enclosing) >= MAX_SAVED:
            first = " -> ".join([*self.enclosing[:3], "..."])
            raise ConditionError(
                f"saved conditions use each other more than {MAX_SAVED} deep: {first}"
            )
        with self._named(name, self.tokens[self.position - 1].span):
            parser = Parser(text, self.own_names, (*self.enclosing, name))
            parser.parse_definitions()
            function = parser.functions.get(name)
            if function and parser.token.kind == END:
                raise ConditionError(f"{name} is a function: write {function.signature}")
            return tree.without_spans(parser.parse_all())

    def derived_fact(self, name: str) -> Node | None:
        """Return the tree of a fact that is a formula of stored facts, or None.

        None if no fact of the formula is stored. Raises ConditionError if only some are.
        """
        derived = DERIVED_FACTS.get(name)
        if derived is None:
            return None
        missing = [fact for fact in derived.inputs if self.own_names.kind_of(fact) is None]
        if len(missing) == len(derived.inputs):
            return None
        if missing:
            self.fail(
                f"{name} is {derived.formula}, and {' and '.join(missing)} is not stored: "
                "marketsweep sync --facts fetches it, or add a column to a symbols file",
                self.tokens[self.position - 1].span,
            )
        names = OwnNames(facts=self.own_names.facts, dated=self.own_names.dated)
        return tree.without_spans(Parser(derived.formula, names, ()).parse_all())

    def can_parse(self, text: str) -> bool:
        """Return whether a text is an expression, which may use the names of this text."""
        try:
            parser = Parser(text, NO_NAMES, ())
            parser.lets = self.lets
            parser.answers_foreign_words = False
            parser.parse_rest()
        except ConditionError:
            return False
        return True

    # -- operators

    def expression(self, floor: int) -> Node:
        """Parse an expression whose operators bind more tightly than `floor`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"parentheses and operators are nested more than {MAX_DEPTH} deep"
            self.fail(message, self.token.span)
        left = self.operand()
        while True:
            operator = self.token.word or self.token.text
            binding = _BINDING.get(operator, 0)
            if binding <= floor:
                self.depth -= 1
                return left
            self._count_operator()
            left = _INFIX[operator](self, left)

    def _count_operator(self) -> None:
        """Raise ConditionError at the first operator that is too many.

        A chain of operators makes a deep tree without nesting in the text.
        """
        self.operators += 1
        if self.operators > self.most_operators:
            message = f"the condition has more than {self.most_operators} operators"
            self.fail(message, self.token.span)

    def _join(self, left: Node) -> Node:
        """Parse all operands of a chain of `and` or `or`."""
        operator = self.token.word
        binding = _BINDING[operator]
        operands = [self.require_kind(left, Kind.TRUTH, f"the left side of {operator}")]
        role = f"the right side of {operator}"
        while True:
            self.advance()
            operands.append(self.require_kind(self.expression(binding), Kind.TRUTH, role))
            if self.token.word != operator:
                return tree.joined(operator, operands, self.span_from(left.span))
            self._count_operator()

    def _arithmetic(self, left: Node) -> Node:
        operator = self.advance().text
        binding = _BINDING[operator]
        if left.kind is Kind.DATE and operator in ("+", "-"):
            return self._day_arithmetic(left, operator, binding)
        left = self.require_kind(left, Kind.NUMBER, f"the left side of {operator}")
        right = self.expression(binding)
        right = self.require_kind(right, Kind.NUMBER, f"the right side of {operator}")
        return tree.Binary(operator, left, right, span=self.span_from(left.span))

    def _day_arithmetic(self, left: Node, operator: str, binding: int) -> Node:
        """Parse what follows a date: a number of days, or after a minus another date."""
        right = self.expression(binding)
        if right.kind is Kind.DATE and operator == "-":
            return tree.Binary(operator, left, right, span=self.span_from(left.span))
        right = self.require_kind(right, Kind.NUMBER, f"the right side of {operator} after a date")
        return tree.Binary(operator, left, right, is_date=True, span=self.span_from(left.span))

    def _comparison(self, left: Node) -> Node:
        operands, operators = [left], list[str]()
        while self.token.text in _COMPARISONS:
            token = self.advance()
            operators.append("==" if token.text == "=" else token.text)
            if isinstance(left, tree.Fact) and left.kind is Kind.TEXT:
                self._require_quotes(left, token)
            operands.append(self.expression(tree.COMPARE))
            self._check_comparison(operands[-2], operands[-1], token)
            if len(operands) > 2 and left.kind is Kind.TEXT:
                self.fail("compare two texts at a time: join comparisons with and", token.span)
        return tree.Compare(tuple(operands), tuple(operators), span=self.span_from(left.span))

    def _require_quotes(self, fact: tree.Fact, operator: Token) -> None:
        """Raise ConditionError at a text without quotes, which is compared with a fact."""
        word = self.token.word
        names = (*WORDS, *KEYWORDS, *self.lets, *self.functions, *dict(self.own_names.facts))
        if word and word not in names and self.own_names.condition(word) is None:
            self.fail(
                f'a text stands in quotes: write {fact} {operator.text} "{self.token.text}"',
                self.token.span,
            )

    def _check_comparison(self, left: Node, right: Node, token: Token) -> None:
        if left.kind is right.kind is Kind.NUMBER:
            return
        for side in (left, right):
            if side.kind is Kind.TRUTH:
                self.fail(f"{token.text} compares numbers, but this is true or false", side.span)
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
            self.require_kind(node, Kind.NUMBER, "each part of between")
        return tree.Compare((low, left, high), ("<=", "<="), span=self.span_from(left.span))

    def _moving(self, left: Node) -> Node:
        self.require_kind(left, Kind.NUMBER, "the part before is")
        self.advance()
        if not self.is_word(*TRENDS):
            self.fail(f"expected {' or '.join(TRENDS)} after is, found {self.token_text()}")
        operator = TRENDS[self.advance().word]
        earlier = tree.Shift(left, 1)
        return tree.Compare((left, earlier), (operator,), span=self.span_from(left.span))

    def _match(self, left: Node) -> Node:
        how = self.token.word
        if not isinstance(left, tree.Fact) or left.kind is not Kind.TEXT:
            self.fail(f"the part before {how} must be a text, such as name", left.span)
        self.advance()
        pattern = self.parse_text(f'a text in quotes after {how}, as in name {how} "Bio"')
        return tree.Match(left, how, pattern, span=self.span_from(left.span))

    def _membership(self, left: Node) -> Node:
        if left.kind is Kind.TRUTH:
            self.fail("the part before in must be a text or a number", left.span)
        self.advance()
        self.expect("[", "after in")
        choices: list[Node] = []
        while not self.is_mark("]"):
            if choices:
                self.expect(",", "between the choices")
            choices.append(self._choice(left.kind))
        self.advance()
        if not choices:
            self.fail("the list is empty, so nothing could match", self.span_from(left.span))
        span = self.span_from(left.span)
        if left.kind is Kind.TEXT:
            texts = tuple(choice for choice in choices if isinstance(choice, tree.Text))
            return tree.In(left, texts, span=span)
        equal = [tree.Compare((left, choice), ("==",), span=span) for choice in choices]
        return tree.joined("or", equal, span)

    def _choice(self, kind: Kind) -> Node:
        if kind is Kind.TEXT:
            return self.parse_text('a text in quotes, as in ["Energy"]')
        choice = self.expression(tree.SUM)
        value = constant_value(choice)
        if value is None:
            self.fail("expected a number, as in [1, 2]", choice.span)
        return tree.Negate(tree.Number(-value)) if value < 0 else tree.Number(value)

    def _cross(self, left: Node) -> Node:
        self.advance()
        is_directed = self.is_word("above", "below")
        directions = [self.advance().word] if is_directed else ["above", "below"]
        right = self.expression(tree.COMPARE)
        for side in (left, right):
            self.require_kind(side, Kind.NUMBER, "each side of crosses")
        span = self.span_from(left.span)
        crosses = [tree.Cross(left, right, direction, span=span) for direction in directions]
        return tree.joined("or", crosses, span)

    def _window(self, left: Node) -> Node:
        word = self.token.word
        left = self.require_kind(left, Kind.TRUTH, f"the part before {word}")
        self.advance()
        bars = self.parse_whole_number(f"the number of bars after {word}", least=1)
        if not self.is_word("bar", "bars"):
            self.fail(f"expected bars after the number, found {self.token_text()}")
        self.advance()
        node = tree.Within if word == "within" else tree.For
        return node(left, bars, span=self.span_from(left.span))

    def _shift(self, left: Node) -> Node:
        chain, node = 1, left
        while isinstance(node, tree.Shift):
            chain, node = chain + 1, node.of
        if chain > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} brackets follow each other", left.span)
        if left.kind is Kind.TEXT:
            self.fail("a text is the same at every bar: remove the brackets", left.span)
        self.advance()
        bars = self._bars_back()
        self.expect("]", "after the number of bars back")
        return tree.Shift(left, bars, span=self.span_from(left.span))

    def _bars_back(self) -> int:
        """Parse a number of bars, or arithmetic on numbers."""
        if self.token.kind == "number" and self.tokens[self.position + 1].text == "]":
            return self.parse_whole_number("the number of bars back, in brackets,", least=0)
        node = self.expression(tree.COMPARE)
        bars = constant_value(node)
        if bars is None or bars != int(bars) or not 0 <= bars <= MAX_PERIOD:
            is_minus = bars is not None and bars == int(bars) and -MAX_PERIOD <= bars < 0
            self.fail(
                "the number of bars back, in brackets, must be a whole number from 0 to "
                f"{MAX_PERIOD:,}" + (f": write [{-int(bars)}]" if is_minus and bars else ""),
                node.span,
            )
        return int(bars)

    # -- operands

    def operand(self) -> Node:  # noqa: PLR0911, a line for each kind of token
        """Parse a literal, a parenthesis, a name or call, or an operand of a minus or `not`."""
        token = self.token
        if token.word and token.word not in KEYWORDS:
            return self.parse_name()
        if token.kind == "number":
            return self.parse_number()
        if token.text == "(":
            return self._parenthesis()
        if token.text == "-" or token.word == "not":
            return self._unary()
        if token.kind == "text":
            return self.parse_text("a text")
        if token.kind == "date":
            return self.parse_date("a date")
        if token.word == "bars" and self.tokens[self.position + 1].text == "(":
            return self.parse_name()
        return self.fail(f"expected a number, a name or a parenthesis, found {self.token_text()}")

    def _parenthesis(self) -> Node:
        self.advance()
        inner = self.expression(0)
        self.expect(")", "to close the parenthesis")
        return inner

    def _unary(self) -> Node:
        token = self.advance()
        if token.text == "-":
            operand = self.require_kind(
                self.expression(tree.NEGATE), Kind.NUMBER, "the part after -"
            )
            return tree.Negate(operand, span=self.span_from(token))
        operand = self.require_kind(self.expression(tree.NOT), Kind.TRUTH, "the part after not")
        return tree.Not(operand, span=self.span_from(token))


_OPERATORS: Final[tuple[tuple[str, int, Callable[[Parser, Node], Node]], ...]] = (
    ("or", tree.OR, Parser._join),
    ("and", tree.AND, Parser._join),
    ("within", tree.WITHIN, Parser._window),
    ("for", tree.WITHIN, Parser._window),
    *((mark, tree.COMPARE, Parser._comparison) for mark in _COMPARISONS),
    ("in", tree.COMPARE, Parser._membership),
    ("is", tree.COMPARE, Parser._moving),
    ("crosses", tree.COMPARE, Parser._cross),
    ("between", tree.COMPARE, Parser._between),
    ("contains", tree.COMPARE, Parser._match),
    ("matches", tree.COMPARE, Parser._match),
    ("+", tree.SUM, Parser._arithmetic),
    ("-", tree.SUM, Parser._arithmetic),
    ("*", tree.PRODUCT, Parser._arithmetic),
    ("/", tree.PRODUCT, Parser._arithmetic),
    ("^", tree.POWER, Parser._arithmetic),
    ("[", tree.POSTFIX, Parser._shift),
)
"""What follows an operand: how tightly it binds its left side, and what parses the rest."""

_BINDING: Final = {operator: binding for operator, binding, _ in _OPERATORS}
_INFIX: Final = {operator: parse for operator, _, parse in _OPERATORS}
