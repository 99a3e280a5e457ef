"""Two months of some symbols of the example market, as files."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.sandbox.settings import Settings
from tests.helpers.markets import EXAMPLE, example_bars

FIRST, LAST = dt.date(2016, 11, 1), dt.date(2016, 12, 30)
CLOSED = [dt.date(2016, 11, 24), dt.date(2016, 12, 26)]  # Thanksgiving, Christmas kept on Monday


@dataclass(frozen=True)
class Files:
    """A small market as files, and its bars as polars reads them."""

    folder: Path
    bars: pl.DataFrame

    @property
    def days(self) -> list[dt.date]:
        return self.bars["date"].unique().sort().to_list()

    def settings(
        self, *, latency_ms: float = 0.0, calls: int | None = None, now: dt.date | None = None
    ) -> Settings:
        return Settings(
            bars=self.folder / "bars.parquet",
            actions=self.folder / "actions.parquet",
            symbols=self.folder / "symbols.parquet",
            latency_ms=latency_ms,
            calls_per_minute=calls,
            now=now,
        )

    def provider(self) -> FilesProvider:
        return FilesProvider(
            *(self.folder / f"{n}.parquet" for n in ("bars", "actions", "symbols"))
        )


def two_months(folder: Path) -> Files:
    """300 symbols, those with a split among them."""
    actions = pl.read_parquet(EXAMPLE / "actions.parquet")
    split = actions.filter(pl.col("kind") == "split", pl.col("ex_date").is_between(FIRST, LAST))
    bars = example_bars().filter(
        pl.col("date").is_between(FIRST, LAST),
        pl.col("date").dt.weekday() <= 5,
        ~pl.col("date").is_in(CLOSED),
    )
    names = bars["symbol"].unique().sort()
    chosen = sorted({*split["symbol"], *names.gather_every(25)} & set(names))
    bars = bars.filter(pl.col("symbol").is_in(chosen)).sort("date", "symbol")
    bars.write_parquet(folder / "bars.parquet")
    actions.filter(pl.col("symbol").is_in(chosen)).write_parquet(folder / "actions.parquet")
    symbols = pl.read_parquet(EXAMPLE / "symbols.parquet")
    symbols.filter(pl.col("symbol").is_in(chosen)).write_parquet(folder / "symbols.parquet")
    found = Files(folder, bars)
    assert len(found.days) == 42
    assert 250 < len(chosen) < 400
    return found
