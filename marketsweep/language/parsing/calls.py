"""Parse what begins with a name: fields, facts, and calls of indicators and functions."""

from __future__ import annotations

import math
import operator
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, NoReturn

from msgspec.structs import replace

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.core.suggest import names_misspelled
from marketsweep.language import tree
from marketsweep.language.heikin_ashi import on_heikin_ashi
from marketsweep.language.indicators.events import EVENTS, EventFunction
from marketsweep.language.indicators.row import Indicator, Parameter
from marketsweep.language.indicators.table import ALIASES, INDICATORS, find_indicator
from marketsweep.language.parsing.dated_calls import DATED_CALLS, DatedCallParser
from marketsweep.language.parsing.lexer import Token
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.tree import FACTS, Kind, Node, Span
from marketsweep.language.vocabulary import (
    AGGREGATES,
    CALENDAR,
    CALLS,
    EXAMPLES,
    FUNCTIONS,
    GROUPS,
    HAPPENINGS,
    JOINS,
    KEYWORDS,
    NUMBER_FACTS,
    PAST_EVENTS,
    STANDINGS,
    TRENDS,
    VARIADIC,
    WORDS,
)

_KINDS = {"condition": Kind.TRUTH, "x": Kind.NUMBER}


class Definition(NamedTuple):
    """A function that a text defines: `def NAME(PARAMETERS) = BODY`."""

    name: str
    parameters: tuple[str, ...]
    body: tuple[Token, ...]
    source: str
    """The text that the tokens of the body are of."""
    lets: dict[str, Node]
    functions: dict[str, Definition]
    """The names and functions that the body may use: those that are defined before it."""
    saved_as: tuple[str, ...] = ()
    """The saved texts that the definition is in, outermost first."""

    @property
    def signature(self) -> str:
        """The call with the names of its parameters."""
        return f"{self.name}({', '.join(self.parameters)})"


