"""What a scan must say about its data, such as splits that prices contradict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Final, NamedTuple

from marketsweep.core.calendar import sessions_distance
from marketsweep.core.safe_text import join_first
from marketsweep.engine.panel.adjustments import Adjust, History
from marketsweep.store.companies.companies import Companies
from marketsweep.store.companies.rulings import Ruling, Verdict
from marketsweep.store.missing_actions import MissingActions, of_notes
from marketsweep.store.session_notes import NOT_LISTED
from marketsweep.store.snapshot import Snapshot

_MAX_SHOWN: Final = 3
"""Number of examples that are named."""


class _Placed(NamedTuple):
    """A ruling on an action within the history of a scan."""

    place: int
    """The session from which the action counts."""
    symbol: str
    """The company's ticker in the last session of the scan."""
    ruling: Ruling


class DataWarnings:
    """What is doubtful in the data of one version, and which symbols it concerns."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        rulings = [*snapshot.rulings("split"), *snapshot.rulings("dividend")]
        self._rulings = [
            ruling
            for ruling in rulings
            if ruling.verdict.is_suspect or ruling.verdict is Verdict.UNPLACED
        ]
        self._unresolved = len(snapshot.changed_days())
        self._frozen = snapshot.frozen()
        notes = snapshot.notes()
        self._missing = of_notes(notes)
        self._not_listed = notes.get(NOT_LISTED, "")
        self._placed: dict[dt.date, list[_Placed]] = {}

    def of_scan(
        self, history: History, symbols: Callable[[], Container[str]], bars: int, adjust: Adjust
    ) -> Iterator[str]:
        """Yield the warnings of a scan at the last session of a history.

        `symbols` returns the symbols of the scan, and `bars` is the number of bars that it uses of
        each.
        """
        if adjust != "none":
            yield from self._action_warnings(history, symbols, bars, adjust)
        sessions = history.dates[-bars:]
        yield from self._missing_warnings(sessions, adjust)
        if frozen := [day for day in self._frozen if sessions[0] <= day <= sessions[-1]]:
            named = ", ".join(map(str, frozen[:_MAX_SHOWN])) + (
                ", ..." if len(frozen) > _MAX_SHOWN else ""
            )
            yield (
                f"most prices are unchanged in {_count(len(frozen), 'session')} of the bars read "
                f"({named}): such bars are not real trades; marketsweep sync requests them again"
            )
        if self._not_listed:
            yield (
                f"the last sync could not get the list of tickers ({self._not_listed}): later "
                "renames may be missing; marketsweep sync requests it again"
            )
        if self._unresolved:
            yield (
                "a sync is under way or was interrupted: renames, splits and dividends of "
                f"{self._unresolved:,} sessions are not checked against prices yet; the next "
                "marketsweep sync checks them"
            )

    def unadjusted(self, sessions: Sequence[dt.date], adjust: Adjust) -> int:
        """Return how many sessions may lack splits, because the splits of the day are unknown.

        With adjust "total" dividends count too; with "none" nothing does. A split of the first
        session changes nothing.
        """
        gaps = self._missing_for_all(adjust)
        if not gaps:
            return 0
        return sum(any(gap.since <= day <= gap.until for gap in gaps) for day in sessions[1:])

    def _missing_for_all(self, adjust: Adjust) -> list[MissingActions]:
        """Return missing actions that an adjustment needs and that concern every stored symbol."""
        stored = self._snapshot.index.keys()
        return [
            gap
            for gap in self._needed_missing(adjust)
            if gap.symbols is None or stored <= frozenset(gap.symbols)
        ]

    def _needed_missing(self, adjust: Adjust) -> list[MissingActions]:
        needed = {"none": (), "splits": ("split",), "total": ("split", "dividend")}[adjust]
        return [gap for kind, gap in self._missing.items() if kind in needed]

    def _missing_warnings(self, sessions: Sequence[dt.date], adjust: Adjust) -> Iterator[str]:
        for gap in self._needed_missing(adjust):
            if gap.since <= sessions[-1] and sessions[0] < gap.until:
                whose = "" if gap.symbols is None else f" of {_count(len(gap.symbols), 'symbol')}"
                yield (
                    f"{gap.kind}s{whose} from {gap.since} to {gap.until} are missing "
                    f"({gap.reason}): earlier prices may be wrong by a factor; marketsweep sync "
                    "requests them again"
                )

    def _action_warnings(
        self, history: History, symbols: Callable[[], Container[str]], bars: int, adjust: Adjust
    ) -> Iterator[str]:
        # Some bars further back, as symbols have holes.
        oldest = len(history.dates) - 1 - bars - bars // 4
        in_reach = [
            placed
            for placed in self._placed_rulings(history)
            if placed.place > oldest and (adjust == "total" or placed.ruling.kind == "split")
        ]
        unplaced = [
            placed.ruling for placed in in_reach if placed.ruling.verdict is Verdict.UNPLACED
        ]
        doubtful = [placed for placed in in_reach if placed.ruling.verdict.is_suspect]
        if doubtful:
            scanned = symbols()
            doubtful = [placed for placed in doubtful if placed.symbol in scanned]
        if doubtful:
            yield (
                f"{_count(len(doubtful), 'reported split')} that prices contradict lie within the "
                f"bars read: {_named([placed.ruling for placed in doubtful])}; earlier prices may "
                "be wrong by the ratio: marketsweep actions list shows which count, "
                "--exclude-suspect skips these symbols"
            )
        if unplaced:
            yield (
                f"{_count(len(unplaced), 'reported action')} match no company with bars: "
                f"{_named(unplaced)}; a ticker change may be missing"
            )

    def _placed_rulings(self, history: History) -> list[_Placed]:
        """Return the rulings on actions up to the last session of a history."""
        last = history.dates[-1]
        if last not in self._placed:
            tenures = self._snapshot.tenures() if self._rulings else []
            companies = Companies(tenures, history.dates, self._snapshot.symbols)
            self._placed[last] = [
                _Placed(place, companies.latest(ruling.symbol, place), ruling)
                for ruling in self._rulings
                if (place := companies.place(ruling.ex_date)) < len(history.dates)
            ]
        return self._placed[last]


def missing_sessions(sessions: Sequence[dt.date]) -> Iterator[str]:
    """Yield a warning if there were further sessions between the first and the last of some."""
    span = 1 + sessions_distance(sessions[0], sessions[-1])
    if missing := span - len(sessions):
        yield gap_text(missing, span, sessions[-1])


def gap_text(missing: int, span: int, as_of: dt.date) -> str:
    """Return the warning that `missing` of `span` sessions up to a day are not stored."""
    return (
        f"{missing:,} of the {span:,} sessions up to {as_of} that the condition reads are not "
        "stored, and indicators ignore the gap: run marketsweep sync; marketsweep status lists "
        "them"
    )


def _named(rulings: Sequence[Ruling]) -> str:
    return join_first([ruling.action_text for ruling in rulings], _MAX_SHOWN, last=", and")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
