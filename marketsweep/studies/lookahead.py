"""Check whether a condition sees the future: a scan of a past session must not need later data.

1. Some sessions are chosen, spread over those with the history that the condition needs.
2. For each session, a folder of its own gets what a scan would have known that day (`_copy_known`):
   the sessions up to it, its splits and dividends, and the listings that had begun.
3. The scan of that folder must equal the scan of all data as of that session (`_compare`).
4. On request, so must the study: the positions that ended by that session (`_compare_studies`).
"""

from __future__ import annotations

import datetime as dt
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from marketsweep.core.records import FactValues, SessionBars
from marketsweep.errors import CoverageError
from marketsweep.scan.loader import Loader
from marketsweep.scan.results import Hits
from marketsweep.scan.scan import Scan, run
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.studies.study.options import Options
from marketsweep.studies.study.result import Study
from marketsweep.studies.study.study import study

_TOLERANCE = 1e-9
"""Values may differ by this share: a recursion forgets its first bars to one in 1e10."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One session: the matches on all data, and on the data that ends with the session."""

    as_of: dt.date
    matches: int
    evaluated: int
    only_whole: list[str]
    """Matches on all data only: the scan used something that came later."""
    only_cut: list[str]
    different: list[str]
    """Matches on both, with a value that differs."""
    positions: int | None = None
    """Positions of the study that ended by then; None without a study."""
    different_positions: list[str] = field(default_factory=list)
    """Symbols with a position that is on one of the two alone, or has another return."""

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not (self.only_whole or self.only_cut or self.different or self.different_positions)


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit, one record per session, ascending."""

    condition: str
    sessions: list[Audited]

    @property
    def agrees(self) -> bool:
        """Whether every session agrees."""
        return all(session.agrees for session in self.sessions)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data."""
        lines = [
            asdict(session) | {"as_of": session.as_of.isoformat()} for session in self.sessions
        ]
        return {"condition": self.condition, "agrees": self.agrees, "sessions": lines}

    def __str__(self) -> str:
        lines = [
            f"{session.as_of}  {session.matches:>6,} matches  {_positions_text(session)}"
            f"{_verdict_text(session)}"
            for session in self.sessions
        ]
        summary = "every session agrees" if self.agrees else "IT USES FUTURE DATA"
        return "\n".join([*lines, summary])


def audit(
    scan: Scan,
    loader: Loader,
    count: int,
    progress: Callable[[int, int, int], None] | None = None,
    options: Options | None = None,
) -> Audit:
    """Scan `count` past sessions twice, and compare the results.

    With `options`, the study of the sessions up to each is compared, too. `progress` gets the
    numbers of finished sessions, all sessions, and matches. Raises what a scan does, and
    CoverageError if no session has the history that the condition needs.
    """
    scan = structs.replace(scan, limit=None, marked=False, finds_unsettled=False)
    newest = run(scan, loader)
    needed = max(newest.coverage.bars_needed, 1)
    past = loader.sessions_of(newest.as_of)[needed - 1 : -1]
    if not past:
        raise CoverageError(
            f"the condition needs {needed:,} bars, and no session before {newest.as_of} has them: "
            "run marketsweep sync with an earlier --since"
        )
    indices = np.unique(np.linspace(0, len(past) - 1, min(count, len(past))).round().astype(int))
    audited = []
    for done, index in enumerate(indices.tolist(), start=1):
        audited.append(_audit_session(structs.replace(scan, as_of=past[index]), loader, options))
        if progress:
            progress(done, len(indices), audited[-1].matches)
    if not any(session.evaluated for session in audited):
        raise CoverageError(
            "no symbol was evaluated in these sessions: facts that the condition or the "
            "pre-screen needs may be missing; marketsweep scan shows how many"
        )
    return Audit(newest.condition, audited)


def _audit_session(scan: Scan, loader: Loader, options: Options | None) -> Audited:
    hits = run(scan, loader)
    with (
        tempfile.TemporaryDirectory(prefix="marketsweep-audit-") as folder,
        Store.create(Path(folder)) as store,
    ):
        _copy_known(loader.snapshot, store, hits.as_of)
        with store.snapshot() as snapshot:
            known = Loader(snapshot, store.path)
            audited = _compare(hits, run(scan, known))
            if options is None:
                return audited
            positions, different = _compare_studies(scan, loader, known, options)
            return replace(audited, positions=positions, different_positions=different)


