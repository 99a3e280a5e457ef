"""Parse the lines before a condition: `let` names an expression, `def` defines a function."""

from __future__ import annotations

from abc import abstractmethod

from marketsweep.language.parsing.calls import CallParser, Definition, is_unused_name
from marketsweep.language.parsing.lexer import END, LINE_END, Token
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.tree import Node


class DefinitionParser(CallParser):
    """Parser of the lines that begin with `let` or `def`.

    `enclosing` are the names of the saved conditions that contain the text, outermost first.
    """

    def __init__(
        self,
        source: str,
        own_names: OwnNames,
        enclosing: tuple[str, ...],
        token_list: list[Token] | None = None,
    ) -> None:
        super().__init__(source, own_names, token_list)
        self.enclosing = enclosing

    @abstractmethod
    def check_size(self, node: Node) -> None:
        """Raise ConditionError if a tree is too large: names inside names grow exponentially."""

    def parse_definitions(self) -> None:
        """Parse the lines at the start that begin with `let` or `def`."""
        self._skip_line_ends()
        while self.is_word("let", "def"):
            if self.is_word("let"):
                self._let()
            else:
                self._def()
            self._skip_line_ends()

    def _skip_line_ends(self) -> None:
        while self.token.kind == LINE_END:
            self.advance()

    def _let(self) -> None:
        self.advance()
        token = self.advance()
        name = token.text.lower()
        if token.kind != "name":
            self.fail("expected a name after let, as in let trend = sma(50)", token.span)
        self._require_new(token, is_free=is_unused_name(name))
        self.expect("=", "after the name, as in let trend = sma(50)")
        node = self.expression(0)
        if not self.is_line_end():
            self.fail(
                f"expected the end of the line after let {name} = ..., found {self.token_text()}"
            )
        self.check_size(node)
        self.lets[name] = node

    def _require_new(self, token: Token, *, is_free: bool) -> None:
        """Raise ConditionError if a name that the text defines has a meaning already."""
        is_repeated = token.text.lower() in {*self.lets, *self.functions}
        if is_repeated or not is_free:
            problem = "is given twice" if is_repeated else "is already a word or a preset"
            self.fail(f"{token.text} {problem}: choose another name", token.span)

    def _def(self) -> None:
        example = "as in def near(x, y) = abs(x / y - 1) < 2%"
        self.advance()
        token = self.advance()
        name = token.text.lower()
        if token.kind != "name":
            self.fail(f"expected a name after def, {example}", token.span)
        self._require_new(token, is_free=is_unused_name(name))
        if self.is_mark("="):
            self.fail(f"{name} has no parameter: write let {name} = ...", token.span)
        self.expect("(", f"after the name, {example}")
        parameters: list[str] = []
        while not self.is_mark(")"):
            if parameters:
                self.expect(",", f"or ')' after a parameter, {example}")
            parameter = self.advance()
            if parameter.kind != "name" or not is_unused_name(parameter.text.lower()):
                self.fail(f"{parameter.text!r} cannot be the name of a parameter", parameter.span)
            if parameter.text.lower() in parameters:
                self.fail(f"the parameter {parameter.text} is given twice", parameter.span)
            parameters.append(parameter.text.lower())
        self.advance()
        if not parameters:
            self.fail(f"{name} has no parameter: write let {name} = ...", token.span)
        if not self.is_mark("="):
            self.fail(f"expected '=' after the parameters, {example}", self.token.span)
        self.advance()
        first = self.position
        while not self.is_line_end():
            self.advance()
        if self.position == first:
            self.fail(f"expected an expression after '=', {example}")
        end = Token(END, "", self.token.column)
        self.functions[name] = Definition(
            name,
            tuple(parameters),
            (*self.tokens[first : self.position], end),
            self.source,
            dict(self.lets),
            dict(self.functions),
            self.enclosing,
        )
