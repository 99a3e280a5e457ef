"""What the infix languages share: a Pratt parser that builds the tree of a condition.

A function of another tool is a row of a table: its parameters, and an expression of the language
in which they stand. So a call is translated by parsing that expression with the arguments in place
of the names, and the parser of the language checks kinds and limits. The languages differ in their
operators and in what begins with a name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final, NoReturn

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.parsing.calls import constant_value
from marketsweep.language.parsing.parser import parse_expression, parse_with
from marketsweep.language.translate.tokens import END, LINE, MARK, NAME, NUMBER, TEXT, Token
from marketsweep.language.translate.values import (
    ALWAYS,
    AVERAGES,
    NEVER,
    Function,
    Outputs,
    Parameter,
    Value,
    Word,
    as_number,
    as_truth,
    compared,
    joined,
    negated,
    simplified,
)
from marketsweep.language.tree import Kind, Node, Span

_MAX_DEPTH: Final = 60

_BINDINGS: Final = {
    **dict.fromkeys(("or", "||"), tree.OR),
    **dict.fromkeys(("and", "&&"), tree.AND),
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "<>"), tree.COMPARE),
    **dict.fromkeys(("+", "-"), tree.SUM),
    **dict.fromkeys(("*", "/", "%"), tree.PRODUCT),
    "^": tree.POWER,
    "[": tree.POSTFIX,
}
"""How tightly the operators that the languages share bind."""

_JOINS: Final = {"or": "or", "||": "or", "and": "and", "&&": "and"}


class Reader(ABC):
    """Parses expressions of one language. `notes` tell what differs from the other tool."""

    functions: ClassVar[Mapping[str, Sequence[Function]]]
    """The functions of the language by their names in lower case."""
    missing: ClassVar[Mapping[str, str]]
    """Why other functions and names cannot be translated, by their names in lower case."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.position = 0
        self.notes: list[str] = []
        self.depth = 0

    # -- tokens

    @property
    def token(self) -> Token:
        """The current token."""
        return self.tokens[self.position]

    def advance(self) -> Token:
        """Take the current token."""
        token = self.token
        self.position += token.kind != END
        return token

    def is_mark(self, *marks: str) -> bool:
        """Return whether the current token is one of these marks."""
        return self.token.kind == MARK and self.token.text in marks

    def is_word(self, *words: str) -> bool:
        """Return whether the current token is one of these words."""
        return self.token.kind == NAME and self.token.word in words

    def are_words(self, *words: str) -> bool:
        """Return whether these words come next, one after the other."""
        following = self.tokens[self.position : self.position + len(words)]
        return [token.word for token in following] == list(words)

    def take(self, *words: str) -> bool:
        """Take these words or marks if they come next; return whether they did."""
        if not self.are_words(*words):
            return False
        self.position += len(words)
        return True

    def expect(self, mark: str) -> None:
        """Take a mark. Raises ConditionError if another token is there."""
        if not self.take(mark):
            self.fail(f"expected {mark!r}, found {self.token_text()}")

    def token_text(self) -> str:
        """Describe the current token for an error."""
        if self.token.kind in (END, LINE):
            return "the end of the text" if self.token.kind == END else "the end of the line"
        return repr(self.token.text)

    def fail(self, message: str, span: Span | None = None) -> NoReturn:
        """Raise ConditionError at a span of the text, or at the current token."""
        column, width = span or self.token.span
        raise ConditionError(message, self.source, column, width)

    def span_from(self, start: Token) -> Span:
        """Return the span from a token to the last one taken."""
        last = self.tokens[max(self.position - 1, 0)]
        return Span(start.column, max(1, last.column + len(last.text) - start.column))

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    # -- expressions

    @abstractmethod
    def name_value(self, token: Token) -> Value:
        """Return what begins with a name, which was taken."""

    def node(self, floor: int = 0) -> Node:
        """Parse an expression that is a number or a condition."""
        start = self.token
        return self.as_node(self.expression(floor), start)

    def as_node(self, value: Value, start: Token) -> Node:
        """Return a value as a node; `start` is its first token."""
        if isinstance(value, Outputs):
            return value.first
        if isinstance(value, Word):
            self.fail(f"{value!s} is not a number or a condition", self.span_from(start))
        return value

    def expression(self, floor: int = 0) -> Value:
        """Parse an expression whose operators bind more tightly than `floor`."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.fail("the expression is nested too deeply")
        start = self.token
        left = self.operand()
        while (binding := self.binding()) > floor:
            left = self.infix(left, binding, start)
        self.depth -= 1
        return left

    def binding(self) -> int:
        """Return how tightly the current operator binds its left side; 0: no operator."""
        return _BINDINGS.get(self.token.word, 0) if self.token.kind in (MARK, NAME) else 0

    def infix(self, left: Value, binding: int, start: Token) -> Value:
        """Parse an operator and its right side."""
        operator = self.advance()
        if isinstance(left, Word) and operator.text in ("==", "!="):
            is_same = left.lower() == str(self.expression(binding)).lower()
            return ALWAYS if is_same == (operator.text == "==") else NEVER
        node = self.as_node(left, start)
        if binding == tree.POSTFIX:
            return self._history(node, start)
        right = self.node(binding)
        if operator.word in _JOINS:
            return joined(_JOINS[operator.word], as_truth(node), as_truth(right))
        if binding == tree.COMPARE:
            return compared(operator.text.replace("<>", "!="), node, right)
        if operator.text == "%":
            self.fail("the rest of a division cannot be translated", operator.span)
        return tree.Binary(operator.text, as_number(node), as_number(right))

    def _history(self, node: Node, start: Token) -> Node:
        offset = self.token
        bars = constant_value(self.node())
        self.expect("]")
        if bars is None or bars != int(bars):
            self.fail("the number of bars back must be a whole number", offset.span)
        return self.earlier(node, int(bars), self.span_from(start))

    def earlier(self, node: Node, bars: int, span: Span) -> Node:
        """Return a node some bars earlier. Raises ConditionError for a later one."""
        if bars < 0:
            self.fail("a condition cannot look into the future", span)
        return self.filled("x[n]", {"x": node, "n": tree.Number(float(bars))}, span)

    def choice(self, condition: Node, yes: Node, no: Node, span: Span) -> Node:
        """Return one of two values by a condition."""
        if condition in (ALWAYS, NEVER):
            return yes if condition == ALWAYS else no
        if yes.kind is Kind.TRUTH and no.kind is Kind.TRUTH:
            if (yes, no) == (ALWAYS, NEVER):
                return condition
            otherwise = joined("and", tree.Not(condition), no)
            return joined("or", joined("and", condition, yes), otherwise)
        names = {"cond": condition, "x": as_number(yes), "y": as_number(no)}
        return self.filled("if(cond, x, y)", names, span)

    def operand(self) -> Value:  # noqa: PLR0911, a line for each kind of token
        """Parse a number, a text, a parenthesis, a name, or the operand of a sign or `not`."""
        token = self.token
        if token.kind == NUMBER:
            self.advance()
            return tree.Number(float(token.text.replace("_", "")))
        if token.kind == TEXT:
            self.advance()
            return Word(token.text[1:-1])
        if self.take("("):
            value = self.expression()
            self.expect(")")
            return value
        if self.take("-"):
            value = self.node(tree.NEGATE)
            return tree.Negate(as_number(value))
        if self.take("+"):
            return self.node(tree.NEGATE)
        if self.is_mark("!") or self.is_word("not"):
            is_tight = self.advance().text == "!"
            return negated(as_truth(self.node(tree.NEGATE if is_tight else tree.NOT)))
        if token.kind == NAME:
            return self.name_value(self.advance())
        return self.fail(f"expected a value, found {self.token_text()}")

    def is_unknown(self, token: Token) -> Node:
        """Return whether the argument of a call is unknown; unknown itself where it is."""
        by_position, _ = self.arguments()
        if len(by_position) != 1:
            self.fail(f"{token.text} needs one value", self.span_from(token))
        node = as_number(self.as_node(*by_position[0]))
        self.note(f"{token.text}: a condition with an unknown value does not match")
        return tree.Not(tree.Compare((node, node), ("==",)))

    # -- calls

    def arguments(self) -> tuple[list[tuple[Value, Token]], dict[str, tuple[Value, Token]]]:
        """Parse the arguments of a call: those by position, and those by name in lower case."""
        self.expect("(")
        by_position: list[tuple[Value, Token]] = []
        by_name: dict[str, tuple[Value, Token]] = {}
        while not self.take(")"):
            if by_position or by_name:
                self.expect(",")
            start = self.token
            if start.kind in (NAME, TEXT) and self.tokens[self.position + 1].text == "=":
                self.position += 2
                value = self.expression(), start
                by_name[start.word.strip("\"'")] = value
            else:
                by_position.append((self.expression(), start))
        return by_position, by_name

    def call(self, name: Token, shown: str) -> Value:
        """Parse the arguments of a function of the table, which may be left out."""
        by_position, by_name = self.arguments() if self.is_mark("(") else ([], {})
        span = self.span_from(name)
        problem = ""
        rows = self.functions[shown.lower()]
        for row in rows:
            parameters = Parameter.all_of(row.parameters)
            if len(by_position) > len(parameters):
                problem = f"{shown} with {len(by_position)} arguments cannot be translated"
                continue
            names = [parameter.name for parameter in parameters]
            given_values = dict(zip(names, by_position, strict=False)) | by_name
            unknown = [name for name in given_values if name not in names]
            if unknown:
                problem = f"{unknown[0]} of {shown} cannot be translated"
                continue
            filled, problem = self._fill(row, parameters, given_values, shown, span)
            if filled is not None:
                return filled
        return self.fail(problem, span)

    def _fill(
        self,
        row: Function,
        parameters: Iterable[Parameter],
        arguments: Mapping[str, tuple[Value, Token]],
        shown: str,
        span: Span,
    ) -> tuple[Value | None, str]:
        """Return the value of a row with its arguments, or why the row does not fit."""
        nodes: dict[str, Node] = {}
        kinds: dict[str, str] = {}
        only = dict(part.split("=") for part in row.only.split(", ") if part)
        for parameter in parameters:
            value, start = arguments.get(parameter.name, (None, None))
            if value is None or start is None:
                if parameter.is_ignored:
                    continue
                if parameter.default is None:
                    return None, f"{parameter.name} of {shown} is missing"
                default = parameter.default
                value = Word(default) if default in AVERAGES else parse_expression(default)
                start = self.token
            if parameter.is_ignored:
                continue
            shown_value = AVERAGES.get(str(value).lower(), str(value))
            if only.get(parameter.name, shown_value) != shown_value:
                return None, f"{parameter.name} {value!s} of {shown} cannot be translated"
            if isinstance(value, Word):
                kind = AVERAGES.get(value.lower())
                if kind is None:
                    return None, f"{parameter.name} {value!s} of {shown} cannot be translated"
                kinds[parameter.name] = kind
                continue
            nodes[parameter.name] = self.as_node(value, start)
        lines = {
            output: self.filled(text.format(**kinds), nodes, span)
            for output, text in row.lines.items()
        }
        return (lines[""] if list(lines) == [""] else Outputs(lines)), ""

    def filled(self, text: str, nodes: Mapping[str, Node], span: Span) -> Node:
        """Return an expression of the language with nodes in place of its names.

        Nodes of weekly or monthly bars make an expression of these bars.
        """
        frames = {
            (node.unit, node.running) for node in nodes.values() if isinstance(node, tree.Resampled)
        }
        inner = {
            name: node.of if isinstance(node, tree.Resampled) else node
            for name, node in nodes.items()
        }
        series = [node for node in nodes.values() if constant_value(node) is None]
        if len(frames) > 1 or (frames and not all(isinstance(x, tree.Resampled) for x in series)):
            if _reads_earlier_bars(text, nodes):
                self.fail("bars of different length in one call cannot be translated", span)
            inner, frames = dict(nodes), set()
        try:
            node = parse_with(text, self._fitted(text, inner))
            for unit, running in frames:
                node = parse_with(f"{unit}(x{', running' if running else ''})", {"x": node})
        except ConditionError as error:
            self.fail(error.message, span)
        return simplified(tree.without_spans(node))

    def _fitted(self, text: str, nodes: Mapping[str, Node]) -> dict[str, Node]:
        """Return nodes with the kind that the expression needs: `c` is a condition."""
        fitted = {}
        for name, node in nodes.items():
            if name.startswith("cond"):
                fitted[name] = as_truth(node)
            elif text == "x[n]" or node.kind is not Kind.TRUTH:
                fitted[name] = node
            else:
                fitted[name] = as_number(node)
        return fitted

    def refuse(self, token: Token, shown: str) -> NoReturn:
        """Raise ConditionError for a name that cannot be translated, with or without a prefix."""
        reason = self.missing.get(shown.lower(), self.missing.get(shown.lower().rpartition(".")[2]))
        span = Span(token.column, len(shown))
        self.fail(f"{shown} cannot be translated{f': {reason}' if reason else ''}", span)


def _reads_earlier_bars(text: str, nodes: Mapping[str, Node]) -> bool:
    """Return whether an expression reads earlier bars of its names; crossings are compared."""
    condition, close = parse_expression("close > open"), tree.Field("close")
    names = {
        name: condition if name.startswith("cond") else node if constant_value(node) else close
        for name, node in nodes.items()
    }
    windows = (tree.Call, tree.Event, tree.Shift, tree.For, tree.Within)
    return any(isinstance(part, windows) for part in parse_with(text, names).walk())
