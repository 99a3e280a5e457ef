"""What is worked out of what is told: tenures of tickers, and rulings on splits and dividends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from marketsweep.store.catalog.packs import Packs
from marketsweep.store.companies.rulings import Kind, Ruling
from marketsweep.store.companies.stillness import Stillness
from marketsweep.store.companies.tenures import Doubt, Tenure

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
"""What the names of the packs begin with that are worked out from others."""

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
    """Tenures, rulings, and what they were worked out from."""

    def tenures(self) -> list[Tenure]:
        """The tenures of companies that had several tickers, and of tickers that several had."""
        return self.decoded(_TENURES, _decode_tenures) or []

    def doubts(self) -> list[Doubt]:
        """Renames that are told and cannot be used."""
        return self.decoded(_DOUBTS, _decode_doubts) or []

    def put_tenures(self, tenures: Iterable[Tenure], doubts: Iterable[Doubt]) -> bool:
        """Store tenures and doubts; whether that changed anything."""
        changed = self.put_rows(_TENURES, tenures)
        return self.put_rows(_DOUBTS, doubts) or changed

    def presence(self) -> Runs:
        """Runs of bars of the tickers whose tenures are worked out, as days."""
        return self.decoded(_PRESENCE, _decode_presence) or {}

    def put_presence(self, runs: Runs) -> None:
        """Store the runs of bars."""
        self.put_pack(_PRESENCE, msgspec.msgpack.encode(dict(sorted(runs.items()))))

    def version_and_whether_resolved(self) -> tuple[int, bool]:
        """The data version, and whether tenures and rulings are worked out for it."""
        version, is_changed = self.state(_CHANGED)
        return version, not is_changed

    def changed_days(self) -> list[dt.date]:
        """Sessions of which bars came since tenures and rulings were worked out."""
        return self.decoded(_CHANGED, _decode_days) or []

    def put_changed_days(self, days: Iterable[dt.date]) -> None:
        """Store the sessions of which bars came."""
        self.put_rows(_CHANGED, sorted(set(days)))

    def stillness(self) -> dict[dt.date, Stillness]:
        """How many bars of each session stand still."""
        rows = self.decoded(_STILL, _decode_still) or []
        return {day: Stillness(still, bars) for day, still, bars in rows}

    def frozen(self) -> list[dt.date]:
        """Sessions in which most of the market stands still."""
        return self.decoded(_FROZEN, _decode_days) or []

    def put_stillness(self, of: Mapping[dt.date, Stillness], frozen: Sequence[dt.date]) -> bool:
        """Store how many bars stand still, and where it is most of them; whether that changed."""
        self.put_rows(_STILL, [(day, *one) for day, one in of.items()])
        return self.put_rows(_FROZEN, frozen)

    def rulings(self, kind: Kind) -> list[Ruling]:
        """The rulings on actions of a kind, by year."""
        return [
            ruling
            for name in self.pack_names(f"rulings/{kind}/")
            for ruling in (self.decoded(name, _decode_rulings) or (0, []))[1]
        ]

    def rulings_of(self, kind: Kind, year: int) -> tuple[int, list[Ruling]] | None:
        """The rulings on a year's actions, and the checksum of what they were worked out from."""
        return self.decoded(_name(kind, year), _decode_rulings)

    def put_rulings(self, kind: Kind, year: int, key: int, rulings: list[Ruling]) -> bool:
        """Store the rulings on a year's actions; whether they changed."""
        before = self.rulings_of(kind, year)
        self.put_pack(_name(kind, year), msgspec.msgpack.encode((key, rulings)))
        return rulings != (before[1] if before else [])

    def drop_rulings(self, kind: Kind, years: Iterable[int]) -> bool:
        """Remove the rulings of all years but these; whether there were any."""
        kept = {_name(kind, year) for year in years}
        gone = [name for name in self.pack_names(f"rulings/{kind}/") if name not in kept]
        for name in gone:
            self.put_pack(name, None)
        return bool(gone)

    def word_tickers(self) -> Places:
        """The ticker of the day, for words that the user gave under another ticker."""
        rows = self.decoded(_WORD_TICKERS, _decode_places) or []
        return {(symbol, day): ticker for symbol, day, ticker in rows}

    def put_word_tickers(self, places: Places) -> bool:
        """Store the tickers of the days of the user's words; whether they changed."""
        rows = [(symbol, day, ticker) for (symbol, day), ticker in sorted(places.items())]
        return self.put_rows(_WORD_TICKERS, rows)


def _name(kind: Kind, year: int) -> str:
    return f"rulings/{kind}/{year}"
