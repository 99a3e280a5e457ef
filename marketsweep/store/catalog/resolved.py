"""Results of resolving reports: tenures of tickers, and rulings on splits and dividends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from marketsweep.store.catalog.packs import Packs
from marketsweep.store.companies.frozen_sessions import Stillness
from marketsweep.store.companies.rulings import Kind, Ruling
from marketsweep.store.companies.ticker_changes import Doubt, Tenure

_TENURES: Final = "tenures"
_DOUBTS: Final = "doubts"
_PRESENCE: Final = "presence"
_CHANGED: Final = "changed days"
_WORD_TICKERS: Final = "word tickers"
_STILL: Final = "stillness"
_FROZEN: Final = "frozen"

WORKED_OUT: Final = (
    *(_TENURES, _DOUBTS, _PRESENCE, _CHANGED, _WORD_TICKERS, _STILL, _FROZEN),
    "rulings/",
)
"""Prefixes of the names of packs that are computed from others."""

Runs = dict[str, list[tuple[dt.date, dt.date]]]
Places = dict[tuple[str, dt.date], str]

_decode_tenures: Final = msgspec.msgpack.Decoder(list[Tenure])
_decode_doubts: Final = msgspec.msgpack.Decoder(list[Doubt])
_decode_presence: Final = msgspec.msgpack.Decoder(Runs)
_decode_days: Final = msgspec.msgpack.Decoder(list[dt.date])
_decode_places: Final = msgspec.msgpack.Decoder(list[tuple[str, dt.date, str]])
_decode_still: Final = msgspec.msgpack.Decoder(list[tuple[dt.date, int, int]])
_decode_rulings: Final = msgspec.msgpack.Decoder(tuple[int, list[Ruling]])


class Resolved(Packs):
    """Tenures, rulings, and the data they were computed from."""

    def tenures(self) -> list[Tenure]:
        """Return tenures of companies with several tickers, and of tickers with several owners."""
        return self.decoded(_TENURES, _decode_tenures) or []

    def doubts(self) -> list[Doubt]:
        """Return reported renames that cannot be used."""
        return self.decoded(_DOUBTS, _decode_doubts) or []

    def put_tenures(self, tenures: Iterable[Tenure], doubts: Iterable[Doubt]) -> bool:
        """Store tenures and doubts, and return whether that changed anything."""
        changed = self.put_rows(_TENURES, tenures)
        return self.put_rows(_DOUBTS, doubts) or changed

    def presence(self) -> Runs:
        """Return runs of bars, as days, of the tickers whose tenures are resolved."""
        return self.decoded(_PRESENCE, _decode_presence) or {}

    def put_presence(self, runs: Runs) -> None:
        """Store the runs of bars."""
        self.put_pack(_PRESENCE, msgspec.msgpack.encode(dict(sorted(runs.items()))))

    def version_and_whether_resolved(self) -> tuple[int, bool]:
        """Return the data version, and whether tenures and rulings are resolved for it."""
        version, is_changed = self.state(_CHANGED)
        return version, not is_changed

    def changed_days(self) -> list[dt.date]:
        """Return sessions with bars newer than the tenures and rulings."""
        return self.decoded(_CHANGED, _decode_days) or []

    def put_changed_days(self, days: Iterable[dt.date]) -> None:
        """Store the sessions with newer bars."""
        self.put_rows(_CHANGED, sorted(set(days)))

    def stillness(self) -> dict[dt.date, Stillness]:
        """Return the number of still bars of each session."""
        rows = self.decoded(_STILL, _decode_still) or []
        return {day: Stillness(still, bars) for day, still, bars in rows}

    def frozen(self) -> list[dt.date]:
        """Return the frozen sessions: most of their bars are flat or repeat the session before."""
        return self.decoded(_FROZEN, _decode_days) or []

    def put_stillness(
        self, counts: Mapping[dt.date, Stillness], frozen_days: Sequence[dt.date]
    ) -> bool:
        """Store still bars and frozen sessions, and return whether the latter changed."""
        self.put_rows(_STILL, [(day, *count) for day, count in counts.items()])
        return self.put_rows(_FROZEN, frozen_days)

    def rulings(self, kind: Kind) -> list[Ruling]:
        """Return the rulings on actions of a kind, by year."""
        return [
            ruling
            for name in self.pack_names(f"rulings/{kind}/")
            for ruling in (self.decoded(name, _decode_rulings) or (0, []))[1]
        ]

    def rulings_of(self, kind: Kind, year: int) -> tuple[int, list[Ruling]] | None:
        """Return the checksum of the inputs of a year's rulings, and these rulings; or None."""
        return self.decoded(_rulings_pack(kind, year), _decode_rulings)

    def put_rulings(self, kind: Kind, year: int, key: int, rulings: list[Ruling]) -> bool:
        """Store the rulings on a year's actions, and return whether they changed."""
        stored = self.rulings_of(kind, year)
        self.put_pack(_rulings_pack(kind, year), msgspec.msgpack.encode((key, rulings)))
        return rulings != (stored[1] if stored else [])

    def drop_rulings(self, kind: Kind, years: Iterable[int]) -> bool:
        """Remove the rulings of all other years, and return whether there were any."""
        names = {_rulings_pack(kind, year) for year in years}
        dropped = [name for name in self.pack_names(f"rulings/{kind}/") if name not in names]
        for name in dropped:
            self.put_pack(name, None)
        return bool(dropped)

    def word_tickers(self) -> Places:
        """Return the ticker of the day, for overrides that were entered under another ticker."""
        rows = self.decoded(_WORD_TICKERS, _decode_places) or []
        return {(symbol, day): ticker for symbol, day, ticker in rows}

    def put_word_tickers(self, places: Places) -> bool:
        """Store the tickers of the days of the user's overrides; return whether they changed."""
        rows = [(symbol, day, ticker) for (symbol, day), ticker in sorted(places.items())]
        return self.put_rows(_WORD_TICKERS, rows)


def _rulings_pack(kind: Kind, year: int) -> str:
    return f"rulings/{kind}/{year}"
