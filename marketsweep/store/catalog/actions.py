"""Splits and dividends as providers tell them, and the user's word on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Final, Generic, Literal, TypeVar

import msgspec

from marketsweep.core.records import ActionAside, Dividend, Settled, Split
from marketsweep.store.catalog.packs import Packs

_Action = TypeVar("_Action", Split, Dividend)
_Word = tuple[str, dt.date, Literal["split", "dividend"], float | None, float | None, float | None]

_SETTLED: Final = "settled"
_ASIDE: Final = "actions aside"


class _Kind(Generic[_Action]):
    """Where the actions of a kind are kept: a pack a year."""

    def __init__(self, prefix: str, action: type[_Action]) -> None:
        self.prefix = prefix
        self.decoder: msgspec.msgpack.Decoder[list[_Action]] = msgspec.msgpack.Decoder(
            list[action]  # type: ignore[valid-type]
        )

    def pack(self, year: int | str) -> str:
        """The name of the pack of a year."""
        return f"{self.prefix}{year}"


_SPLITS: Final = _Kind("splits/", Split)
_DIVIDENDS: Final = _Kind("dividends/", Dividend)
_decode_aside: Final = msgspec.msgpack.Decoder(list[ActionAside])
_decode_words: Final = msgspec.msgpack.Decoder(list[_Word])
_decode_rows: Final[msgspec.msgpack.Decoder[list[msgspec.Raw]]] = msgspec.msgpack.Decoder(
    list[msgspec.Raw]
)


class Actions(Packs):
    """Splits, dividends and the user's word."""

    def splits(self, since: dt.date | None = None) -> list[Split]:
        """Splits with an ex-date on or after `since`, by symbol and ex-date."""
        return self._actions(_SPLITS, since)

    def dividends(self, since: dt.date | None = None) -> list[Dividend]:
        """Dividends with an ex-date on or after `since`, by symbol and ex-date."""
        return self._actions(_DIVIDENDS, since)

    def dividends_of(self, year: int) -> list[Dividend]:
        """The dividends with an ex-date in a year, by symbol and ex-date."""
        return self.decoded(_DIVIDENDS.pack(year), _DIVIDENDS.decoder) or []

    def count_splits(self) -> int:
        """The number of stored splits."""
        return self._count(_SPLITS)

    def count_dividends(self) -> int:
        """The number of stored dividends."""
        return self._count(_DIVIDENDS)

    def replace_splits(
        self, splits: Iterable[Split], since: dt.date | None, symbols: Iterable[str] | None = None
    ) -> bool:
        """Make these the splits on or after `since`, of `symbols` or all; whether any changed."""
        return self._replace(_SPLITS, splits, since, symbols)

    def replace_dividends(
        self,
        dividends: Iterable[Dividend],
        since: dt.date | None,
        symbols: Iterable[str] | None = None,
    ) -> bool:
        """Make these the dividends since a day, of `symbols` or all; whether any changed."""
        return self._replace(_DIVIDENDS, dividends, since, symbols)

    def merge_splits(self, splits: Iterable[Split]) -> bool:
        """Put these in the place of those of the same symbol and day; whether that changed any."""
        return self._merge(_SPLITS, splits)

    def merge_dividends(self, dividends: Iterable[Dividend]) -> bool:
        """Put these in the place of those of the same symbol and day; whether that changed any."""
        return self._merge(_DIVIDENDS, dividends)

    def actions_aside(self) -> list[ActionAside]:
        """Told actions that cannot be used, by symbol and day."""
        return self.decoded(_ASIDE, _decode_aside) or []

    def replace_aside(
        self, rows: Iterable[ActionAside], since: dt.date | None, symbols: Iterable[str] | None
    ) -> bool:
        """Make these the unusable actions on or after `since`, of `symbols` or all."""
        of = None if symbols is None else frozenset(symbols)
        kept = [
            row
            for row in self.actions_aside()
            if (of is not None and row.symbol not in of)
            or (since is not None and row.ex_date is not None and row.ex_date < since)
        ]
        return self._put_aside([*kept, *rows])

    def merge_aside(self, rows: Iterable[ActionAside]) -> bool:
        """Put these beside the unusable actions that are stored."""
        return self._put_aside([*self.actions_aside(), *rows])

    def _put_aside(self, rows: Iterable[ActionAside]) -> bool:
        return self.put_rows(_ASIDE, sorted(set(rows), key=repr))

    def settled(self) -> list[Settled]:
        """The user's word on splits and dividends, by symbol, ex-date and kind."""
        return [_settled(*word) for word in self.decoded(_SETTLED, _decode_words) or []]

    def settle(self, one: Settled) -> bool:
        """Keep the user's word in the place of an earlier one; whether that changed anything."""
        others = [word for word in self.settled() if word[:3] != one[:3]]
        return self._put_words([*others, one])

    def unsettle(self, symbol: str, ex_date: dt.date, kind: str) -> bool:
        """Forget the user's word; whether there was one."""
        words = self.settled()
        left = [word for word in words if word[:3] != (symbol, ex_date, kind)]
        return len(left) < len(words) and self._put_words(left)

    def _put_words(self, words: Iterable[Settled]) -> bool:
        rows = sorted(map(_word, words), key=lambda word: word[:3])
        return self.put_rows(_SETTLED, rows)

    def _actions(self, kind: _Kind[_Action], since: dt.date | None) -> list[_Action]:
        first = kind.pack("" if since is None else since.year)
        found = [
            action
            for name in self.pack_names(kind.prefix)
            if name >= first
            for action in self.decoded(name, kind.decoder) or []
            if since is None or action.ex_date >= since
        ]
        return sorted(found)

    def _count(self, kind: _Kind[_Action]) -> int:
        packs = (self.decoded(name, _decode_rows) for name in self.pack_names(kind.prefix))
        return sum(len(pack or ()) for pack in packs)

    def _replace(
        self,
        kind: _Kind[_Action],
        actions: Iterable[_Action],
        since: dt.date | None,
        symbols: Iterable[str] | None,
    ) -> bool:
        given = set(actions)
        of = None if symbols is None else frozenset(symbols)
        stored = {
            action for action in self._actions(kind, since) if of is None or action.symbol in of
        }
        return self._change(kind, stored - given, given - stored)

    def _merge(self, kind: _Kind[_Action], actions: Iterable[_Action]) -> bool:
        given = set(actions)
        places = {(action.symbol, action.ex_date) for action in given}
        first = min((action.ex_date for action in given), default=None)
        stored = {
            action
            for action in (self._actions(kind, first) if given else ())
            if (action.symbol, action.ex_date) in places
        }
        return self._change(kind, stored - given, given - stored)

    def _change(
        self, kind: _Kind[_Action], gone: Collection[_Action], new: Collection[_Action]
    ) -> bool:
        changed = False
        for year in sorted({action.ex_date.year for action in (*gone, *new)}):
            name = kind.pack(year)
            kept = set(self.decoded(name, kind.decoder) or ()).difference(gone)
            kept.update(action for action in new if action.ex_date.year == year)
            changed |= self.put_rows(name, sorted(kept))
        return changed


def _word(one: Settled) -> _Word:
    old = new = cash = None
    if isinstance(one.action, Split):
        old, new = one.action.old, one.action.new
    elif one.action is not None:
        cash = one.action.cash
    return one.symbol, one.ex_date, one.kind, old, new, cash


def _settled(
    symbol: str,
    ex_date: dt.date,
    kind: Literal["split", "dividend"],
    old: float | None,
    new: float | None,
    cash: float | None,
) -> Settled:
    action: Split | Dividend | None = None
    if old is not None and new is not None:
        action = Split(symbol, ex_date, old, new)
    elif cash is not None:
        action = Dividend(symbol, ex_date, cash)
    return Settled(symbol, ex_date, kind, action)