def _copy_known(snapshot: Snapshot, store: Store, until: dt.date) -> None:
    """Fill a store with what another store knew at the end of the session `until`."""
    days = [day for day in snapshot.whole if day <= until]
    with store.writer() as writer:
        for _, year in groupby(days, key=lambda day: day.year):
            writer.commit([_session(snapshot, day) for day in year], "audit", until)
        writer.put_splits(record for record in snapshot.splits() if record.ex_date <= until)
        writer.put_dividends(record for record in snapshot.dividends() if record.ex_date <= until)
        for override in snapshot.overrides():
            if override.ex_date <= until:
                writer.put_override(override)
        listings = (
            record
            for record in snapshot.listings()
            if record.first is None or record.first <= until
        )
        writer.put_listings(
            replace(record, last=None) if record.last and record.last > until else record
            for record in listings
        )
        for name, (kind, _) in snapshot.facts().items():
            rows = [row for row in snapshot.fact_rows(name) if row[1] is None or row[1] <= until]
            writer.put_facts([FactValues(name, kind, rows)])
        for key, value in snapshot.notes().items():
            writer.note(key, value)


def _session(snapshot: Snapshot, day: dt.date) -> SessionBars:
    bars = snapshot.bars(day)
    assert bars is not None
    traded = np.flatnonzero(~np.isnan(bars[0]))
    names = [snapshot.symbols[column] for column in traded.tolist()]
    return SessionBars(day, names, np.ascontiguousarray(bars[:, traded]))


def _compare(hits: Hits, known_hits: Hits) -> Audited:
    symbols, known_symbols = set(hits.symbols), set(known_hits.symbols)
    return Audited(
        as_of=hits.as_of,
        matches=len(hits),
        evaluated=hits.coverage.evaluated,
        only_whole=sorted(symbols - known_symbols),
        only_cut=sorted(known_symbols - symbols),
        different=sorted(_different(hits, known_hits)),
    )


def _compare_studies(
    scan: Scan, loader: Loader, known: Loader, options: Options
) -> tuple[int, list[str]]:
    """Return how many positions ended by the session of a scan, and the symbols of those that
    differ between a study on all data and one on data that ends there."""
    scan = structs.replace(scan, as_of=None)
    until = known.sessions[-1]
    whole, cut = (study(scan, data, options, until=until) for data in (loader, known))
    returns, known_returns = _ended_returns(whole), _ended_returns(cut)
    different = {
        symbol
        for (symbol, day, horizon) in returns.keys() | known_returns.keys()
        if not np.isclose(
            returns.get((symbol, day, horizon), np.inf),
            known_returns.get((symbol, day, horizon), -np.inf),
            rtol=0,
            atol=_TOLERANCE,
            equal_nan=True,
        )
    }
    return len(returns), sorted(different)


def _ended_returns(result: Study) -> dict[tuple[str, dt.date, int], float]:
    """Return the returns by symbol, session and horizon, of horizons that end by `until`."""
    last = bisect_left(result.dates, result.until)
    return {
        (symbol, result.dates[session], hold.horizon): value
        for hold in result.holds
        for symbol, session, value in zip(
            result.events.symbols,
            result.events.sessions.tolist(),
            hold.returns.tolist(),
            strict=True,
        )
        if session + hold.horizon <= last
    }


def _different(hits: Hits, known_hits: Hits) -> Iterator[str]:
    indices = {symbol: index for index, symbol in enumerate(known_hits.symbols)}
    columns = [("close", hits.close, known_hits.close), ("volume", hits.volume, known_hits.volume)]
    columns += [(name, hits.values[name], known_hits.values[name]) for name in hits.values]
    for index, symbol in enumerate(hits.symbols):
        known_index = indices.get(symbol)
        if known_index is not None and not all(
            np.isclose(
                column[index], known_column[known_index], rtol=_TOLERANCE, atol=0, equal_nan=True
            )
            for _, column, known_column in columns
        ):
            yield symbol


def _positions_text(session: Audited) -> str:
    return "" if session.positions is None else f"{session.positions:>7,} positions  "


def _verdict_text(session: Audited) -> str:
    if session.agrees:
        return "equal on data that ends there"
    kinds = {
        "only on all of the data": session.only_whole,
        "only on data that ends there": session.only_cut,
        "with other values": session.different,
        "with other positions": session.different_positions,
    }
    return "; ".join(
        f"{len(names):,} {kind} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for kind, names in kinds.items()
        if names
    )
