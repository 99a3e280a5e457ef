"""Parse the calls that the calendar decides: sums since a day, values on a day, longer bars."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from marketsweep.language import tree
from marketsweep.language.indicators.row import MAX_PERIOD
from marketsweep.language.parsing.lexer import Token
from marketsweep.language.parsing.token_stream import TokenStream
from marketsweep.language.tree import Kind, Node
from marketsweep.language.vocabulary import EXAMPLES, FRAMES, UNITS

MAX_SESSIONS: Final = 60
"""The most sessions of a bar that is made of a number of sessions."""

_UNIT_NAMES: Final = ", ".join(UNITS)


class DatedCallParser(TokenStream, ABC):
    """Parser of calls that begin at a day, or that make longer bars of daily ones."""

    @abstractmethod
    def expression(self, floor: int) -> Node:
        """Parse an expression whose operators bind more tightly than `floor`."""

    def _first_bar(self, token: Token, name: str) -> Node:
        self.advance()
        if self._unit() is None and self.token.kind != "date":
            self.fail(f"{name} takes a date or {_UNIT_NAMES}, found {self.token_text()}")
        start = self._start()[0]
        self.expect(")", f"to close {name}(...)")
        return replace(start, span=self.span_from(token))

    def _cumulative(self, token: Token, name: str) -> Node:
        self.advance()
        x = self.require_kind(self.expression(0), Kind.NUMBER, f"the argument of {name}")
        if self.is_mark(")"):
            self.advance()
            return tree.Call("cumsum", (x,), (), span=self.span_from(token))
        self.expect(",", f"or ')' in {name}(...)")
        start, most = self._start()
        self.expect(")", f"to close {name}(...)")
        return tree.Event("sum_since", (start, x), (most,), span=self.span_from(token))

    def _anchored_vwap(self, token: Token, name: str) -> Node:
        self.advance()
        if self.is_mark(")"):
            self.fail(f"{name} needs its first day, as in {EXAMPLES[name]}")
        start, most = self._start()
        self.expect(")", f"to close {name}(...)")
        volume, price = tree.Field("volume"), tree.Field("hlc3")
        flow = tree.Event("sum_since", (start, tree.Binary("*", price, volume)), (most,))
        shares = tree.Event("sum_since", (start, volume), (most,))
        return tree.Binary("/", flow, shares, span=self.span_from(token))

    def _on(self, token: Token, name: str) -> Node:
        """Parse the value on a day, or at the last bar before it."""
        self.advance()
        day = self.parse_date(f"a date in {name}(...), as in {EXAMPLES[name]}")
        self.expect(",", f"and the value on that day, as in {EXAMPLES[name]}")
        x = tree.as_condition(self.expression(0))
        self.expect(")", f"to close {name}(...)")
        number = tree.Function("number", (x,)) if x.kind is Kind.TRUTH else x
        self.require_kind(number, Kind.NUMBER, f"the value of {name}")
        date = tree.Calendar("date")
        over = tree.Compare((tree.Shift(date, 1), day, date), ("<=", "<"))
        before = tree.Event("value_when", (over, tree.Shift(number, 1)), (0.0, _bars_since(day)))
        value = tree.Function("if", (tree.Compare((date, day), ("==",)), number, before))
        if x.kind is Kind.TRUTH:
            return tree.Compare((value, tree.Number(1.0)), ("==",), span=self.span_from(token))
        return replace(value, span=self.span_from(token))

    def _start(self) -> tuple[Node, float]:
        """Parse what a sum begins at: a unit, a date or a condition; and the most bars since it."""
        if (unit := self._unit()) is not None:
            self.advance()
            return tree.FirstBar(unit), float(UNITS[unit])
        if self.token.kind == "date":
            day = self.parse_date("a date")
            return tree.FirstBar(day), _bars_since(day)
        role = f"the start must be a date, {_UNIT_NAMES} or a condition; this"
        return self.require_kind(self.expression(0), Kind.TRUTH, role), 252.0

    def _unit(self) -> str | None:
        """Return the unit that follows; None for an expression, which may begin with its name."""
        word = self.token.text.lower().strip("\"'")  # Python writes it in quotes
        return word if word in UNITS and self.tokens[self.position + 1].text == ")" else None

    def _bars_of_sessions(self, token: Token, name: str) -> Node:
        if self.tokens[self.position + 1].kind != "number":
            self.fail(f"{name} takes a number of sessions and an expression, as in bars(3, close)")
        self.advance()
        sessions = self.parse_whole_number("the number of sessions of a bar", least=2)
        if sessions > MAX_SESSIONS:
            self.fail(f"a bar may have at most {MAX_SESSIONS} sessions: use quarterly or yearly")
        self.expect(",", "and an expression, as in bars(3, close)")
        return self._longer_bars(token, name, str(sessions))

    def _framed(self, token: Token, unit: str) -> Node:
        self.advance()
        return self._longer_bars(token, unit, unit)

    def _longer_bars(self, token: Token, name: str, unit: str) -> Node:
        of = self.expression(0)
        running = self.is_mark(",")
        if running:
            self.advance()
            self.expect_word("running", f"or ')' in {name}(...)")
        self.expect(")", f"to close {name}(...)")
        if of.kind in (Kind.TEXT, Kind.DATE):
            self.fail(f"the argument of {name} must be a number or a condition", of.span)
        self.require_single_symbol(
            of,
            f"the argument of {name}",
            *(tree.OtherSymbol, tree.Rank, tree.Resampled, tree.Calendar, tree.FirstBar),
        )
        return tree.Resampled(unit, of, running, span=self.span_from(token))

    def require_single_symbol(self, of: Node, role: str, *forbidden: type[Node]) -> None:
        """Raise ConditionError if an expression depends on the bars of other symbols."""
        for node in of.walk():
            if isinstance(node, (*forbidden, tree.MarketAggregate)):
                self.fail(
                    f"{role} may use one symbol's bars only: move {node} outside",
                    of.span,
                )


DATED_CALLS: Final[dict[str, Callable[[Any, Token, str], Node]]] = {
    "first_bar": DatedCallParser._first_bar,
    "cumulative": DatedCallParser._cumulative,
    "anchored_vwap": DatedCallParser._anchored_vwap,
    "on": DatedCallParser._on,
    "bars": DatedCallParser._bars_of_sessions,
    **dict.fromkeys(FRAMES, DatedCallParser._framed),
}
"""The parser of each call by its name."""


def _bars_since(day: tree.Day) -> float:
    """Return at least the number of sessions from a day until today."""
    days = (dt.date.today() - day.date).days
    return float(min(MAX_PERIOD, max(10, days * 5 // 7 + 10)))
