"""Universes over HTTP: saved in the file of the data folder, used by scans, and removed."""

from __future__ import annotations

import marketsweep as ms
from tests.serve.conftest import Server
from tests.serve.test_api import problem

FILE = """# my universes
[penny]  # cheap ones
where = 'exchange == "NASDAQ"'
"""


def test_universes_are_saved_used_and_removed(own_server: Server) -> None:
    file = own_server.data / "universe.toml"
    file.write_text(FILE)
    table = {"where": 'exchange == "NYSE"', "min_price": "20", "min_dollar_volume": "5M"}
    saved = own_server.send_json("PUT", "universes/large_ones", **table).json
    assert saved["own"] == table
    assert file.read_text().startswith(FILE.rstrip())
    got = own_server.get("scan", q="close > 0", universe="large_ones", limit=0).json["matched"]
    with ms.open(own_server.data) as market:
        assert got == market.scan("close > 0", universe="large_ones").matched
        del table["min_dollar_volume"]
        own_server.send_json("PUT", "universes/large_ones", **table)
        got = own_server.get("scan", q="close > 0", universe="large_ones", limit=0).json["matched"]
        assert got == market.scan("close >= 20", where='exchange == "NYSE"').matched > 800
    listed = {row["name"]: row for row in own_server.get("universes").json}
    assert listed["large_ones"]["own"] == table
    assert listed["liquid"]["own"] is None
    assert own_server.send("DELETE", "/api/v1/universes/large_ones").status == 200
    assert file.read_text().strip() == FILE.strip()
    problem(own_server.send("DELETE", "/api/v1/universes/large_ones"), 404, "unknown_universe")


def test_universes_that_cannot_be_saved(own_server: Server) -> None:
    before = (own_server.data / "universe.toml").read_text()

    def refused(name: str, says: str, **table: str) -> None:
        answer = own_server.send_json("PUT", f"universes/{name}", **table)
        assert answer.status == 422
        assert says in answer.json["detail"]
        assert str(own_server.data) not in answer.json["detail"]

    refused("A%20b", "valid name")
    refused("one", "is not a number of dollars", min_price="cheap")
    refused("one", "exchang", where='exchang == "NYSE"')
    refused("one", "write tickers", watchlist="@/etc/hostname")
    (own_server.data / "universe.toml").write_text("[broken")
    refused("one", "is not TOML", min_price="5")
    (own_server.data / "universe.toml").write_text(before)
