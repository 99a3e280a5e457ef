"""Translate Pine Script, versions 4 to 6: the indicators and strategies of TradingView."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.translate.pine_blocks import PineBlocks
from marketsweep.language.translate.script import Part
from marketsweep.language.translate.tables.pine import FUNCTIONS, MISSING, VARIABLES
from marketsweep.language.translate.tokens import END, LINE, NAME, TEXT, Token, Words, tokenize
from marketsweep.language.translate.values import (
    ALWAYS,
    NEVER,
    UNKNOWN,
    Outputs,
    Value,
    Word,
    as_number,
    as_truth,
    joined,
)
from marketsweep.language.tree import Kind, Node

_WORDS: Final = Words(comment=r"//[^\n]*", marks=r"<=|>=|==|!=|:=|=>|\+=|-=|\*=|/=")
_LIBRARIES: Final = ("ta", "math")
_WEEKLY: Final = {"w": "weekly", "1w": "weekly", "m": "monthly", "1m": "monthly", "d": "", "1d": ""}
_BLOCKS: Final = ("for", "while", "switch", "if", "else", "type", "method", "import", "export")
_SIGNALS: Final = ("alertcondition", "strategy.entry", "plotshape", "plotchar", "plotarrow")
_DRAWING: Final = (
    *("indicator", "study", "strategy", "library", "plot", "plotshape", "plotchar", "plotarrow"),
    *("plotcandle", "plotbar", "bgcolor", "barcolor", "fill", "hline", "label", "line", "box"),
    *("table", "alert", "array", "log", "runtime", "polyline", "linefill", "matrix", "map"),
)
"""Calls of statements that only draw."""
_WORD_LIBRARIES: Final = (
    *("input", "color", "shape", "location", "size", "plot", "format", "barmerge", "display"),
    *("strategy", "extend", "xloc", "yloc", "position", "text", "hline", "timeframe", "syminfo"),
)
"""Prefixes of names that stand for words, such as `shape.triangleup`."""
_PERCENT_VERSION: Final = 6
"""The version of Pine from which the width of bands is in percent, and no longer a ratio."""
_FIELDS: Final = (*FIELDS, *DERIVED)
_VALUES: Final[dict[str, Value]] = {
    "true": ALWAYS,
    "false": NEVER,
    "na": UNKNOWN,
    **{name: tree.Field(name) for name in _FIELDS},
    "hlcc4": tree.Call("wclprice", (), ()),
    **dict.fromkeys(("syminfo.tickerid", "syminfo.ticker", "tickerid", "ticker"), Word("")),
}
"""Names with a meaning of their own; the empty word is the symbol itself."""


class _Signal(NamedTuple):
    """A call that shows a condition: its own one, and those of the blocks around it."""

    call: str
    token: Token
    parts: tuple[Part, ...]
    is_hidden: bool
    """Whether it stands in a block that cannot be translated, such as that of an `else`."""


class Pine(PineBlocks):
    """A reader of one script."""

    functions = FUNCTIONS
    missing = MISSING

    def __init__(self, source: str) -> None:
        super().__init__(source, _logical_lines(tokenize(source, _WORDS)))
        version = re.search(r"//\s*@version\s*=\s*(\d+)", source)
        self._version = int(version[1]) if version else 1
        self._signals: list[_Signal] = []
        self._line_numbers: dict[str, int] = {}
        """The line of a function that each name of a tuple stands for."""
        self._last: list[Part] = []
        """Expressions on a line of their own, and the values of names, in order."""
        self._blocks: list[tuple[int, Part | None]] = []
        """The blocks around a statement: their indentation, and the condition of an `if`."""

    def condition(self) -> Node:
        """Return the condition that the script signals."""
        while self.token.kind != END:
            if not self._take_line():
                self._statement()
        for call in _SIGNALS:
            signals = [signal for signal in self._signals if signal.call == call]
            if signals:
                return self._first_of(signals)
        plots = [signal.parts[-1] for signal in self._signals if signal.call == "plot"]
        first_error: ConditionError | None = None
        for part in (*reversed(plots), *reversed(self._last)):
            try:
                node = self._shown(part)
            except ConditionError as error:
                first_error = first_error or error
                continue
            if node is not None:
                if part.end - part.start == 1 and part not in plots:
                    name = self.tokens[part.start].text
                    self.note(f"the script has no signal: this is the last condition, {name}")
                return node
        if first_error:
            raise first_error
        return self.fail(
            "the script has no condition: add, for example, alertcondition(close > open)"
        )

    def _shown(self, part: Part) -> Node | None:
        """Return an expression if it is a condition, or 1 and 0 by a condition; else None."""
        self.reset()
        value = self.part_value(part)
        if not isinstance(value, Node):
            return None
        node = as_truth(value)
        return node if value.kind is Kind.TRUTH or isinstance(value, tree.Function) else None

    def _first_of(self, signals: list[_Signal]) -> Node:
        if len(signals) > 1:
            lines = ", ".join(
                str(self.source.count("\n", 0, signal.token.column) + 1) for signal in signals
            )
            self.note(f"the script has {len(signals)} signals, in lines {lines}: this is the first")
        shown = next((signal for signal in signals if not signal.is_hidden), None)
        if shown is None:
            token = signals[0].token
            self.fail("a signal in the block of an else or a loop has no translation", token.span)
        node: Node = ALWAYS
        for part in shown.parts:
            value = self.as_node(self.part_value(part), self.tokens[part.start])
            node = joined("and", node, as_truth(value))
        return node

    # -- statements

    def _take_line(self) -> bool:
        if self.token.kind != LINE:
            return False
        self.advance()
        return True

    def _statement(self) -> None:
        start = self.token
        while self._blocks and self._blocks[-1][0] >= self.indent(start):
            self._blocks.pop()
        if start.kind == NAME and start.word in ("var", "varip"):
            self.advance()
        self.skip_types()
        if self.is_mark("["):
            self._tuple()
        elif self.is_next("=") or self.is_next(":="):
            self._assignment(start)
        elif start.word in _BLOCKS:
            self._block(start)
        elif self.token.kind == NAME:
            self._call_statement()
        else:
            begin = self.position
            self._last.append(Part(begin, self.skip_to("\n")))

    def _assignment(self, start: Token) -> None:
        name = self.advance().word
        mark = self.advance().text
        begin = self.position
        part = Part(begin, self.skip_to("\n"))
        if mark == ":=" or self._blocks or name in self.parts or name in self.forbidden:
            self.forbidden[name] = "its value changes within the script"
        elif self.tokens[begin].word in ("for", "while"):
            self.forbidden[name] = "it gets its value in a block"
            self._blocks.append((self.indent(start), None))
        else:
            self.parts[name] = part
            self._last.append(Part(begin - 2, begin - 1))
            self._skip_blocks(self.tokens[begin], self.indent(start))

    def _skip_blocks(self, first: Token, indent: int) -> None:
        """Skip the blocks of a switch, or of an if with its else, that give a name its value."""
        if first.word not in ("switch", "if"):
            return
        begin = self.position
        self.block(indent)
        while first.word == "if" and self._is_else_next():
            self.skip_line_ends()
            self.skip_to("\n")
            self.block(indent)
        for name in self.changed_names(begin, self.position):
            self.forbidden[name] = "its value changes within the script"

    def _is_else_next(self) -> bool:
        following = (token for token in self.tokens[self.position :] if token.kind != LINE)
        return next(following).word == "else"

    def _tuple(self) -> None:
        """Read `[a, b] = f(...)`: each name is a line of the function."""
        self.advance()
        names: list[str] = []
        while not self.take("]"):
            if names:
                self.expect(",")
            if self.token.kind != NAME:
                self.fail(f"expected a name, found {self.token_text()}")
            names.append(self.advance().word)
        self.expect("=")
        begin = self.position
        part = Part(begin, self.skip_to("\n"))
        for i, name in enumerate(names):
            if name != "_":
                self.parts[name] = part
                self._line_numbers[name] = i

    def _block(self, start: Token) -> None:
        self.advance()
        begin = self.position
        part = Part(begin, self.skip_to("\n"))
        self._blocks.append((self.indent(start), part if start.word == "if" else None))

    def _call_statement(self) -> None:
        begin = self.position
        name = self._dotted(self.advance())
        if name in (*_SIGNALS, "plot") and self.is_mark("("):
            self._signal(name, self.tokens[begin])
        elif name == "alert" and self._blocks:
            self._add_signal("alertcondition", self.tokens[begin], None)
        elif self.is_mark("(") and self._is_definition():
            self.define(name, self.tokens[begin])
        elif name.partition(".")[0] not in _DRAWING:
            self.position = begin
            self._last.append(Part(begin, self.skip_to("\n")))
        self.skip_to("\n")

    def _is_definition(self) -> bool:
        position = self.position
        self.skip_to("=>", "\n")
        is_definition = self.token.text == "=>"
        self.position = position
        return is_definition

    def _signal(self, name: str, token: Token) -> None:
        """Record the condition of a signal: its first argument, or that of `when`."""
        self.advance()
        parts: list[Part] = []
        while self.token.kind != END and not self.is_mark(")"):
            start = self.position
            end = self.skip_to(",", ")")
            parts.append(Part(start, end))
            self.take(",")
        named = {
            self.tokens[part.start].word: Part(part.start + 2, part.end)
            for part in parts
            if self.tokens[part.start + 1].text == "="
        }
        if name == "strategy.entry":
            condition = named.get("when")
        else:
            keys = ("condition", "series")
            first = parts[0] if parts else None
            condition = next((named[key] for key in keys if key in named), first)
        if condition or self._blocks:
            self._add_signal(name, token, condition)

    def _add_signal(self, call: str, token: Token, own: Part | None) -> None:
        """Record a signal with the conditions of the blocks around it."""
        outer = [part for _, part in self._blocks]
        parts = [part for part in (*outer, own) if part is not None]
        self._signals.append(_Signal(call, token, tuple(parts), None in outer))

    # -- expressions

    def binding(self) -> int:
        """Return how tightly the current operator binds; a question mark binds least."""
        if self.is_mark("?"):
            return tree.OR - 1
        return 0 if self.token.kind == LINE else super().binding()

    def infix(self, left: Value, binding: int, start: Token) -> Value:
        """Parse a choice, or an operator that the languages share."""
        if not self.take("?"):
            return super().infix(left, binding, start)
        condition = as_truth(self.as_node(left, start))
        yes = self.node(tree.OR - 2)
        self.expect(":")
        no = self.node(tree.OR - 2)
        return self.choice(condition, yes, no, self.span_from(start))

    def operand(self) -> Value:
        """Parse a list, which is a word, or what the languages share."""
        if not self.is_mark("["):
            return super().operand()
        start = self.position
        self.advance()
        self.skip_to("]")
        self.advance()
        return Word(" ".join(token.text for token in self.tokens[start : self.position]))

    def _dotted(self, token: Token) -> str:
        """Return a name with its points, in lower case; the first part was taken."""
        name = token.word
        while self.is_mark(".") and self.tokens[self.position + 1].kind == NAME:
            self.advance()
            name += f".{self.advance().word}"
        return name

    def name_value(self, token: Token) -> Value:
        """Return a definition, a price, a call of a function, or a word."""
        name = self._dotted(token)
        value = self.defined(token, name)
        if value is not None:
            return self._line(name, value, token)
        if name in _VALUES and not (name == "na" and self.is_mark("(")):
            return _VALUES[name]
        library, _, short = name.rpartition(".")
        if self.is_mark("("):
            special = self._special_call(token, name)
            if special is not None:
                return special
        elif library.partition(".")[0] in _WORD_LIBRARIES:
            return Word(name)
        if short in FUNCTIONS and library in (*_LIBRARIES, "") and self._is_call(short):
            return self.call(token, short)
        if short in MISSING and library in (*_LIBRARIES, "", "request"):
            self.refuse(token, name if library else short)
        kind = "function" if self.is_mark("(") else "name"
        return self.fail(f"the {kind} {name} cannot be translated", token.span)

    def _is_call(self, name: str) -> bool:
        return self.is_mark("(") or name in VARIABLES

    def _special_call(self, token: Token, name: str) -> Value | None:
        """Return a call that is not a row of the table; None for another function."""
        if (own := self.call_own(token, name)) is not None:
            return own
        if name == "na":
            return self.is_unknown(token)
        if name in ("bbw", "ta.bbw") and self._version < _PERCENT_VERSION:
            width = self.as_node(self.call(token, "bbw"), token)
            return tree.Binary("/", width, tree.Number(100.0))
        if name in ("request.security", "security"):
            return self._security(token)
        if name == "input" or name.startswith("input."):
            return self._input(token)
        return self._known(token) if name in ("nz", "fixnan") else None

    def _line(self, name: str, value: Value, token: Token) -> Value:
        if isinstance(value, Outputs):
            lines = list(value.lines.values())
            number = self._line_numbers.get(name, 0)
            if number >= len(lines):
                self.fail(f"{token.text} is not a line of the function", token.span)
            return lines[number]
        return value

    def _input(self, token: Token) -> Value:
        """Return the default of an input."""
        by_position, by_name = self.arguments()
        default = by_name.get("defval") or (by_position[0] if by_position else None)
        if default is None:
            self.fail("the input has no default", self.span_from(token))
        return default[0]

    def _known(self, token: Token) -> Value:
        by_position, _ = self.arguments()
        self.note(f"{token.text} was left out: a condition with an unknown value does not match")
        return as_number(self.as_node(*by_position[0]))

    def _security(self, token: Token) -> Node:
        """Return an expression of weekly or monthly bars, or of another symbol."""
        by_position, by_name = self.arguments()
        span = self.span_from(token)
        names = ("symbol", "timeframe", "expression")
        arguments = dict(zip(names, by_position, strict=False)) | by_name
        if any(name not in arguments for name in names):
            self.fail("request.security needs a symbol, a timeframe and an expression", span)
        symbol, timeframe = (str(arguments[name][0]) for name in names[:2])
        node = self.as_node(*arguments["expression"])
        unit = _WEEKLY.get(timeframe.lower()) if timeframe else ""
        if unit is None:
            self.fail(f"bars of the timeframe {timeframe!r} are not stored", span)
        if symbol and unit:
            self.fail("longer bars of another symbol cannot be translated", span)
        if symbol:
            ticker = symbol.rpartition(":")[2]
            return self.filled(f'symbol("{ticker}", x)', {"x": node}, span)
        if not unit:
            return node
        return tree.Resampled(unit, node, running=True)


def _logical_lines(tokens: list[Token]) -> list[Token]:
    """Return the tokens without the line ends that do not end a statement.

    A statement continues inside parentheses, after an operator or a comma, and on a line that
    begins with one.
    """
    lines: list[Token] = []
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.kind == LINE and (depth > 0 or _continues(lines, tokens[i + 1 :])):
            continue
        lines.append(token)
    return lines


_CONTINUING: Final = (
    *("and", "or", "not", "+", "-", "*", "/", "%", "?", ":", "<", "<=", ">", ">=", "==", "!="),
    *("=", ","),
)


def _continues(before: list[Token], after: list[Token]) -> bool:
    following = next((token for token in after if token.kind != LINE), None)
    is_open = bool(before) and before[-1].word in _CONTINUING and before[-1].kind != TEXT
    is_begun = (
        following is not None
        and following.kind != TEXT
        and following.word in _CONTINUING
        and following.word not in ("not", "-", "+")
    )
    return is_open or is_begun
