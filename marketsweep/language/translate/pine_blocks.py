"""What Pine Script writes in blocks: functions of the script, and the values of switch and if."""

from __future__ import annotations

from typing import Final, NamedTuple, NoReturn

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.translate.script import Part, Script
from marketsweep.language.translate.tokens import END, LINE, NAME, Token
from marketsweep.language.translate.values import (
    ALWAYS,
    NEVER,
    UNKNOWN,
    Value,
    Word,
    as_truth,
)
from marketsweep.language.tree import Kind, Node

_TYPES: Final = ("float", "int", "bool", "string", "color", "series", "simple", "const", "input")
_STATEMENTS: Final = ("for", "while", "var", "varip")
_CHANGES: Final = (":=", "+=", "-=", "*=", "/=")
_MAX_CALLS: Final = 20
"""How deep calls of the script's functions may be nested."""


class _Function(NamedTuple):
    """A function of the script: the names in its block, and the part that is its value."""

    parameters: dict[str, Part | None]
    """The default of each parameter; None without one."""
    names: dict[str, Part]
    value: Part
    problem: str
    """Why it cannot be translated; "" if it can."""


class PineBlocks(Script):
    """A reader of the blocks of a script. A block is the lines with a larger indentation."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        super().__init__(source, tokens)
        self._functions: dict[str, _Function] = {}
        self._calls: list[str] = []
        """The functions that are being called, outermost first."""

    def indent(self, token: Token) -> int:
        """Return how far a token stands from the start of its line."""
        return token.column - self.source.rfind("\n", 0, token.column) - 1

    def skip_types(self) -> None:
        """Skip the types before a name."""
        while self.is_word(*_TYPES) and self.tokens[self.position + 1].kind == NAME:
            self.advance()

    def skip_line_ends(self) -> None:
        """Skip the line ends before the next statement."""
        while self.token.kind == LINE:
            self.advance()

    def block(self, indent: int) -> list[int]:
        """Skip the block of a statement; return the position of the first token of each line.

        Lines of blocks within the block are left out.
        """
        starts: list[int] = []
        own: int | None = None
        while self.token.kind == LINE:
            position = self.position
            self.skip_line_ends()
            if self.token.kind == END or self.indent(self.token) <= indent:
                self.position = position
                break
            own = self.indent(self.token) if own is None else own
            if self.indent(self.token) <= own:
                starts.append(self.position)
            self.skip_to("\n")
        return starts

    def changed_names(self, start: int, end: int) -> set[str]:
        """Return the names that get another value between two positions."""
        return {
            self.tokens[position - 1].word
            for position in range(start + 1, end)
            if self.tokens[position].text in _CHANGES
        }

    # -- functions of the script

    def define(self, name: str, start: Token) -> None:
        """Read `(x, y) => value`, or the same with a block; the name was taken."""
        parameters: dict[str, Part | None] = {}
        self.expect("(")
        while not self.take(")"):
            if parameters:
                self.expect(",")
            self.skip_types()
            parameter, default = self.advance().word, None
            if self.take("="):
                begin = self.position
                default = Part(begin, self.skip_to(",", ")"))
            parameters[parameter] = default
        self.expect("=>")
        begin = self.position
        value = Part(begin, self.skip_to("\n"))
        lines = self.block(self.indent(start)) if value.start == value.end else []
        self._functions[name] = self._function(parameters, value, lines)

    def _function(
        self, parameters: dict[str, Part | None], value: Part, lines: list[int]
    ) -> _Function:
        end, names, problem = self.position, dict[str, Part](), ""
        for start in lines:
            self.position = start
            self.skip_types()
            if self.is_next("="):
                name = self.advance().word
                self.advance()
                if name in names or name in parameters or self.is_word(*_STATEMENTS):
                    problem = f"{name} changes, or gets its value in a block"
                begin = self.position
                names[name] = Part(begin, self.skip_to("\n"))
            else:
                begin = self.position
                value = Part(begin, self.skip_to("\n"))
                if self.tokens[begin].word in (*_STATEMENTS, "["):
                    problem = "it has a block, or several values"
        self.position = end
        if lines and not self.changed_names(lines[0], end).isdisjoint(names.keys() | parameters):
            problem = "a value changes within it"
        return _Function(parameters, names, value, problem)

    def call_own(self, token: Token, name: str) -> Value | None:
        """Return the value of a function of the script; None for another name."""
        function = self._functions.get(name)
        if function is None or not self.is_mark("("):
            return None
        by_position, by_name = self.arguments()
        span = self.span_from(token)
        if function.problem:
            self.fail(f"the function {token.text} cannot be translated: {function.problem}", span)
        if name in self._calls or len(self._calls) >= _MAX_CALLS:
            self.fail(f"the function {token.text} calls itself", span)
        if len(by_position) > len(function.parameters) or by_name.keys() - function.parameters:
            parameters = ", ".join(function.parameters)
            self.fail(f"{token.text} has other parameters: {parameters}", span)
        given_values = dict(zip(function.parameters, by_position, strict=False)) | by_name
        values = {parameter: value for parameter, (value, _) in given_values.items()}
        for parameter, default in function.parameters.items():
            if parameter not in values:
                if default is None:
                    self.fail(f"{parameter} of {token.text} is missing", span)
                values[parameter] = self.part_value(default)
        return self._value_within(name, function, values)

    def _value_within(self, name: str, function: _Function, values: dict[str, Value]) -> Value:
        """Return the value of a function, whose names hide those of the script."""
        outer = self.parts, self.values, self.forbidden, self._open
        hidden = {*values, *function.names}
        self.parts = {n: part for n, part in self.parts.items() if n not in hidden}
        self.parts |= function.names
        self.values = {n: value for n, value in self.values.items() if n not in hidden} | values
        self.forbidden = {n: why for n, why in self.forbidden.items() if n not in hidden}
        self._open = []
        self._calls.append(name)
        try:
            return self.part_value(function.value)
        finally:  # after an error, another part of the script may still be a condition
            self._calls.pop()
            self.parts, self.values, self.forbidden, self._open = outer

    # -- values of switch and if

    def part_value(self, part: Part) -> Value:
        """Return the value of an expression, or of a switch or an if with their blocks."""
        word = self.tokens[part.start].word
        if word not in ("switch", "if"):
            return super().part_value(part)
        position, self.position = self.position, part.start + 1
        value = self._switch_value() if word == "switch" else self._if_value()
        self.position = position
        return value

    def _switch_value(self) -> Node:
        """Return the value of a switch: that of the first case that holds."""
        start = self.tokens[self.position - 1]
        subject = None if self.token.kind == LINE else self.expression()
        chosen: list[tuple[Node, Node]] = []
        for line in self.block(self._indent_of_line(start)):
            self.position = line
            condition: Node = ALWAYS
            if not self.is_mark("=>"):
                condition = self._case(subject)
            self.expect("=>")
            if condition == NEVER:
                continue
            if self.token.kind == LINE:
                self._fail_block(start)
            chosen.append((condition, self._line_value()))
            if condition == ALWAYS:
                break
        return self._first_that_holds(chosen, start)

    def _case(self, subject: Value | None) -> Node:
        """Return the condition of a case: itself, or that the subject equals it."""
        if subject is None:
            return as_truth(self.node())
        start = self.token
        case = self.expression()
        if isinstance(subject, Word) or isinstance(case, Word):
            return ALWAYS if str(subject).lower() == str(case).lower() else NEVER
        sides = self.as_node(subject, start), self.as_node(case, start)
        return tree.Compare(sides, ("==",))

    def _if_value(self) -> Node:
        """Return the value of `if c` with a line, and of the `else` blocks that follow it."""
        start = self.tokens[self.position - 1]
        indent = self._indent_of_line(start)
        chosen: list[tuple[Node, Node]] = []
        condition = as_truth(self.node())
        while True:
            lines = self.block(indent)
            after = self.position
            if len(lines) != 1:
                self._fail_block(start)
            self.position = lines[0]
            chosen.append((condition, self._line_value()))
            self.position = after
            self.skip_line_ends()
            if condition == ALWAYS or not self.take("else"):
                return self._first_that_holds(chosen, start)
            condition = as_truth(self.node()) if self.take("if") else ALWAYS

    def _line_value(self) -> Node:
        """Return the value of the rest of the line, which may have a block."""
        start, begin = self.token, self.position
        return self.as_node(self.part_value(Part(begin, self.skip_to("\n"))), start)

    def _first_that_holds(self, chosen: list[tuple[Node, Node]], start: Token) -> Node:
        span = self.span_from(start)
        truths = bool(chosen) and all(value.kind is Kind.TRUTH for _, value in chosen)
        result: Node = NEVER if truths else UNKNOWN
        for condition, value in reversed(chosen):
            result = self.choice(condition, value, result, span)
        return result

    def _indent_of_line(self, token: Token) -> int:
        """Return the indentation of the line that a token stands in."""
        line = self.source.rfind("\n", 0, token.column) + 1
        text = self.source[line : token.column]
        return len(text) - len(text.lstrip())

    def _fail_block(self, token: Token) -> NoReturn:
        raise ConditionError(
            f"the value of {token.text} is computed in a block of several lines, which cannot be "
            "translated",
            self.source,
            *token.span,
        )
