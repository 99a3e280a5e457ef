"""Reference data by symbol, as the condition language sees it: facts, and who is listed when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.records import Listing, Split
from marketsweep.core.spellings import known_as, note_of
from marketsweep.language import tree
from marketsweep.language.tree import Node

UNKNOWN: Final = float("nan")


DATED: Final = frozenset({"listing_age", "market_cap"})
"""Facts that change from day to day by themselves."""

Days = tuple[str, str | None, str | None, int]
"""A symbol with the first and last day (ISO) of its listing, and its instrument.

None for unknown, or still listed.
"""


class Reference:
    """Reference data by symbol, seen from one day.

    `lives` is what every scan asks; `listings` is called when a fact is asked for the first time,
    and `closes` (the last ones by symbol, raw dollars) and `splits` for the first market cap.
    `known_on` (ISO) is the session at which a source told what is listed, without since when.
    `stored` are the tickers with bars: a condition may name them in any spelling.
    """

    def __init__(
        self,
        lives: Iterable[Days],
        listings: Callable[[], Iterable[Listing]],
        as_of: dt.date,
        known_on: str | None = None,
        closes: Callable[[], Mapping[str, float]] = dict,
        splits: Callable[[], Iterable[Split]] = tuple,
        stored: Container[str] = frozenset(),
    ) -> None:
        self._stored = stored
        self.as_of = as_of
        self._known_on = known_on
        self._load = listings
        self._closes = closes
        self._splits = splits
        self._day = as_of.isoformat()
        self.lives: dict[str, tuple[str | None, str | None]] = {}
        self._owners: dict[str, int] = {}
        for symbol, first, last, instrument in lives:
            life = first, last
            if symbol not in self.lives or self._rank(*life) > self._rank(*self.lives[symbol]):
                self.lives[symbol] = life
                self._owners[symbol] = instrument

    @cached_property
    def listings(self) -> dict[str, Listing]:
        """The listing by symbol of whoever has it on the day, or had it last before."""

        def rank(one: Listing) -> tuple[bool, bool, str]:
            is_owner = self._owners.get(one.symbol) == one.instrument
            return is_owner, *self._rank(_iso(one.first), _iso(one.last))

        found: dict[str, Listing] = {}
        for listing in self._load():
            other = found.get(listing.symbol)
            # Few tickers have several listings: only these are compared.
            if other is None or rank(listing) >= rank(other):
                found[listing.symbol] = listing
        return found

    def _rank(self, first: str | None, last: str | None) -> tuple[bool, str]:
        """Return a sort key: the owner of a ticker on the day, or the last before it, is last."""
        return first is None or first <= self._day, last or "9999"

    def is_listed(self, symbol: str) -> bool | None:
        """Whether a symbol is listed on the day; None where the reference data does not say."""
        if symbol not in self.lives:
            return None
        first, last = self.lives[symbol]
        if last is not None and last < self._day:
            return False
        if first is None:
            return True if self._known_on and self._known_on <= self._day else None
        return first <= self._day

    def __contains__(self, symbol: object) -> bool:
        """Whether a ticker is stored, or listed."""
        return symbol in self._stored or symbol in self.lives

    def fact(self, symbol: str, name: str) -> str | float | None:
        """One fact of one symbol; None where it is unknown."""
        if name == "symbol":
            return symbol
        listing = self.listings.get(symbol)
        if listing is None:
            return None
        if name == "listing_age":
            return float((self.as_of - listing.first).days) if listing.first else None
        if name == "market_cap":
            return self._caps.get(symbol, listing.market_cap)
        value: str | float | None = getattr(listing, name)
        return value

    @cached_property
    def _caps(self) -> dict[str, float]:
        """Shares times the last close, in dollars, of those of whom both are known.

        Splits between the day and the day of which the shares are told are counted in.
        """
        shares = {symbol: one.shares for symbol, one in self.listings.items() if one.shares}
        if not shares:
            return {}
        for split in self._splits():
            told_on = self.listings[split.symbol].shares_on if split.symbol in shares else None
            if told_on is None:
                continue
            if told_on < split.ex_date <= self.as_of:
                shares[split.symbol] /= split.factor
            elif self.as_of < split.ex_date <= told_on:
                shares[split.symbol] *= split.factor
        closes = self._closes()
        return {symbol: n * closes[symbol] for symbol, n in shares.items() if symbol in closes}

    def told(self, symbols: Sequence[str], name: str) -> list[str | float | None]:
        """One fact of several symbols; None where it is unknown."""
        return [self.fact(symbol, name) for symbol in symbols]

    def columns(self, nodes: Sequence[Node], symbols: Sequence[str]) -> NDArray[np.float64]:
        """Float64 [nodes, symbols]: numbers as they are, truths as 1 and 0, NaN for unknown."""
        found = np.empty((len(nodes), len(symbols)))
        for row, node in zip(found, nodes, strict=True):
            spelled = respelled(node, self)
            row[:] = [self._value(symbol, spelled) for symbol in symbols]
        return found

    def _value(self, symbol: str, node: Node) -> float:
        match node:
            case tree.Fact(name=name):
                number = self.fact(symbol, name)
                return UNKNOWN if number is None else float(number)
            case tree.Match(operand=operand, how=how, pattern=pattern):
                return self._fits(symbol, operand, how, pattern.value)
            case tree.In(operand=operand, choices=choices):
                return self._is_one_of(symbol, operand, choices)
            case tree.Compare(operands=(left, right), operators=(operator,)):
                equal = self._is_one_of(symbol, left, (right,))
                return equal if operator == "==" else 1.0 - equal
        raise TypeError(f"{type(node).__name__} is not about reference data")

    def _fits(self, symbol: str, operand: Node, how: str, pattern: str) -> float:
        text = self._text(symbol, operand)
        if text is None:
            return UNKNOWN
        if operand != tree.Fact("symbol"):
            text, pattern = _fold(text), _fold(pattern)
        return float(pattern in text if how == "contains" else fnmatchcase(text, pattern))

    def _is_one_of(self, symbol: str, operand: Node, choices: Sequence[Node]) -> float:
        text = self._text(symbol, operand)
        if text is None:
            return UNKNOWN
        # Tickers differ by case alone; in names of sectors or exchanges case means nothing.
        exact = operand == tree.Fact("symbol")
        among = (self._text(symbol, choice) for choice in choices)
        return float(any(_same(text, choice, exact=exact) for choice in among))

    def _text(self, symbol: str, node: Node) -> str | None:
        if isinstance(node, tree.Text):
            return node.value
        assert isinstance(node, tree.Fact)
        value = self.fact(symbol, node.name)
        return None if value is None else str(value)


class ReferenceByPlace:
    """Reference data of a list of symbols, of which some were others' on earlier days.

    `apart` are those by their place in the list, as of their day; of the rest `newest` tells.
    """

    def __init__(self, newest: Reference, apart: Mapping[int, Reference]) -> None:
        self.as_of = newest.as_of
        self._newest = newest
        self._apart = apart

    def told(self, symbols: Sequence[str], name: str) -> list[str | float | None]:
        """As `Reference.told`; `symbols` is the whole list."""
        found = self._newest.told(symbols, name)
        for place, reference in self._apart.items():
            found[place] = reference.fact(symbols[place], name)
        return found

    def columns(self, nodes: Sequence[Node], symbols: Sequence[str]) -> NDArray[np.float64]:
        """As `Reference.columns`; `symbols` is the whole list."""
        found = self._newest.columns(nodes, symbols)
        for place, reference in self._apart.items():
            found[:, place] = reference.columns(nodes, [symbols[place]])[:, 0]
        return found


def tickers_of(node: Node) -> list[str]:
    """Return the tickers that a node compares the symbol with."""
    match node:
        case tree.In(operand=tree.Fact(name="symbol"), choices=choices):
            return [choice.value for choice in choices]
        case tree.Compare(operands=operands) if tree.Fact("symbol") in operands:
            return [one.value for one in operands if isinstance(one, tree.Text)]
    return []


def ticker_notes(nodes: Iterable[Node], known: Container[str]) -> Iterator[str]:
    """Yield what conditions name as tickers and is read otherwise, or is not known."""
    parts = [part for node in nodes for part in node.walk()]
    texts = [text for part in parts for text in tickers_of(part)]
    texts += [part.symbol for part in parts if isinstance(part, tree.Other)]
    ours = {text: known_as(text, known) for text in texts}
    read = {text: one for text, one in ours.items() if one is not None and one != text}
    if read:
        yield note_of(read)
    if absent := [text for text, one in ours.items() if one is None]:
        yield f"neither stored nor listed, though a condition names it: {', '.join(absent[:3])}"


def respelled(node: Node, known: Container[str]) -> Node:
    """Return a node with the tickers that it compares the symbol with as the store spells them."""
    ours = {text: known_as(text, known) or text for text in tickers_of(node)}
    if all(text == ticker for text, ticker in ours.items()):
        return node
    match node:
        case tree.In(choices=choices):
            return replace(node, choices=tuple(tree.Text(ours[one.value]) for one in choices))
        case tree.Compare(operands=operands):
            texts = (
                tree.Text(ours[one.value]) if isinstance(one, tree.Text) else one
                for one in operands
            )
            return replace(node, operands=tuple(texts))
    return node


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _same(text: str, choice: str | None, *, exact: bool) -> bool:
    if choice is None:
        return False
    return text == choice if exact else _fold(text) == _fold(choice)


@lru_cache(maxsize=4096)
def _fold(text: str) -> str:
    return text.casefold()