class CallParser(DatedCallParser):
    """Parser of names and calls.

    `own_names` are those that the data folder adds to the language. `lets` are the expressions that
    the text has named so far, `functions` those that it defines.
    """

    def __init__(
        self, source: str, own_names: OwnNames, token_list: list[Token] | None = None
    ) -> None:
        super().__init__(source, token_list)
        self.own_names = own_names
        self.lets: dict[str, Node] = {}
        self.functions: dict[str, Definition] = {}

    @abstractmethod
    def saved_condition(self, name: str) -> Node | None:
        """Return the tree of the saved condition of that name, or None."""

    @abstractmethod
    def derived_fact(self, name: str) -> Node | None:
        """Return the tree of a fact that is a formula of stored facts, or None."""

    @abstractmethod
    def definition(self, name: str) -> Definition | None:
        """Return the function that the text defines, or that is saved, under a name; or None."""

    @abstractmethod
    def apply(self, definition: Definition, arguments: list[Node], token: Token) -> Node:
        """Return the tree of a function's body, with arguments in place of its parameters."""

    def parse_name(self) -> Node:
        """Parse a field, a fact, a name that the text defines, or a call."""
        token = self.advance()
        name = token.word
        if self.token.text == "(":
            return self._call(token, name)
        if (make := _NODES.get(name)) is not None:
            bare = make(name, span=Span(token.column, len(name)))
            return replace(bare, dated=True) if name in PAST_EVENTS else bare
        if name in _NODES_OF_DAYS and name not in self.lets:
            return _NODES_OF_DAYS[name](name, span=token.span)
        if (node := self._own_name(name)) is not None:
            return replace(node, span=token.span)
        self.fail_if_foreign(self.position - 1, is_name=True)
        signature = _signature(name)
        if signature:
            row = find_indicator(name)
            is_bare = row is not None and not row.parameters and not row.outputs
            text = f"{name}()" if is_bare else signature
            lacking = "parentheses" if is_bare else "its parameters"
            self.fail(f"{name} needs {lacking}: {text}", token.span, text)
        own = [*self.lets, *dict(self.own_names.facts)]
        return self._fail_unknown(token, own)

    def _fail_unknown(self, token: Token, own: Sequence[str], *, calls: bool = False) -> NoReturn:
        """Raise ConditionError for a name without a meaning; `own` are names of the text."""
        words = CALLS | {"symbol"} if calls else WORDS
        name = token.text if len(token.text) <= 40 else token.text[:37] + "..."
        near = _name_near(name, own, words)
        noun = "indicator or function" if calls else "name"
        hint = f"did you mean {near}?" if near else "marketsweep indicators lists all names"
        self.fail(f"unknown {noun} {name!r}: {hint}", token.span, near)

    def _own_name(self, name: str) -> Node | None:
        """Return what the text, the saved conditions or the stored facts call by a name."""
        if (node := self.lets.get(name) or self.saved_condition(name)) is not None:
            return node
        kind = self.own_names.kind_of(name)
        if kind is None:
            return self.derived_fact(name)
        return tree.Fact(name, kind, dated=name in self.own_names.dated)

    def _call(self, token: Token, name: str) -> Node:
        # A function of the text comes first, so that a new indicator changes no text.
        if name in self.functions:
            return self._call_own(token, name)
        if name == "heikin_ashi" and self.tokens[self.position + 1].text != ")":
            return self._on_heikin_ashi(token, name)
        name = ALIASES.get(name, name)
        if (build := _OF_ARGUMENTS.get(name)) is not None:
            return build(self, name, self._arguments(name), token)
        if (parse := _OF_TOKENS.get(name)) is not None:
            return parse(self, token, name)
        return self._call_own(token, name)

    def _call_own(self, token: Token, name: str) -> Node:
        """Parse a call of a function that the text defines, or that is saved."""
        definition = self.definition(name)
        if definition is None:
            self.fail_if_foreign(self.position - 1, is_name=True)
            return self._fail_unknown(token, list(self.lets), calls=True)
        return self.apply(definition, self._arguments(name), token)

    def _arguments(self, name: str) -> list[Node]:
        self.advance()
        arguments: list[Node] = []
        while self.token.text != ")":
            if arguments:
                self.expect(",", f"or ')' in {name}(...)")
            arguments.append(self.expression(0))
        self.advance()
        return arguments

    def _require_count(
        self, name: str, arguments: Sequence[Node], count: int, token: Token, noun: str = "numbers"
    ) -> None:
        if len(arguments) != count:
            span = self.span_from(token)
            self.fail(f"{name} takes {count} {noun}, not {len(arguments)}", span)

    # -- of a symbol's own bars

    def _function(self, name: str, arguments: list[Node], token: Token) -> Node:
        operands = FUNCTIONS[name]
        if name in VARIADIC and len(arguments) > len(operands):
            operands += ("x",) * (len(arguments) - len(operands))
        if len(arguments) != len(operands):
            span = self.span_from(token)
            more = "at least " if name in VARIADIC else ""
            self.fail(
                f"{name} takes {more}{len(operands)} arguments, not {len(arguments)}: "
                f"{EXAMPLES[name]}",
                span,
            )
        nodes = [
            self.require_kind(argument, _KINDS[operand], f"the argument of {name}")
            for operand, argument in zip(operands, arguments, strict=True)
        ]
        return tree.Function(name, tuple(nodes), span=self.span_from(token))

    def _indicator(self, name: str, arguments: list[Node], token: Token) -> Node:
        row = INDICATORS[name]
        sources = self._sources(row, arguments, token)
        own_inputs = () if row.series else row.inputs
        parameters = [
            self._parameter(row.name, parameter, argument, own_inputs)
            for parameter, argument in zip(row.parameters, arguments, strict=False)
        ]
        if len(arguments) > len(row.parameters):
            span = self.span_from(token)
            self.fail(f"{len(arguments)} parameters are too many: {row.signature}", span)
        parameters += [parameter.default for parameter in row.parameters[len(arguments) :]]
        problem = row.problem(*parameters) if row.problem else None
        if problem:
            self.fail(f"{row.name}: {problem}", self.span_from(token))
        output = self._output(row, token)
        return tree.Call(row.name, sources, tuple(parameters), output, span=self.span_from(token))

    def _sources(self, row: Indicator, arguments: list[Node], token: Token) -> tuple[Node, ...]:
        """Take the series that an indicator reads from the start of its arguments."""
        count = row.series
        if not count:
            return ()
        # A number at the start is a parameter, if the indicator has parameters.
        has_series = bool(arguments)
        for i, argument in enumerate(arguments[:count] if row.parameters else ()):
            if constant_value(argument) is not None:
                self._check_order(row, arguments)
                has_series = has_series and i > 0
        if not has_series and count == 1:
            return (tree.Field(row.inputs[0], span=token.span),)
        sources = tuple(arguments[:count])
        if not has_series or len(sources) < count:
            self.fail(f"{row.name} needs {count} series: {row.signature}", self.span_from(token))
        del arguments[:count]
        for source in sources:
            self.require_kind(source, Kind.NUMBER, f"the input of {row.name}")
        return sources

    def _check_order(self, row: Indicator, arguments: list[Node]) -> None:
        """Raise ConditionError if a series stands behind the parameters."""
        series = [argument for argument in arguments if constant_value(argument) is None]
        if series and series != arguments[: len(series)]:
            numbers = [argument for argument in arguments if constant_value(argument) is not None]
            text = ", ".join(map(str, (*series, *numbers)))
            misplaced = next(argument for argument in arguments[1:] if argument in series)
            self.fail(f"the series comes first: {row.name}({text})", misplaced.span)

    def _check_roles(self, name: str, roles: Sequence[str], arguments: list[Node]) -> None:
        """Raise ConditionError if arguments would fit their roles in another order.

        A role is condition, x for a series, or n for a number.
        """
        order = ("condition", "x", "n")
        actual = [_role(argument) for argument in arguments]
        wanted = list(roles[: len(arguments)])
        if actual != wanted and sorted(actual, key=order.index) == wanted:
            sorted_arguments = sorted(arguments, key=lambda node: order.index(_role(node)))
            text = ", ".join(map(str, sorted_arguments))
            noun = "condition" if wanted[0] == "condition" else "series"
            misplaced = next(
                node for node, role in zip(arguments, actual, strict=True) if role == wanted[0]
            )
            self.fail(f"the {noun} comes first: {name}({text})", misplaced.span)

    def _parameter(
        self, name: str, parameter: Parameter, argument: Node, own_inputs: Sequence[str] = ()
    ) -> float:
        """Return the value of a parameter.

        `own_inputs` are the fields of an indicator that takes no series: the error names them.
        """
        value = constant_value(argument)
        if value is not None and parameter.allows(value):
            return value
        number = f"a {'whole ' if parameter.whole else ''}number"
        limits = f"{number} from {parameter.minimum:,g} to {parameter.maximum:,g}"
        wrong = f" ({name} reads {', '.join(own_inputs)} by itself)" if own_inputs else ""
        wrong = wrong if value is None else f", not {value:g}"
        message = f"parameter {parameter.name} of {name} must be {limits}{wrong}"
        return self.fail(message, argument.span)

    def _output(self, row: Indicator, token: Token) -> str:
        if self.token.text != ".":
            if row.outputs and row.name not in row.outputs:
                self.fail(
                    f"{row.name} has several outputs: add one of "
                    + ", ".join(f".{name}" for name in row.outputs),
                    self.span_from(token),
                )
            return row.name if row.outputs else ""
        self.advance()
        name = self.advance()
        if not row.outputs:
            self.fail_if_foreign(self.position - 2)
            self.fail(f"{row.name} has one value: remove .{name.text}", name.span)
        output = row.output_aliases.get(name.text.lower(), name.text.lower())
        if output not in row.outputs:
            self.fail(
                f"{row.name} has no output {name.text!r}; it has {', '.join(row.outputs)}",
                name.span,
            )
        return output

    def _occurred(self, name: str, arguments: list[Node], token: Token) -> Node:
        row = EVENTS[name]
        needed = len(row.operands)
        if not needed <= len(arguments) <= needed + len(row.parameters):
            span = self.span_from(token)
            self.fail(f"{row.name} takes other arguments: {row.signature}", span)
        self._check_roles(row.name, (*row.operands, *("n" for _ in row.parameters)), arguments)
        operands = tuple(
            self.require_kind(node, _KINDS[operand], f"{operand} of {row.name}")
            for operand, node in zip(row.operands, arguments, strict=False)
        )
        parameters = [parameter.default for parameter in row.parameters]
        for i, argument in enumerate(arguments[needed:]):
            parameters[i] = self._parameter(row.name, row.parameters[i], argument)
        return tree.Event(row.name, operands, tuple(parameters), span=self.span_from(token))

    def _trend(self, name: str, arguments: list[Node], token: Token) -> Node:
        self._require_count(name, arguments, 2, token, "arguments, a number and a number of bars")
        self._check_roles(name, ("x", "n"), arguments)
        x = self.require_kind(arguments[0], Kind.NUMBER, f"the argument of {name}")
        bars = self._parameter(name, Parameter("n", 3, 1), arguments[1])
        moved = tree.Compare((x, tree.Shift(x, 1)), (TRENDS[name],))
        return tree.For(moved, int(bars), span=self.span_from(token))

    def _frozen(self, name: str, arguments: list[Node], token: Token) -> Node:
        self._require_count(name, arguments, 1, token, "argument, the number of bars")
        bars = self._parameter(name, Parameter("n", 15, 1), arguments[0])
        return tree.Frozen(int(bars), span=self.span_from(token))

    def _joined(self, name: str, arguments: list[Node], token: Token) -> Node:
        if not arguments:
            self.fail(f"{name} needs at least one condition", self.span_from(token))
        conditions = [
            self.require_kind(argument, Kind.TRUTH, f"the argument of {name}")
            for argument in arguments
        ]
        span = self.span_from(token)
        return replace(tree.joined(JOINS[name], conditions, span), span=span)

    # -- derived fields

    def _other(self, token: Token, _: str) -> Node:
        self.advance()
        symbol = self.parse_text('the ticker in quotes, as in symbol("QQQ").close').value
        if self.is_mark(","):
            self.advance()
            of = self.expression(0)
            self.expect(")", "to close the parenthesis")
        else:
            self.expect(")", "after the ticker")
            self.expect(".", 'after symbol("..."), as in symbol("QQQ").close')
            if self.token.kind != "name":
                self.fail(
                    f"expected a field or an indicator after the point, found {self.token_text()}"
                )
            of = self.parse_name()
        self.require_single_symbol(of, "the value of another symbol", tree.OtherSymbol, tree.Rank)
        if of.kind is Kind.TEXT:
            self.fail("symbol(...) has bars only, no facts such as sector", of.span)
        return tree.OtherSymbol(symbol, of, span=self.span_from(token))

    def _relative_strength(self, token: Token, _: str) -> Node:
        self.advance()
        bars = self.parse_whole_number("the number of bars that rs looks back", least=1)
        self.expect(",", 'and the ticker to compare with, as in rs(63, "QQQ")')
        symbol = self.parse_text('the ticker in quotes, as in rs(63, "QQQ")').value
        self.expect(")", "to close the parenthesis")
        close = tree.Field("close")
        growth = tree.Binary("/", close, tree.Shift(close, bars))
        other = tree.OtherSymbol(symbol, growth)
        return tree.Binary("/", growth, other, span=self.span_from(token))

    def _on_heikin_ashi(self, token: Token, name: str) -> Node:
        arguments = self._arguments(name)
        if len(arguments) != 1 or arguments[0].kind in (Kind.TEXT, Kind.DATE):
            self.fail(
                f"{name} takes a condition or a number, as in {EXAMPLES[name]}; {name}().close is "
                "a Heikin-Ashi bar itself",
                self.span_from(token),
            )
        # The text of a part is that of the stored bars, and would be its label.
        node = tree.without_spans(on_heikin_ashi(arguments[0]))
        return replace(node, span=self.span_from(token))

    def _standing(self, name: str, arguments: list[Node], token: Token) -> Node:
        self._require_count(name, arguments, 1, token, "number")
        of = self.require_kind(arguments[0], Kind.NUMBER, f"the argument of {name}")
        return tree.Rank(name, of, self._by(), span=self.span_from(token))

    def _breadth(self, token: Token, _: str) -> Node:
        self.advance()
        aggregate = self.token.text.lower()
        if self.token.kind != "name" or aggregate not in AGGREGATES:
            self.fail(
                f"market takes one of {', '.join(f'{name}(...)' for name in AGGREGATES)}, "
                f"found {self.token_text()}"
            )
        inner = self.advance()
        if not self.is_mark("("):
            self.fail(f"expected '(' after {aggregate}, found {self.token_text()}")
        arguments = self._arguments(aggregate)
        self._require_count(aggregate, arguments, 1, inner, AGGREGATES[aggregate])
        of = self.require_kind(
            arguments[0], _KINDS[AGGREGATES[aggregate]], f"the argument of {aggregate}"
        )
        self.expect(")", "to close the parenthesis of market")
        return tree.MarketAggregate(aggregate, of, self._by(), span=self.span_from(token))

    def _by(self) -> str | tree.Buckets:
        if not self.is_word("by"):
            return ""
        self.advance()
        if self.is_word("bucket"):
            return self._buckets()
        names = (*GROUPS, *self._own_facts(Kind.TEXT))
        if not self.is_word(*names):
            groups = ", ".join(names)
            self.fail(
                f"expected a fact to group by ({groups}) or bucket(...), found {self.token_text()}"
            )
        return self.advance().text.lower()

    def _own_facts(self, kind: Kind) -> list[str]:
        return [name for name, own_kind in self.own_names.facts if own_kind is kind]

    def _buckets(self) -> tree.Buckets:
        """Parse the groups of a number, such as bucket(market_cap, 300M, 2B, 10B)."""
        start = self.advance().span
        self.expect("(", "after bucket, as in bucket(market_cap, 300M, 2B, 10B)")
        names = (*NUMBER_FACTS, *self._own_facts(Kind.NUMBER))
        if not self.is_word(*names):
            facts = ", ".join(names)
            self.fail(f"expected a number to group by ({facts}), found {self.token_text()}")
        fact, edges = self.advance().text.lower(), list[float]()
        while self.is_mark(","):
            self.advance()
            edge = self.expression(0)
            value = constant_value(edge)
            if value is None:
                self.fail("the edge of a bucket must be a number, such as 2B", edge.span)
            edges.append(value)
        self.expect(")", "to close bucket(...)")
        if not edges or edges != sorted(set(edges)):
            self.fail(
                "a bucket needs its edges in ascending order, as in bucket(market_cap, 300M, 2B)",
                self.span_from(start),
            )
        return tree.Buckets(fact, tuple(edges))


