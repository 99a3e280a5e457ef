"""Splits and dividends as providers report them, and the user's overrides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Final, Generic, Literal, TypeVar

import msgspec

from marketsweep.core.records import ActionAside, ActionOverride, Dividend, Split
from marketsweep.store.catalog.packs import Packs

_Action = TypeVar("_Action", Split, Dividend)
_OverrideRow = tuple[
    str, dt.date, Literal["split", "dividend"], float | None, float | None, float | None
]

_OVERRIDES: Final = "settled"
_ASIDE: Final = "actions aside"


class _ActionPacks(Generic[_Action]):
    """Where the actions of a kind are stored: one pack per year."""

    def __init__(self, prefix: str, action: type[_Action]) -> None:
        self.prefix = prefix
        self.decoder: msgspec.msgpack.Decoder[list[_Action]] = msgspec.msgpack.Decoder(
            list[action]  # type: ignore[valid-type]
        )

    def pack(self, year: int | str) -> str:
        """Return the name of the pack of a year."""
        return f"{self.prefix}{year}"


_SPLITS: Final = _ActionPacks("splits/", Split)
_DIVIDENDS: Final = _ActionPacks("dividends/", Dividend)
_decode_aside: Final = msgspec.msgpack.Decoder(list[ActionAside])
_decode_overrides: Final = msgspec.msgpack.Decoder(list[_OverrideRow])
_decode_rows: Final[msgspec.msgpack.Decoder[list[msgspec.Raw]]] = msgspec.msgpack.Decoder(
    list[msgspec.Raw]
)


class Actions(Packs):
    """Splits, dividends and the user's overrides."""

    def splits(self, since: dt.date | None = None) -> list[Split]:
        """Return splits with an ex-date on or after `since`, by symbol and ex-date."""
        return self._actions(_SPLITS, since)

    def dividends(self, since: dt.date | None = None) -> list[Dividend]:
        """Return dividends with an ex-date on or after `since`, by symbol and ex-date."""
        return self._actions(_DIVIDENDS, since)

    def dividends_of(self, year: int) -> list[Dividend]:
        """Return the dividends with an ex-date in a year, by symbol and ex-date."""
        return self.decoded(_DIVIDENDS.pack(year), _DIVIDENDS.decoder) or []

    def count_splits(self) -> int:
        """Return the number of stored splits."""
        return self._count(_SPLITS)

    def count_dividends(self) -> int:
        """Return the number of stored dividends."""
        return self._count(_DIVIDENDS)

    def replace_splits(
        self, splits: Iterable[Split], since: dt.date | None, symbols: Iterable[str] | None = None
    ) -> bool:
        """Replace the splits since a day, of `symbols` or all; return whether any changed."""
        return self._replace(_SPLITS, splits, since, symbols)

    def replace_dividends(
        self,
        dividends: Iterable[Dividend],
        since: dt.date | None,
        symbols: Iterable[str] | None = None,
    ) -> bool:
        """Replace the dividends since a day, of `symbols` or all; return whether any changed."""
        return self._replace(_DIVIDENDS, dividends, since, symbols)

    def merge_splits(self, splits: Iterable[Split]) -> bool:
        """Add splits, replacing those of the same symbol and day; return whether any changed."""
        return self._merge(_SPLITS, splits)

    def merge_dividends(self, dividends: Iterable[Dividend]) -> bool:
        """Add dividends, replacing those of the same symbol and day; return whether any changed."""
        return self._merge(_DIVIDENDS, dividends)

    def actions_aside(self) -> list[ActionAside]:
        """Return reported actions that cannot be used, by symbol and day."""
        return self.decoded(_ASIDE, _decode_aside) or []

    def replace_aside(
        self, rows: Iterable[ActionAside], since: dt.date | None, symbols: Iterable[str] | None
    ) -> bool:
        """Replace the unusable actions on or after `since`, of `symbols` or all."""
        replaced_symbols = None if symbols is None else frozenset(symbols)
        remaining = [
            row
            for row in self.actions_aside()
            if (replaced_symbols is not None and row.symbol not in replaced_symbols)
            or (since is not None and row.ex_date is not None and row.ex_date < since)
        ]
        return self._put_aside([*remaining, *rows])

    def merge_aside(self, rows: Iterable[ActionAside]) -> bool:
        """Add unusable actions to the stored ones."""
        return self._put_aside([*self.actions_aside(), *rows])

    def _put_aside(self, rows: Iterable[ActionAside]) -> bool:
        return self.put_rows(_ASIDE, sorted(set(rows), key=repr))

    def settled(self) -> list[ActionOverride]:
        """Return the user's overrides of splits and dividends, by symbol, ex-date and kind."""
        return [_override_of(*row) for row in self.decoded(_OVERRIDES, _decode_overrides) or []]

    def settle(self, override: ActionOverride) -> bool:
        """Store an override, replacing an earlier one, and return whether that changed anything."""
        stored = [row for row in self.settled() if row[:3] != override[:3]]
        return self._put_overrides([*stored, override])

    def unsettle(self, symbol: str, ex_date: dt.date, kind: str) -> bool:
        """Remove an override, and return whether it existed."""
        overrides = self.settled()
        remaining = [override for override in overrides if override[:3] != (symbol, ex_date, kind)]
        return len(remaining) < len(overrides) and self._put_overrides(remaining)

    def _put_overrides(self, overrides: Iterable[ActionOverride]) -> bool:
        rows = sorted(map(_override_row, overrides), key=lambda row: row[:3])
        return self.put_rows(_OVERRIDES, rows)

    def _actions(self, kind: _ActionPacks[_Action], since: dt.date | None) -> list[_Action]:
        first = kind.pack("" if since is None else since.year)
        actions = [
            action
            for name in self.pack_names(kind.prefix)
            if name >= first
            for action in self.decoded(name, kind.decoder) or []
            if since is None or action.ex_date >= since
        ]
        return sorted(actions)

    def _count(self, kind: _ActionPacks[_Action]) -> int:
        packs = (self.decoded(name, _decode_rows) for name in self.pack_names(kind.prefix))
        return sum(len(pack or ()) for pack in packs)

    def _replace(
        self,
        kind: _ActionPacks[_Action],
        actions: Iterable[_Action],
        since: dt.date | None,
        symbols: Iterable[str] | None,
    ) -> bool:
        new = set(actions)
        chosen_symbols = None if symbols is None else frozenset(symbols)
        stored = {
            action
            for action in self._actions(kind, since)
            if chosen_symbols is None or action.symbol in chosen_symbols
        }
        return self._change(kind, stored - new, new - stored)

    def _merge(self, kind: _ActionPacks[_Action], actions: Iterable[_Action]) -> bool:
        new = set(actions)
        keys = {(action.symbol, action.ex_date) for action in new}
        first = min((action.ex_date for action in new), default=None)
        stored = {
            action
            for action in (self._actions(kind, first) if new else ())
            if (action.symbol, action.ex_date) in keys
        }
        return self._change(kind, stored - new, new - stored)

    def _change(
        self, kind: _ActionPacks[_Action], removed: Collection[_Action], added: Collection[_Action]
    ) -> bool:
        changed = False
        for year in sorted({action.ex_date.year for action in (*removed, *added)}):
            name = kind.pack(year)
            actions = set(self.decoded(name, kind.decoder) or ()).difference(removed)
            actions.update(action for action in added if action.ex_date.year == year)
            changed |= self.put_rows(name, sorted(actions))
        return changed


def _override_row(override: ActionOverride) -> _OverrideRow:
    old = new = cash = None
    if isinstance(override.action, Split):
        old, new = override.action.old, override.action.new
    elif override.action is not None:
        cash = override.action.cash
    return override.symbol, override.ex_date, override.kind, old, new, cash


def _override_of(
    symbol: str,
    ex_date: dt.date,
    kind: Literal["split", "dividend"],
    old: float | None,
    new: float | None,
    cash: float | None,
) -> ActionOverride:
    action: Split | Dividend | None = None
    if old is not None and new is not None:
        action = Split(symbol, ex_date, old, new)
    elif cash is not None:
        action = Dividend(symbol, ex_date, cash)
    return ActionOverride(symbol, ex_date, kind, action)
