"""The rules of quality over a store, block by block: what `status --quality` and scans ask for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from marketsweep.core.completeness import is_thin
from marketsweep.quality.rules import RULES, Flag, Judged, Rule
from marketsweep.quality.series import Company, companies, company, read_blocks
from marketsweep.store.catalog.rows import SetAside
from marketsweep.store.companies.companies import Companies
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

Progress = Callable[[int, int, int], None]
"""Told after each block: symbols judged, symbols to judge, bars so far."""


class Quality(Struct, frozen=True):
    """What is suspicious in a store, by the rules of `quality.RULES`."""

    path: Path
    version: int
    last: dt.date | None
    """The newest session judged; None where none is stored."""
    symbol: str | None
    """The only one that was asked for; None where all were."""
    symbols: int
    flags: list[Flag]
    """By rule in the order of the table, then by symbol and day."""
    thin: list[dt.date]
    """Sessions with far fewer bars than those around them."""
    set_aside: list[SetAside]
    """Rows that never became bars: of holidays, incomplete, duplicate."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data: the JSON of `marketsweep status --quality --json`."""
        counts = {rule.name: sum(flag.rule == rule.name for flag in self.flags) for rule in RULES}
        return {
            "path": str(self.path),
            "data_version": self.version,
            "last": self.last and self.last.isoformat(),
            "symbols": self.symbols,
            "rules": [
                {
                    "name": rule.name,
                    "doc": rule.doc,
                    "excludes": rule.excludes,
                    "flags": counts[rule.name],
                }
                for rule in RULES
            ],
            "flags": [
                asdict(flag) | {"first": flag.first.isoformat(), "last": flag.last.isoformat()}
                for flag in self.flags
            ],
            "thin": [day.isoformat() for day in self.thin],
            "set_aside": [
                {"symbol": row.symbol, "date": row.session.isoformat(), "reason": row.reason}
                for row in self.set_aside
            ],
        }


def read_quality(
    store: Store,
    symbol: str | None = None,
    progress: Progress = lambda done, total, bars: None,
) -> Quality:
    """Judge every bar of a store, or of one symbol. Raises UsageError where that is not stored."""
    with store.snapshot() as snapshot:
        partial, wanted = set(snapshot.partial), list[Company]()
        if snapshot.sessions and symbol is None:
            wanted = companies(snapshot, snapshot.sessions)
        elif snapshot.sessions and symbol is not None:
            wanted = [company(snapshot, snapshot.sessions, symbol)]
        found: dict[str, list[Flag]] = {rule.name: [] for rule in RULES}
        for flag in find_flags(snapshot, snapshot.sessions, wanted, RULES, progress):
            found[flag.rule].append(flag)
        return Quality(
            path=store.path,
            version=snapshot.version,
            last=snapshot.sessions[-1] if snapshot.sessions else None,
            symbol=symbol,
            symbols=len(wanted),
            flags=[
                flag
                for flags in found.values()
                for flag in sorted(flags, key=lambda one: (one.symbol, one.first))
            ],
            thin=[
                day
                for day, thin in zip(snapshot.sessions, _thin(snapshot), strict=True)
                if thin and symbol is None and day not in partial
            ],
            set_aside=[
                row for row in snapshot.set_aside() if symbol is None or row.symbol == symbol
            ],
        )


class Suspicion(NamedTuple):
    """A rule that finds bars of a company suspicious, and how many bars it has had since them."""

    rule: str
    since: int
    first: dt.date
    """The day of the first suspicious bar."""


def suspicions(
    snapshot: Snapshot, dates: Sequence[dt.date], wanted: Sequence[Company], first: int
) -> dict[str, list[Suspicion]]:
    """Return what is suspicious of companies in sessions from number `first` on, up to `dates`.

    Only rules for which a scan can leave a symbol out count. A scan that looks at no more bars
    than a symbol has had since is not misled.
    """
    rules = [rule for rule in RULES if rule.excludes]
    found: dict[str, list[Suspicion]] = {}
    for flag in find_flags(snapshot, dates, wanted, rules, first=first):
        found.setdefault(flag.symbol, []).append(Suspicion(flag.rule, flag.since, flag.first))
    return found


def find_flags(
    snapshot: Snapshot,
    dates: Sequence[dt.date],
    wanted: Sequence[Company],
    rules: Sequence[Rule],
    progress: Progress = lambda done, total, bars: None,
    first: int = 0,
) -> Iterator[Flag]:
    """What rules find in the bars of companies, in the first sessions, `dates`, of a store.

    Sessions before number `first` are not looked at.
    """
    if not dates:
        return
    thin = np.array(_thin(snapshot, len(dates)))[first:]
    tickers = Companies(snapshot.tenures(), dates, snapshot.symbols)
    dismissed = {
        (tickers.latest(word.symbol, tickers.place(word.ex_date)), word.ex_date)
        for word in snapshot.settled()
        if word.kind == "split" and word.action is None
    }
    done = bars = 0
    for block in read_blocks(snapshot, dates, wanted, first):
        judged = Judged(block, thin, dismissed)
        for rule in rules:
            yield from rule.find(judged)
        done, bars = done + len(block.symbols), bars + int(block.count.sum())
        progress(done, len(wanted), bars)


def _thin(snapshot: Snapshot, sessions: int | None = None) -> list[bool]:
    """Return whether each of the first sessions is thin; later sessions are not used.

    So are those of single symbols: who is missing from them was not asked for.
    """
    rows = snapshot.session_rows()[:sessions]
    partial = set(snapshot.partial)
    whole = [row.counts["bars"] for row in rows if row.date not in partial]
    thin = iter([is_thin(whole, place) for place in range(len(whole))])
    return [row.date in partial or next(thin) for row in rows]