_OF_ARGUMENTS: Final[dict[str, Callable[[CallParser, str, list[Node], Token], Node]]] = {
    **dict.fromkeys(JOINS, CallParser._joined),
    "frozen": CallParser._frozen,
    **dict.fromkeys(TRENDS, CallParser._trend),
    **dict.fromkeys(STANDINGS, CallParser._standing),
    **dict.fromkeys(FUNCTIONS, CallParser._function),
    **dict.fromkeys(EVENTS, CallParser._occurred),
    **dict.fromkeys(INDICATORS, CallParser._indicator),
}
"""What makes the node of a call with arguments that are expressions, by its name."""

_OF_TOKENS: Final[dict[str, Callable[[CallParser, Token, str], Node]]] = {
    "symbol": CallParser._other,
    "market": CallParser._breadth,
    "rs": CallParser._relative_strength,
    **DATED_CALLS,
}
"""What parses a call with other arguments, by its name."""

_NODES: Final[dict[str, Callable[..., Node]]] = {
    **dict.fromkeys((*FIELDS, *DERIVED), tree.Field),
    **dict.fromkeys(FACTS, tree.Fact),
}
_NODES_OF_DAYS: Final[dict[str, Callable[..., Node]]] = {
    **dict.fromkeys(CALENDAR, tree.Calendar),
    **dict.fromkeys(HAPPENINGS, tree.Happening),
}
"""Nodes by words that a text may use as names of its own."""


