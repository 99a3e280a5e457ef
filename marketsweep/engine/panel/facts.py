"""Look up reference data by symbol for conditions: facts, and who is listed when."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.records import SHARES, Listing
from marketsweep.core.spellings import find_known, note_of
from marketsweep.core.suggest import names_near
from marketsweep.engine.panel.company_actions import CompanyActions
from marketsweep.engine.panel.fact_conditions import fold, value_of
from marketsweep.engine.panel.own_facts import (
    NO_OWN_FACTS,
    Company,
    Days,
    FactHistory,
    OwnFacts,
    Steps,
)
from marketsweep.engine.time_limit import check_time
from marketsweep.language import tree
from marketsweep.language.tree import FACTS, Node
from marketsweep.language.vocabulary import DATE_FACTS, GROUPS, NUMBER_FACTS

NEVER: Final = -1e6
"""A day before all bars, in days since 1970, of what has not happened."""
NOT_YET: Final = 1e6
"""A day after all bars, of what is not known to happen."""


_AT_ONCE: Final = 250
"""Symbols after which a time limit is looked at."""

DATED: Final = frozenset((*NUMBER_FACTS, "next_split", "next_dividend"))
"""Facts that change from day to day by themselves."""

_Value = TypeVar("_Value")


class Reference:
    """Reference data by symbol, as of one day.

    `lives` are needed by every scan. `listings` is called when a fact is read for the first time;
    `closes` (last raw close by symbol, in dollars) and `actions` when a fact needs them. `known_on`
    (ISO) is the session on which a source reported the listings that have no first day. `stored`
    are the tickers with bars: a condition may spell them in other ways. `own` are further facts.
    """

    def __init__(
        self,
        lives: Iterable[Days],
        listings: Callable[[], Iterable[Listing]],
        as_of: dt.date,
        known_on: str | None = None,
        closes: Callable[[], Mapping[str, float]] = dict,
        actions: Callable[[], CompanyActions | None] = lambda: None,
        stored: Container[str] = frozenset(),
        own: OwnFacts = NO_OWN_FACTS,
    ) -> None:
        self.own = own
        self._own_values: dict[str, Mapping[int | str, float | str]] = {}
        self._stored = stored
        self.as_of = as_of
        self._known_on = known_on
        self._load = listings
        self._closes = closes
        self._read_actions = actions
        self._begun: dict[int, str | None] = {}
        """The first day of the first listing of each company."""
        self._day = as_of.isoformat()
        self.lives: dict[str, tuple[str | None, str | None]] = {}
        self._owners: dict[str, int] = {}
        for symbol, first, last, instrument in lives:
            life = first, last
            begun = self._begun.setdefault(instrument, first)
            self._begun[instrument] = min(begun, first) if begun and first else None
            if symbol not in self.lives or self._rank(*life) > self._rank(*self.lives[symbol]):
                self.lives[symbol] = life
                self._owners[symbol] = instrument

    @cached_property
    def listings(self) -> dict[str, Listing]:
        """The listing by symbol: of the company that has it on the day, or else had it last."""

        def rank(listing: Listing) -> tuple[bool, bool, str]:
            is_owner = self._owners.get(listing.symbol) == listing.instrument
            return is_owner, *self._rank(_iso(listing.first), _iso(listing.last))

        result: dict[str, Listing] = {}
        for listing in self._load():
            previous = result.get(listing.symbol)
            # Few tickers have several listings, so only those are compared.
            if previous is None or rank(listing) >= rank(previous):
                result[listing.symbol] = listing
        return result

    def _rank(self, first: str | None, last: str | None) -> tuple[bool, str]:
        """Return a sort key: the listing of the day, or the most recent one, is last."""
        return first is None or first <= self._day, last or "9999"

    def is_listed(self, symbol: str) -> bool | None:
        """Return whether a symbol is listed on the day; None if the reference data does not say."""
        if symbol not in self.lives:
            return None
        first, last = self.lives[symbol]
        if last is not None and last < self._day:
            return False
        if first is None:
            return True if self._known_on and self._known_on <= self._day else None
        return first <= self._day

    def __contains__(self, symbol: object) -> bool:
        """Return whether a ticker is stored or listed."""
        return symbol in self._stored or symbol in self.lives

    def fact(self, symbol: str, name: str) -> str | float | None:
        """Return one fact of one symbol; None if it is unknown. A date is its number."""
        if name in self.own.kinds and (name not in FACTS or name in GROUPS):
            value = self._values_of_own(name).get(self._owners.get(symbol, symbol))
            # Of a fact of listings, the store may have older values than that of the listing.
            if value is not None or name not in FACTS:
                return value
        if name in DATE_FACTS:
            return self._date(symbol, name)
        if name in self._readers:
            return self._readers[name](symbol)
        listing = self.listings.get(symbol)
        return None if listing is None else getattr(listing, name)

    @cached_property
    def _readers(self) -> dict[str, Callable[[str], str | float | None]]:
        """Functions that return the facts that are not stored as such."""
        return {
            "symbol": lambda symbol: symbol,
            "listing_age": self._age,
            "market_cap": self._cap,
            "shares_outstanding": self._shares_of,
            "dividend_yield": self._yield_of,
            "splits": lambda symbol: self._count(symbol, "split"),
            "dividends": lambda symbol: self._count(symbol, "dividend"),
        }

    def _count(self, symbol: str, happening: str) -> float | None:
        days = self._days(symbol, happening)
        return None if days is None else float(len(days))

    def _shares_of(self, symbol: str) -> float | None:
        return self._shares.get(symbol)

    def _yield_of(self, symbol: str) -> float | None:
        return self._yields.get(symbol)

    def _age(self, symbol: str) -> float | None:
        listing = self.listings.get(symbol)
        return float((self.as_of - listing.first).days) if listing and listing.first else None

    def _cap(self, symbol: str) -> float | None:
        listing = self.listings.get(symbol)
        return self._caps.get(symbol, listing.market_cap) if listing else None

    def _values_of_own(self, name: str) -> Mapping[int | str, float | str]:
        """Return the values of a further fact by company, or by symbol without a listing."""
        if name not in self._own_values:
            self._own_values[name] = self.own.history(name).as_of(self.as_of)
        return self._own_values[name]

    def days_of(self, symbols: Sequence[str], happening: str) -> list[NDArray[np.int64] | None]:
        """Return the days on which something happened to each symbol, ascending, since 1970.

        None if they are not known. Days after the as-of date may be included.
        """
        return [self._days(symbol, happening) for symbol in symbols]

    def _days(self, symbol: str, happening: str) -> NDArray[np.int64] | None:
        if happening == "ipo":
            begun = self._begun.get(self._owners.get(symbol, 0))
            return None if begun is None else np.array([_number_of(begun)], dtype=np.int64)
        if self._actions is None:
            return None
        days = self._actions.split_days if happening == "split" else self._actions.dividend_days
        return days.get(symbol, _NO_DAYS) if days else None

    def _date(self, symbol: str, name: str) -> float | None:
        """Return a fact that is a date, in days since 1970.

        `NEVER` and `NOT_YET` stand for an event that did not happen; None is an unknown day.
        """
        which, _, happening = name.partition("_")
        days = self._days(symbol, "ipo" if which == "ipo" else happening)
        if days is None:
            return None
        if which == "ipo":
            return float(days[0])
        after = int(np.searchsorted(days, _number_of(self._day), side="right"))
        if which == "last":
            return float(days[after - 1]) if after else NEVER
        # In a past session it was not known which actions would follow.
        if self._actions is None or not self._actions.is_newest:
            return None
        return float(days[after]) if after < len(days) else NOT_YET

    @cached_property
    def _actions(self) -> CompanyActions | None:
        return self._read_actions()

    @cached_property
    def _yields(self) -> Mapping[str, float]:
        """Dividends of the last 365 days by symbol, in percent of the last close."""
        paid = self._actions.paid_in_a_year if self._actions else None
        if paid is None:
            return {}
        return {
            symbol: 100.0 * paid.get(symbol, 0.0) / close
            for symbol, close in self._closes().items()
        }

    @cached_property
    def _shares(self) -> dict[str, float]:
        """Shares outstanding by symbol, where they are known.

        A number that was known on the day comes before that of the listing. They are adjusted for
        splits between the day and the day for which they were reported.
        """
        shares: dict[str, float] = {}
        reported: dict[str, dt.date | None] = {}
        for symbol, listing in self.listings.items():
            if listing.shares:
                shares[symbol], reported[symbol] = listing.shares, listing.shares_on
        if self.own.kinds.get(SHARES) is tree.Kind.NUMBER:
            known = {
                company: (float(value), first)
                for company, first, value in self.own.history(SHARES).known_on(self.as_of)
            }
            # A company may have had several tickers; one without a listing is its ticker.
            owners = {company: company for company in known if isinstance(company, str)}
            for symbol, company in (owners | self._owners).items():
                if company in known:
                    shares[symbol], reported[symbol] = known[company]
        if not shares:
            return {}
        for split in self._actions.splits if self._actions else ():
            reported_on = reported.get(split.symbol)
            if reported_on is None:
                continue
            if reported_on < split.ex_date <= self.as_of:
                shares[split.symbol] /= split.factor
            elif self.as_of < split.ex_date <= reported_on:
                shares[split.symbol] *= split.factor
        return shares

    @cached_property
    def _caps(self) -> dict[str, float]:
        """Market caps in dollars: shares times the last close, where both are known."""
        closes = self._closes() if self._shares else {}
        return {
            symbol: count * closes[symbol]
            for symbol, count in self._shares.items()
            if symbol in closes
        }

    def values_in_use(self, name: str) -> list[str]:
        """Return the values of a text fact that any symbol has, the most frequent first."""
        counts = Counter(self.fact(symbol, name) for symbol in self.lives)
        return [str(value) for value, _ in counts.most_common() if value is not None]

    def values_of(self, symbols: Sequence[str], name: str) -> list[str | float | None]:
        """Return one fact of several symbols; None where it is unknown."""
        return [self.fact(symbol, name) for symbol in symbols]

    def at(self, place: int) -> Reference:
        """Return the reference data of the symbol at a place."""
        return self

    def columns(self, nodes: Sequence[Node], symbols: Sequence[str]) -> NDArray[np.float64]:
        """Return node values, float64 [nodes, symbols]: truths are 1 and 0, unknown is NaN."""
        result = np.empty((len(nodes), len(symbols)))
        for row, node in zip(result, nodes, strict=True):
            spelled = respelled(node, self)
            for first in range(0, len(symbols), _AT_ONCE):
                check_time()
                part = symbols[first : first + _AT_ONCE]
                row[first : first + _AT_ONCE] = [self._value(symbol, spelled) for symbol in part]
        return result

    def steps_of(self, symbols: Sequence[str], node: Node) -> list[Steps]:
        """Return the values of a node about facts: the days on which they change, and the values.

        Both are arrays, ascending by day; a day is its number since 1970.
        """
        check_time()
        facts = {part for part in node.walk() if isinstance(part, tree.Fact)}
        dated = {fact.name: self.own.history(fact.name) for fact in facts if fact.dated}
        spelled = respelled(node, self)
        companies = [self._owners.get(symbol, symbol) for symbol in symbols]
        if len(facts) == 1:
            ((name, history),) = dated.items()
            return history.steps(companies, lambda value: value_of(spelled, {name: value}.get))

        def steps(symbol: str, company: Company) -> Steps:
            check_time()
            return self._steps(symbol, company, spelled, dated)

        return [steps(symbol, company) for symbol, company in zip(symbols, companies, strict=True)]

    def _steps(
        self, symbol: str, company: Company, node: Node, dated: Mapping[str, FactHistory]
    ) -> Steps:
        """Return the values of a node about several facts of one symbol."""
        by_day = {name: history.values_of(company) for name, history in dated.items()}
        days = sorted(set().union(*by_day.values()))
        known = dict[str, str | float | None]()
        values = []
        for day in days:
            known.update((name, rows[day]) for name, rows in by_day.items() if day in rows)
            values.append(
                value_of(
                    node,
                    lambda name: known.get(name) if name in dated else self.fact(symbol, name),
                )
            )
        return np.array(days, dtype=np.int64), np.array(values, dtype=np.float64)

    def _value(self, symbol: str, node: Node) -> float:
        return value_of(node, lambda name: self.fact(symbol, name))


class ReferenceByPlace:
    """Reference data of a list of symbols, some of them as of an earlier day.

    `apart` maps the position of such a symbol to the reference data of its day; `newest` has the
    rest.
    """

    def __init__(self, newest: Reference, apart: Mapping[int, Reference]) -> None:
        self.as_of = newest.as_of
        self._newest = newest
        self._apart = apart

    def at(self, place: int) -> Reference:
        """Return the reference data of the symbol at a place."""
        return self._apart.get(place, self._newest)

    def _of_each(
        self, symbols: Sequence[str], read: Callable[[Reference, Sequence[str]], list[_Value]]
    ) -> list[_Value]:
        """Return what is read of each symbol of the list, as of its day."""
        values = read(self._newest, symbols)
        for position, reference in self._apart.items():
            (values[position],) = read(reference, [symbols[position]])
        return values

    def values_of(self, symbols: Sequence[str], name: str) -> list[str | float | None]:
        """Return one fact of each symbol of the list; None where it is unknown."""
        return self._of_each(symbols, lambda reference, of: reference.values_of(of, name))

    def days_of(self, symbols: Sequence[str], happening: str) -> list[NDArray[np.int64] | None]:
        """Return the days on which something happened to each symbol; see `Reference.days_of`."""
        return self._of_each(symbols, lambda reference, of: reference.days_of(of, happening))

    def steps_of(self, symbols: Sequence[str], node: Node) -> list[Steps]:
        """Return the values of a node about facts by day; see `Reference.steps_of`."""
        return self._of_each(symbols, lambda reference, of: reference.steps_of(of, node))

    def columns(self, nodes: Sequence[Node], symbols: Sequence[str]) -> NDArray[np.float64]:
        """Return the values of nodes for the symbols of the list, as `Reference.columns`."""
        result = self._newest.columns(nodes, symbols)
        for position, reference in self._apart.items():
            result[:, position] = reference.columns(nodes, [symbols[position]])[:, 0]
        return result


def tickers_of(node: Node) -> list[str]:
    """Return the tickers that a node compares the symbol with."""
    match node:
        case tree.In(operand=tree.Fact(name="symbol"), choices=choices):
            return [choice.value for choice in choices]
        case tree.Compare(operands=operands) if tree.Fact("symbol") in operands:
            return [operand.value for operand in operands if isinstance(operand, tree.Text)]
    return []


def ticker_notes(nodes: Iterable[Node], known: Container[str]) -> Iterator[str]:
    """Yield notes on tickers in conditions that are read in another spelling, or are unknown."""
    parts = [part for node in nodes for part in node.walk()]
    texts = [text for part in parts for text in tickers_of(part)]
    texts += [part.symbol for part in parts if isinstance(part, tree.OtherSymbol)]
    spellings = {text: find_known(text, known) for text in texts}
    respellings = {
        text: ticker for text, ticker in spellings.items() if ticker is not None and ticker != text
    }
    if respellings:
        yield note_of(respellings)
    if missing := [text for text, ticker in spellings.items() if ticker is None]:
        yield f"unknown ticker in a condition: {', '.join(missing[:3])}"


def value_notes(nodes: Iterable[Node], reference: Reference) -> Iterator[str]:
    """Yield a note for each text in a condition that no symbol has as its fact."""
    parts = [part for node in nodes for part in node.walk()]
    for part in dict.fromkeys(part for part in parts if isinstance(part, tree.Compare | tree.In)):
        sides = part.operands if isinstance(part, tree.Compare) else (part.operand, *part.choices)
        facts = [side.name for side in sides if isinstance(side, tree.Fact)]
        is_text = sides[0].kind is tree.Kind.TEXT
        if facts and is_text and facts[0] not in ("symbol", "name"):
            values = reference.values_in_use(facts[0])
            texts = [side.value for side in sides if isinstance(side, tree.Text)]
            known = {fold(value) for value in values}
            for text in texts:
                if values and text and fold(text) not in known:
                    yield f'no symbol has the {facts[0]} "{text}": {_choices(text, values)}'


def _choices(text: str, values: Sequence[str]) -> str:
    """Return the values that exist: those of these initials, that contain the text, or are near."""
    near = [value for value in values if fold(_initials(value)) == fold(text)]
    near = near or [value for value in values if fold(text) in fold(value)]
    near += [value for value in names_near(text, values) if value not in near]
    if near:
        return f"did you mean {' or '.join(near[:3])}?"
    more = f" and {len(values) - 12} more" if len(values) > 12 else ""
    return f"there are {', '.join(values[:12])}{more}"


def _initials(text: str) -> str:
    return "".join(word[0] for word in text.split())


def respelled(node: Node, known: Container[str]) -> Node:
    """Return a node with the tickers in it spelled as in the store."""
    spellings = {text: find_known(text, known) or text for text in tickers_of(node)}
    if all(text == spelling for text, spelling in spellings.items()):
        return node
    match node:
        case tree.In(choices=choices):
            return replace(
                node, choices=tuple(tree.Text(spellings[choice.value]) for choice in choices)
            )
        case tree.Compare(operands=operands):
            texts = (
                tree.Text(spellings[operand.value]) if isinstance(operand, tree.Text) else operand
                for operand in operands
            )
            return replace(node, operands=tuple(texts))
    return node


_NO_DAYS: Final = np.zeros(0, dtype=np.int64)


def days_of(numbers: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """Return days since 1970 as dates; NaT where they are unknown, `NEVER` or `NOT_YET`."""
    is_day = np.isfinite(numbers) & (numbers != NEVER) & (numbers != NOT_YET)
    days = np.where(is_day, numbers, 0).astype("datetime64[D]")
    return np.where(is_day, days, np.datetime64("NaT"))


def _number_of(day: str) -> int:
    """Return a day (ISO) as its number of days since 1970."""
    return int(np.datetime64(day, "D").astype(np.int64))


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()
