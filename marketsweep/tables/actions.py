"""Splits and dividends as providers tell them, and the user's word on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Literal, TypeVar

from marketsweep.database import Database
from marketsweep.records import Dividend, Settled, Split
from marketsweep.tables.rows import marks, row_of

_Action = TypeVar("_Action", Split, Dividend)


class Actions(Database):
    """The tables of splits, dividends and settled ones."""

    def splits(self, since: dt.date | None = None) -> list[Split]:
        """Splits with an ex-date on or after `since`, by symbol and ex-date."""
        rows = self._rows(
            "SELECT symbol, ex_date, old, new FROM splits WHERE ex_date >= ?"
            " ORDER BY symbol, ex_date, old, new",
            _since(since),
        )
        return [Split(s, dt.date.fromisoformat(day), old, new) for s, day, old, new in rows]

    def dividends(self, since: dt.date | None = None) -> list[Dividend]:
        """Dividends with an ex-date on or after `since`, by symbol and ex-date."""
        rows = self._rows(
            "SELECT symbol, ex_date, cash FROM dividends WHERE ex_date >= ?"
            " ORDER BY symbol, ex_date, cash",
            _since(since),
        )
        return [Dividend(s, dt.date.fromisoformat(day), cash) for s, day, cash in rows]

    def replace_splits(
        self, splits: Iterable[Split], since: dt.date | None, symbols: Iterable[str] | None = None
    ) -> bool:
        """Make these the splits on or after `since`, of `symbols` or all; whether any changed."""
        stored, given = _of(self.splits(since), symbols), set(splits)
        self._remove("splits", "symbol = ? AND ex_date = ? AND old = ? AND new = ?", stored - given)
        return self._insert("splits", given - stored) > 0 or bool(stored - given)

    def replace_dividends(
        self,
        dividends: Iterable[Dividend],
        since: dt.date | None,
        symbols: Iterable[str] | None = None,
    ) -> bool:
        """The same for dividends."""
        stored, given = _of(self.dividends(since), symbols), set(dividends)
        self._remove("dividends", "symbol = ? AND ex_date = ? AND cash = ?", stored - given)
        return self._insert("dividends", given - stored) > 0 or bool(stored - given)

    def merge_splits(self, splits: Iterable[Split]) -> bool:
        """Put these in the place of those of the same symbol and day; whether that changed any."""
        return self.replace_splits(_joined(self.splits(), splits), None)

    def merge_dividends(self, dividends: Iterable[Dividend]) -> bool:
        """Put these in the place of those of the same symbol and day; whether that changed any."""
        return self.replace_dividends(_joined(self.dividends(), dividends), None)

    def settled(self) -> list[Settled]:
        """The user's word on splits and dividends, by symbol, ex-date and kind."""
        rows = self._rows(
            "SELECT symbol, ex_date, kind, old, new, cash FROM settled"
            " ORDER BY symbol, ex_date, kind"
        )
        return [_settled(*row) for row in rows]

    def settle(self, one: Settled) -> bool:
        """Keep the user's word in the place of an earlier one; whether that changed anything."""
        if one in self.settled():
            return False
        old = new = cash = None
        if isinstance(one.action, Split):
            old, new = one.action.old, one.action.new
        elif one.action is not None:
            cash = one.action.cash
        self._connection.execute(
            f"INSERT OR REPLACE INTO settled VALUES ({marks(6)})",
            (one.symbol, one.ex_date.isoformat(), one.kind, old, new, cash),
        )
        return True

    def unsettle(self, symbol: str, ex_date: dt.date, kind: str) -> bool:
        """Forget the user's word; whether there was one."""
        removed = self._connection.execute(
            "DELETE FROM settled WHERE symbol = ? AND ex_date = ? AND kind = ?",
            (symbol, ex_date.isoformat(), kind),
        )
        return removed.rowcount > 0

    def _remove(self, table: str, where: str, records: Iterable[Split | Dividend]) -> None:
        rows = [row_of(record) for record in records]
        self._connection.executemany(f"DELETE FROM {table} WHERE {where}", rows)

    def _insert(self, table: str, records: Iterable[Split | Dividend]) -> int:
        rows = [row_of(record) for record in records]
        if not rows:
            return 0
        # A record before `since` may be stored already. ON CONFLICT, not OR IGNORE, which would
        # pass over a failed CHECK as well.
        insert = f"INSERT INTO {table} VALUES ({marks(len(rows[0]))}) ON CONFLICT DO NOTHING"
        return self._connection.executemany(insert, rows).rowcount


def _of(actions: Iterable[_Action], symbols: Iterable[str] | None) -> set[_Action]:
    if symbols is None:
        return set(actions)
    wanted = frozenset(symbols)
    return {action for action in actions if action.symbol in wanted}


def _joined(stored: Iterable[_Action], given: Iterable[_Action]) -> set[_Action]:
    """The given, and those stored of another symbol or day."""
    new = set(given)
    places = {(one.symbol, one.ex_date) for one in new}
    return new | {one for one in stored if (one.symbol, one.ex_date) not in places}


def _settled(
    symbol: str,
    ex_date: str,
    kind: Literal["split", "dividend"],
    old: float | None,
    new: float | None,
    cash: float | None,
) -> Settled:
    day = dt.date.fromisoformat(ex_date)
    action: Split | Dividend | None = None
    if old is not None and new is not None:
        action = Split(symbol, day, old, new)
    elif cash is not None:
        action = Dividend(symbol, day, cash)
    return Settled(symbol, day, kind, action)


def _since(day: dt.date | None) -> str:
    return "" if day is None else day.isoformat()