def constant_value(node: Node) -> float | None:  # noqa: PLR0911, a line for each kind of node
    """Return the value of a number as written, or of arithmetic on such numbers; else None."""
    if isinstance(node, tree.Number):
        return node.value
    match node:
        case tree.Negate(operand=operand):
            inner = constant_value(operand)
            return None if inner is None else -inner
        case tree.Binary(operator=sign, left=left, right=right) if sign != "^":
            a, b = constant_value(left), constant_value(right)
            if a is None or b is None or (sign == "/" and b == 0):
                return None
            return ARITHMETIC[sign](a, b)
        case tree.Function(name=("min" | "max") as name, arguments=arguments):
            values = [constant_value(argument) for argument in arguments]
            known = [value for value in values if value is not None]
            return _EXTREMES[name](known) if len(known) == len(values) else None
        case tree.Call(name=("floor" | "ceil" | "round" | "sqrt") as name, sources=(source,)):
            inner = constant_value(source)
            return (
                None if inner is None or (name == "sqrt" and inner < 0) else _ROUNDED[name](inner)
            )
    return None


ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
"""Functions of two numbers by their operator."""

_EXTREMES: Final[dict[str, Callable[[list[float]], float]]] = {"min": min, "max": max}

_ROUNDED: Final[dict[str, Callable[[float], float]]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round": lambda x: math.floor(x + 0.5),
    "sqrt": math.sqrt,
}


def _role(argument: Node) -> str:
    if argument.kind is Kind.TRUTH:
        return "condition"
    return "x" if constant_value(argument) is None else "n"


def _signature(name: str) -> str:
    row: Indicator | EventFunction | None = find_indicator(name) or EVENTS.get(name)
    return row.signature if row else EXAMPLES.get(name, "")


def _name_near(name: str, own: Sequence[str], words: Collection[str]) -> str:
    """Return the known name that a misspelled one is nearest to, the user's own first, or ""."""
    near = names_misspelled(name.lower(), own) or names_misspelled(name.lower(), sorted(words))
    return near[0] if near else ""


def is_unused_name(name: str) -> bool:
    """Return whether a name has no meaning yet, so that a text may define it.

    The name of a function may be used: a call has a parenthesis. A text of a user stays valid when
    an indicator is added.
    """
    free = name in CALLS or name in CALENDAR or name in HAPPENINGS or name not in WORDS
    return free and name not in KEYWORDS


def can_be_fact(name: str) -> bool:
    """Return whether a stored fact may have a name: one that means nothing without parentheses."""
    return name not in KEYWORDS and (name in CALLS or name not in WORDS)
