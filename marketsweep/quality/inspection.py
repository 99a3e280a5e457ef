"""Runs the rules of quality over a store, block by block, for `status --quality` and scans."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from marketsweep.core.completeness import is_thin
from marketsweep.core.parallel import WORKERS
from marketsweep.quality.rules import RULES, Flag, Rule, RuleInput
from marketsweep.quality.series import Company, companies_in, find_company, read_blocks
from marketsweep.store.catalog.rows import SetAside
from marketsweep.store.companies.companies import Companies
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

Progress = Callable[[int, int, int], None]
"""Called after each block with the symbols judged, the symbols to judge, and the bars so far."""


class Quality(Struct, frozen=True):
    """The suspicious bars of a store, by the rules of `rules.RULES`."""

    path: Path
    version: int
    last: dt.date | None
    """The newest session judged; None if none is stored."""
    symbol: str | None
    """The only symbol that was requested; None for all."""
    symbols: int
    flags: list[Flag]
    """By rule in the order of the table, then by symbol and day."""
    thin: list[dt.date]
    """Sessions with far fewer bars than those around them."""
    set_aside: list[SetAside]
    """Rows that are not bars: of holidays, incomplete, duplicate."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the JSON of `marketsweep status --quality --json`."""
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
    """Judge every bar of a store, or of one symbol. Raises UsageError if it is not stored."""
    with store.snapshot() as snapshot:
        partial, companies = set(snapshot.partial), list[Company]()
        if snapshot.sessions and symbol is None:
            companies = companies_in(snapshot, snapshot.sessions)
        elif snapshot.sessions and symbol is not None:
            companies = [find_company(snapshot, snapshot.sessions, symbol)]
        flags_by_rule: dict[str, list[Flag]] = {rule.name: [] for rule in RULES}
        for flag in find_flags(snapshot, snapshot.sessions, companies, RULES, progress):
            flags_by_rule[flag.rule].append(flag)
        return Quality(
            path=store.path,
            version=snapshot.version,
            last=snapshot.sessions[-1] if snapshot.sessions else None,
            symbol=symbol,
            symbols=len(companies),
            flags=[
                flag
                for flags in flags_by_rule.values()
                for flag in sorted(flags, key=lambda flag: (flag.symbol, flag.first))
            ],
            thin=[
                day
                for day, thin in zip(snapshot.sessions, _thin_sessions(snapshot), strict=True)
                if thin and symbol is None and day not in partial
            ],
            set_aside=[
                row for row in snapshot.set_aside() if symbol is None or row.symbol == symbol
            ],
        )


_PART: Final = 1_000
"""Companies that a thread judges at a time: starting one takes 10 ms."""


class Suspicion(NamedTuple):
    """A rule that suspects bars of a company, and the number of its bars since then."""

    rule: str
    since: int
    first: dt.date
    """The day of the first suspicious bar."""


def find_suspicions(
    snapshot: Snapshot, dates: Sequence[dt.date], companies: Sequence[Company], first: int
) -> dict[str, list[Suspicion]]:
    """Return the suspicions about companies, by symbol, in `dates` from session number `first` on.

    Only rules for which a scan can exclude a symbol are used. A scan is not misled if it uses no
    more bars than the symbol has had since. Many companies are judged on all processors.
    """
    rules = [rule for rule in RULES if rule.excludes]

    def find(part: Sequence[Company]) -> dict[str, list[Suspicion]]:
        by_symbol: dict[str, list[Suspicion]] = {}
        for flag in find_flags(snapshot, dates, part, rules, first=first):
            suspicion = Suspicion(flag.rule, flag.since, flag.first)
            by_symbol.setdefault(flag.symbol, []).append(suspicion)
        return by_symbol

    if len(companies) <= _PART:
        return find(companies)
    parts = [companies[begin : begin + _PART] for begin in range(0, len(companies), _PART)]
    with ThreadPoolExecutor(WORKERS) as pool:
        results = pool.map(find, parts)
        return {symbol: suspicions for part in results for symbol, suspicions in part.items()}


def find_flags(
    snapshot: Snapshot,
    dates: Sequence[dt.date],
    companies: Sequence[Company],
    rules: Sequence[Rule],
    progress: Progress = lambda done, total, bars: None,
    first: int = 0,
) -> Iterator[Flag]:
    """Yield the flags of rules for companies, in the first sessions of a store, `dates`.

    Sessions before number `first` are not judged.
    """
    if not dates:
        return
    thin = np.array(_thin_sessions(snapshot, len(dates)))[first:]
    tickers = Companies(snapshot.tenures(), dates, snapshot.symbols)
    dismissed = {
        (tickers.latest(override.symbol, tickers.place(override.ex_date)), override.ex_date)
        for override in snapshot.overrides()
        if override.kind == "split" and override.action is None
    }
    judged_symbols = bars = 0
    for block in read_blocks(snapshot, dates, companies, first):
        data = RuleInput(block, thin, dismissed)
        for rule in rules:
            yield from rule.find(data)
        judged_symbols, bars = judged_symbols + len(block.symbols), bars + int(block.count.sum())
        progress(judged_symbols, len(companies), bars)


def _thin_sessions(snapshot: Snapshot, sessions: int | None = None) -> list[bool]:
    """Return whether each of the first sessions is thin; later sessions are not used.

    Sessions of single symbols count as thin: the other symbols were not requested.
    """
    rows = snapshot.session_rows()[:sessions]
    partial = set(snapshot.partial)
    bar_counts = [row.counts["bars"] for row in rows if row.date not in partial]
    thin = iter([is_thin(bar_counts, place) for place in range(len(bar_counts))])
    return [row.date in partial or next(thin) for row in rows]
