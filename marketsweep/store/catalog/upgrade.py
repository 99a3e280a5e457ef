"""Converts the rows of a catalog of format 4 into packs."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec

from marketsweep.store.catalog.rows import QUALITY

Query = Callable[..., list[tuple[Any, ...]]]


def packs_of_rows(rows: Query) -> tuple[int, dict[str, bytes]]:
    """Return the data version, and the packs by name; `rows` runs a query and returns its rows."""
    ((version,),) = rows("SELECT data_version FROM meta")
    axis = "\n".join(text for (text,) in rows("SELECT tickers FROM axis ORDER BY first"))
    days = " ".join(day for (day,) in rows("SELECT date FROM sessions ORDER BY date"))
    spans = rows("SELECT symbol, first, last, final FROM spans ORDER BY final, symbol, first")
    listings = rows(
        "SELECT symbol, name, type, exchange, sector, industry, country, market_cap,"
        " nullif(first, ''), last, figi, renamed_from, instrument, shares, shares_on, NULL"
        " FROM listings ORDER BY symbol, instrument, first"
    )
    packs: dict[str, Any] = {
        "segments": rows("SELECT * FROM segments ORDER BY period"),
        "partial": [day for (day,) in rows("SELECT date FROM partial ORDER BY date")],
        "spans": [(tuple(span), bool(final)) for *span, final in spans],
        "listings": listings,
        "lives": [(row[0], row[8], row[9], row[12]) for row in listings],
        "settled": rows("SELECT * FROM settled ORDER BY symbol, ex_date, kind"),
        "low volume": [
            (symbol, bool(manual), bool(out), *values)
            for symbol, manual, out, *values in rows("SELECT * FROM low_volume ORDER BY 1, 2")
        ],
        "notes": dict(rows("SELECT key, value FROM notes ORDER BY key")),
        **_by_year("splits/", rows("SELECT * FROM splits ORDER BY 1, 2, 3, 4"), day=1),
        **_by_year("dividends/", rows("SELECT * FROM dividends ORDER BY 1, 2, 3"), day=1),
        **_by_year(
            "counts/",
            [
                (day, source, counts)
                for day, source, *counts in rows(
                    f"SELECT date, source, {', '.join(QUALITY)} FROM sessions ORDER BY date"
                )
            ],
            day=0,
        ),
    }
    encoded = {name: msgspec.msgpack.encode(pack) for name, pack in packs.items() if pack}
    texts = {"axis": axis.encode(), "days": days.encode()}
    return version, encoded | {name: text for name, text in texts.items() if text}


def _by_year(
    prefix: str, rows: list[tuple[Any, ...]], day: int
) -> dict[str, list[tuple[Any, ...]]]:
    by_year: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        by_year[f"{prefix}{dt.date.fromisoformat(row[day]).year}"].append(row)
    return by_year
