"""Sweeps and the history of saved conditions over HTTP, against the Python API."""

from __future__ import annotations

import io
from typing import Any

import polars as pl
import pytest

import marketsweep as ms
from tests.serve.conftest import Server
from tests.serve.test_api import problem

CONDITION = "rsi({n}) < {t}"


def test_a_sweep_equals_scans_of_its_variants(server: Server) -> None:
    got = server.post("sweep", condition=CONDITION, vary="n=5..14..3; t=20,30").json
    assert len(got["variants"]) == 8
    with ms.open(server.data) as market:
        for row in got["variants"]:
            condition = CONDITION.format(n=int(row["n"]), t=row["t"])
            assert row["matches"] == len(market.scan(condition))


def test_a_sweep_over_sessions_as_a_table(server: Server) -> None:
    asked = {"condition": "close > sma({n})", "vary": "n=20,50", "since": "2016-12-19"}
    got = server.get("sweep", **asked, format="arrow")
    frame = pl.read_ipc_stream(io.BytesIO(got.body))
    with ms.open(server.data) as market:
        want = market.sweep("close > sma({n})", n=[20, 50], since="2016-12-19").to_polars()
    assert frame.equals(want)
    assert got.headers["content-disposition"] == 'attachment; filename="sweep.arrow"'


def test_a_sweep_with_outcomes(own_server: Server) -> None:
    asked: dict[str, Any] = {
        "condition": CONDITION,
        "vary": "n=2,5,14;t=10",
        "outcome": "return(5)",
    }
    got = own_server.post("sweep", **asked).json
    assert got["outcome"] == "return(5)"
    assert got["best"]["n"] in (2, 5, 14)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"vary": "n=5..14"}, "{t}"),
        ({"vary": "n=5;t=x"}, "t=x: values are"),
        ({"vary": "n=5;n=6;t=1"}, "n is given twice"),
        ({"vary": "5"}, "write a name and its values"),
        ({"vary": ""}, "{n}"),
        ({"vary": "n=5;t=1", "outcome": "return(0)"}, "horizon 0"),
        ({"vary": "n=5..304;t=1..200", "since": "2016-12-01"}, "the limit is 100,000"),
    ],
)
def test_a_sweep_that_cannot_be_meant(server: Server, asked: dict[str, str], says: str) -> None:
    answer = server.post("sweep", condition=CONDITION, **asked)
    assert answer.status == 422
    assert says in answer.json["detail"]


def test_the_history_of_a_saved_condition_equals_scans_of_each_day(own_server: Server) -> None:
    text = "rsi(2) < 5 and close > sma(100)"
    own_server.send_json("PUT", "presets/my_low", condition=text)
    got = own_server.get("presets/my_low/history", as_of="2016-11-30", sessions=4).json
    assert got["condition"] == text
    assert [row["day"] for row in got["sessions"]] == [
        "2016-11-25", "2016-11-28", "2016-11-29", "2016-11-30",
    ]  # fmt: skip
    with ms.open(own_server.data) as market:
        before = set(market.scan(text, as_of="2016-11-23").symbols)
        for row in got["sessions"]:
            now = set(market.scan(text, as_of=row["day"]).symbols)
            assert row["matched"] == len(now)
            assert set(row["entered"]) == now - before
            assert set(row["left"]) == before - now
            before = now
    assert sum(len(row["entered"]) for row in got["sessions"]) > 10
    unsaved = own_server.get("history", condition=text, as_of="2016-11-30", sessions=4).json
    assert unsaved["sessions"] == got["sessions"]
    problem(own_server.get("presets/nothing/history"), 404, "unknown_condition")
    first = own_server.get("presets/nr7/history", as_of="2016-01-05", sessions=100).json
    assert [row["day"] for row in first["sessions"]] == ["2016-01-05"]
