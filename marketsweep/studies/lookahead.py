"""Whether a condition sees the future: scans of past sessions on data that ends there must agree.

1. Some sessions are chosen, spread over those that have the history that the condition needs.
2. For each, what a scan would have known that day goes to a folder of its own (`_cut`): the
   sessions up to it, the splits and dividends until then, and the listings that had begun.
3. The scan of that folder and the scan as of that day of the whole data must be the same
   (`_compared`).
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from marketsweep.core.records import SessionBars
from marketsweep.errors import CoverageError
from marketsweep.scan.loader import Loader
from marketsweep.scan.results import Hits
from marketsweep.scan.scan import Scan, run
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

_CLOSE = 1e-9
"""Values may differ by this share: a recursion forgets where its data began to one in 1e10."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One session: what matched on all of the data, and what on the data that ends there."""

    as_of: dt.date
    matches: int
    evaluated: int
    only_whole: list[str]
    """Matches of the whole data alone: it was told something that came later."""
    only_cut: list[str]
    different: list[str]
    """Matches of both, of which a value differs."""

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not (self.only_whole or self.only_cut or self.different)


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found, a line a session, ascending."""

    condition: str
    sessions: list[Audited]

    @property
    def agrees(self) -> bool:
        """Whether every session does."""
        return all(one.agrees for one in self.sessions)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        lines = [asdict(one) | {"as_of": one.as_of.isoformat()} for one in self.sessions]
        return {"condition": self.condition, "agrees": self.agrees, "sessions": lines}

    def __str__(self) -> str:
        lines = [
            f"{one.as_of}  {one.matches:>6,} matches  {_verdict(one)}" for one in self.sessions
        ]
        ends = "every session agrees" if self.agrees else "IT SEES WHAT CAME LATER"
        return "\n".join([*lines, ends])


def audit(
    scan: Scan, loader: Loader, count: int, progress: Callable[[int, int, int], None] | None = None
) -> Audit:
    """Scan `count` past sessions twice, and compare. `progress` is told done, all, and matches.

    Raises what a scan does, and CoverageError where no session has the history that is needed.
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
    places = np.unique(np.linspace(0, len(past) - 1, min(count, len(past))).round().astype(int))
    found = []
    for done, place in enumerate(places.tolist(), start=1):
        found.append(_audited(structs.replace(scan, as_of=past[place]), loader))
        if progress:
            progress(done, len(places), found[-1].matches)
    if not any(one.evaluated for one in found):
        raise CoverageError(
            "nobody was looked at on any of these sessions: the facts that the condition or the "
            "pre-screen asks for may not be stored; marketsweep scan says how many"
        )
    return Audit(newest.condition, found)


def _audited(scan: Scan, loader: Loader) -> Audited:
    whole = run(scan, loader)
    with tempfile.TemporaryDirectory(prefix="marketsweep-audit-") as folder:
        with Store.create(Path(folder)) as store:
            _cut(loader.snapshot, store, whole.as_of)
            with store.snapshot() as snapshot:
                cut = run(scan, Loader(snapshot, store.path))
        return _compared(whole, cut)


def _cut(snapshot: Snapshot, store: Store, until: dt.date) -> None:
    """Fill a store with what another one knew at the end of a session."""
    days = [day for day in snapshot.whole if day <= until]
    with store.writer() as writer:
        for _, year in groupby(days, key=lambda day: day.year):
            writer.commit([_session(snapshot, day) for day in year], "audit", until)
        writer.put_splits(one for one in snapshot.splits() if one.ex_date <= until)
        writer.put_dividends(one for one in snapshot.dividends() if one.ex_date <= until)
        known = (one for one in snapshot.listings() if one.first is None or one.first <= until)
        writer.put_listings(
            replace(one, last=None) if one.last and one.last > until else one for one in known
        )
        for key, value in snapshot.notes().items():
            writer.note(key, value)


def _session(snapshot: Snapshot, day: dt.date) -> SessionBars:
    bars = snapshot.bars(day)
    assert bars is not None
    there = np.flatnonzero(~np.isnan(bars[0]))
    names = [snapshot.symbols[column] for column in there.tolist()]
    return SessionBars(day, names, np.ascontiguousarray(bars[:, there]))


def _compared(whole: Hits, cut: Hits) -> Audited:
    mine, its = set(whole.symbols), set(cut.symbols)
    return Audited(
        as_of=whole.as_of,
        matches=len(whole),
        evaluated=whole.coverage.evaluated,
        only_whole=sorted(mine - its),
        only_cut=sorted(its - mine),
        different=sorted(_different(whole, cut)),
    )


def _different(whole: Hits, cut: Hits) -> Iterator[str]:
    places = {symbol: place for place, symbol in enumerate(cut.symbols)}
    columns = [("close", whole.close, cut.close), ("volume", whole.volume, cut.volume)]
    columns += [(name, whole.values[name], cut.values[name]) for name in whole.values]
    for place, symbol in enumerate(whole.symbols):
        other = places.get(symbol)
        if other is not None and not all(
            np.isclose(mine[place], its[other], rtol=_CLOSE, atol=0, equal_nan=True)
            for _, mine, its in columns
        ):
            yield symbol


def _verdict(one: Audited) -> str:
    if one.agrees:
        return "the same on data that ends there"
    kinds = {
        "only on all of the data": one.only_whole,
        "only on data that ends there": one.only_cut,
        "with other values": one.different,
    }
    return "; ".join(
        f"{len(names):,} {kind} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for kind, names in kinds.items()
        if names
    )
