"""Weekly and monthly bars of charts, against polars."""

from __future__ import annotations

import polars as pl
import pytest

import marketsweep as ms
from tests.serve.conftest import Server


@pytest.mark.parametrize(("interval", "every"), [("week", "1w"), ("month", "1mo")])
def test_bars_of_periods_are_those_of_polars(server: Server, interval: str, every: str) -> None:
    asked = {"symbol": "CAB", "condition": "close > sma(20)", "bars": 500, "interval": interval}
    got = server.get("chart", **asked).json
    with ms.open(server.data) as market:
        daily = market.history("CAB")
        matches = market.signals("close > sma(20)", where='symbol == "CAB"').days.tolist()
    want = daily.group_by_dynamic("date", every=every).agg(
        pl.col("date").last().alias("day"),
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )
    assert got["days"] == [f"{day}" for day in want["day"]]
    for name in ("open", "high", "low", "close", "volume"):
        assert got[name] == pytest.approx(want[name].to_list())
    (line,) = got["panes"][0]["lines"]
    average = daily["close"].rolling_mean(20)
    values = dict(zip(daily["date"], average, strict=True))
    assert line["values"] == pytest.approx([values[day] for day in want["day"]])
    held = daily.with_columns(pl.col("date").is_in(matches).alias("held"))
    by_period = held.group_by_dynamic("date", every=every).agg(pl.col("held").any())["held"]
    known = [value for value in zip(got["held"], by_period, strict=True) if value[0] is not None]
    assert [bool(value) for value, _ in known] == [value for _, value in known]
    assert len(known) >= 11


def test_a_chart_of_days_is_as_it_was(server: Server) -> None:
    plain = server.get("chart", symbol="CAB", bars=60).json
    assert server.get("chart", symbol="CAB", bars=60, interval="day").json == plain
    assert len(plain["days"]) == 60
