"""The forms that a scan's matches can be had in: all of them say the same."""

from __future__ import annotations

import math

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from marketsweep.market import Market
from marketsweep.scan.results import Hits


@pytest.fixture(params=["close > sma(200) and rsi(14) > 70", "close < 0"])
def hits(request: pytest.FixtureRequest, market: Market) -> Hits:
    """Some matches; and none."""
    return market.scan(request.param, columns="roc(63), close, atr(14) / close", sort="rsi(14)")


def test_dicts_hold_every_match_in_rank_order(hits: Hits) -> None:
    rows = hits.to_dicts()
    assert [row["symbol"] for row in rows] == hits.symbols
    assert len(rows) == len(hits)
    strongest = [row["rsi(14)"] for row in rows if "rsi(14)" in row]
    assert strongest == sorted(strongest, reverse=True)
    for row, match in zip(rows, hits.matches, strict=True):
        assert row["close"] == match.close
        assert row["roc(63)"] == match.values["roc(63)"]


def test_frames_hold_what_the_dicts_do(hits: Hits) -> None:
    rows = hits.to_dicts()
    frame = hits.to_polars()
    assert frame.schema["symbol"] == pl.String
    texts = ("symbol", "suspicious", "unsettled")
    assert {frame.schema[name] for name in frame.columns if name not in texts} == {pl.Float64}
    assert frame.to_dicts() == rows
    pandas = hits.to_pandas()
    assert isinstance(pandas, pd.DataFrame)
    assert pandas.to_dict("records") == rows


def test_arrow_reads_the_matches_without_polars(hits: Hits) -> None:
    table = pa.table(hits)
    assert table.column("symbol").to_pylist() == hits.symbols
    assert table.column("atr(14) / close").to_pylist() == [
        match.values["atr(14) / close"] for match in hits.matches
    ]


def test_a_notebook_shows_matches_and_receipt(hits: Hits) -> None:
    html = hits._repr_html_()
    assert "<table" in html
    assert hits.receipt in html
    assert all(f"&quot;{symbol}&quot;" in html for symbol in hits.symbols[:3])


def test_the_text_of_hits_is_the_receipt(hits: Hits) -> None:
    assert repr(hits) == f"<Hits: {hits.receipt}>"
    assert f"{len(hits)} matches as of 2016-12-30" in hits.receipt


def test_every_number_is_known_of_what_matched(hits: Hits) -> None:
    for row in hits.to_dicts():
        assert all(math.isfinite(value) for value in row.values() if not isinstance(value, str))
