"""Facts of a symbols file in conditions: values as of each day, groups, universes, renames."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.core.records import FactValues, Listing
from marketsweep.errors import ConditionError, CoverageError, UsageError
from marketsweep.market import Market
from marketsweep.scan.query import Query, plan_query
from marketsweep.store.store import Store
from marketsweep.studies.sessions import fits_one_pass
from marketsweep.universe.screen import NO_SCREEN
from tests.helpers.command import refused, run
from tests.helpers.markets import sessions_of, store_of
from tests.helpers.two_months import Files

THEMES = ["ai", "Cloud", "shipping", ""]
EPOCH = dt.date(1970, 1, 1)


@pytest.fixture(scope="module")
def table(files: Files) -> pl.DataFrame:
    """Facts of the symbols, from November on, and new ones of half of them in December."""
    symbols = files.bars["symbol"].unique().sort()
    rng = np.random.default_rng(7)
    parts = []
    for day, names in ((dt.date(2016, 11, 1), symbols), (dt.date(2016, 12, 14), symbols[::2])):
        parts.append(
            pl.DataFrame(
                {
                    "symbol": names,
                    "P/E": rng.uniform(1, 60, len(names)).round(2),
                    "theme": rng.choice(THEMES, len(names)),
                    "rival": rng.choice(THEMES[:3], len(names)),
                    "next earnings": [
                        dt.date(2017, 1, 1) + dt.timedelta(days=int(n))
                        for n in rng.integers(0, 60, len(names))
                    ],
                    "valid_from": day,
                }
            )
        )
    return pl.concat(parts)


@pytest.fixture(scope="module")
def data(files: Files, table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "data"
    table.write_csv(path.parent / "facts.csv")
    names = ("bars", "actions", "symbols")
    paths = [(f"--{n.replace('bars', 'path')}", files.folder / f"{n}.parquet") for n in names]
    sync = ("sync", "--provider", "files", "--data", path)
    assert run(*sync, *(part for pair in paths for part in pair)).returncode == 0
    done = run(*sync, "--symbols", path.parent / "facts.csv")
    assert done.returncode == 0, done.stderr
    assert "4 facts (pe, theme, rival, earnings_date)" in done.stdout + done.stderr
    return path


@pytest.fixture
def market(data: Path) -> Iterator[Market]:
    with ms.open(data) as opened:
        yield opened


def known(files: Files, table: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    """The bars of a day with the facts as of it."""
    newest = (
        table.filter(pl.col("valid_from") <= day)
        .sort("valid_from")
        .group_by("symbol")
        .agg(pl.all().last())
        .with_columns(theme=pl.col("theme").replace("", None))
    )
    return files.bars.filter(pl.col("date") == day).join(newest, on="symbol")


DAYS = [dt.date(2016, 12, 13), dt.date(2016, 12, 14), dt.date(2016, 12, 30)]


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_values_are_those_of_the_day(
    market: Market, files: Files, table: pl.DataFrame, day: dt.date
) -> None:
    rows = known(files, table, day)
    hits = market.scan("pe < 20 and close > open", as_of=day, columns="pe")
    want = rows.filter((pl.col("P/E") < 20) & (pl.col("close") > pl.col("open")))
    assert len(want) > 10
    assert dict(zip(hits.symbols, hits.values["pe"], strict=True)) == dict(
        want.select("symbol", "P/E").iter_rows()
    )
    hits = market.scan("close > 0", where='theme == "AI"', as_of=day)
    assert set(hits.symbols) == set(rows.filter(pl.col("theme") == "ai")["symbol"])
    hits = market.scan("theme == rival and close > 0", as_of=day)
    assert set(hits.symbols) == set(rows.filter(pl.col("theme") == pl.col("rival"))["symbol"])
    hits = market.scan("earnings_date < 2017-01-20", as_of=day)
    want = rows.filter(pl.col("next earnings") < dt.date(2017, 1, 20))
    assert set(hits.symbols) == set(want["symbol"])
    assert not any("newest reported" in warning for warning in hits.warnings)


def test_the_newest_values_hold_on_all_days_on_request(
    market: Market, files: Files, table: pl.DataFrame
) -> None:
    newest = table.sort("valid_from").group_by("symbol").agg(pl.col("P/E", "theme").last())
    day = DAYS[0]
    rows = files.bars.filter(pl.col("date") == day).join(newest, on="symbol")
    want = set(rows.filter(pl.col("P/E") < 20, pl.col("theme") == "ai")["symbol"])
    dated = market.scan("pe < 20", where='theme == "AI"', as_of=day)
    hits = market.scan("pe < 20", where='theme == "AI"', as_of=day, facts="latest")
    assert set(hits.symbols) == want != set(dated.symbols)
    (warning,) = (text for text in hits.warnings if "newest reported" in text)
    count = len(newest.filter(pl.col("theme") != ""))
    assert f"theme of {count:,} symbols" in warning, warning
    signals = market.signals("pe < 20 and theme == 'ai'", since=day, until=day, facts="latest")
    assert set(signals.symbols) == want
    sweep = market.sweep("pe < {n}", n=[20], since=day, until=day, facts="latest")
    assert sweep.to_polars()["matches"].item() == len(rows.filter(pl.col("P/E") < 20))
    study = market.study("pe < 20 and theme == 'ai'", since=day, every=True, facts="latest")
    first = np.array(study.dates, "datetime64[D]")[study.events.sessions] == np.datetime64(day)
    assert {study.events.symbols[i] for i in np.flatnonzero(first)} == want
    again = market.scan("pe < 20", where='theme == "AI"', as_of=day)
    assert again.symbols == dated.symbols
    with pytest.raises(UsageError, match="neither dated nor latest"):
        market.scan("pe < 20", facts="newest")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="without incremental"):
        market.scan("pe < 20", facts="latest", incremental=True)


def test_groups(market: Market, files: Files, table: pl.DataFrame) -> None:
    rows = known(files, table, DAYS[-1]).filter(pl.col("theme").is_not_null())
    hits = market.scan("rank(close) by theme <= 3")
    ranks = pl.col("close").rank("min", descending=True).over("theme")
    assert set(hits.symbols) == set(rows.filter(ranks <= 3)["symbol"])
    hits = market.scan("close > 0", top=2, by="theme", sort="close")
    assert set(hits.symbols) == set(rows.filter(ranks <= 2)["symbol"])
    by_pe = market.scan("market(count(close > 0)) by bucket(pe, 20, 40) > 0", columns="pe")
    counts = np.histogram(by_pe.values["pe"], [0, 20, 40, 100])[0]
    assert counts.sum() == len(known(files, table, DAYS[-1]))
    with pytest.raises(UsageError, match="country, rival, theme"):
        market.scan("close > 0", top=2, by="pe")


def test_signals_and_sweeps_see_each_day(market: Market) -> None:
    text = 'pe < 25 and theme != "cloud"'
    signals = market.signals(text, since=DAYS[0])
    counts = market.sweep("pe < {n}", n=[10, 25], since=DAYS[0])
    for day in DAYS:
        scanned = market.scan(text, as_of=day).symbols
        found = [s for s, on in zip(signals.symbols, signals.days, strict=True) if on == day]
        assert set(found) == set(scanned)
        for n in (10, 25):
            row = counts.to_polars().filter((pl.col("session") == day) & (pl.col("n") == n))
            assert row["matches"].item() == len(market.scan(f"pe < {n}", as_of=day))


def stored_sessions(market: Market) -> list[dt.date]:
    with market.view() as view:
        return view.sessions


@pytest.mark.parametrize(
    ("condition", "where"),
    [
        ("close > 0", 'pe < 25 and theme != "cloud"'),
        ("rank(close) by theme <= 3", None),
        ("rank(roc(3)) by bucket(pe, 10, 30) <= 2", None),
        ("close > sma(5)", 'theme == "ai"'),
    ],
)
def test_one_pass_has_the_facts_of_each_session(
    market: Market, condition: str, where: str | None
) -> None:
    since, until = dt.date(2016, 12, 8), dt.date(2016, 12, 20)
    days = [day for day in stored_sessions(market) if since <= day <= until]
    assert days[0] < dt.date(2016, 12, 14) < days[-1], "half of the symbols have new values then"
    signals = market.signals(
        condition, where=where, since=since, until=until, columns="theme, close"
    )
    counted = market.sweep(
        f"{condition} and close > {{n}}", n=[0], where=where, since=since, until=until
    )
    hits = zip(
        signals.symbols, signals.days.tolist(), signals.values["theme"].tolist(), strict=True
    )
    by_day: dict[dt.date, dict[str, str | None]] = {day: {} for day in days}
    for symbol, day, theme in hits:
        by_day[day][symbol] = theme
    for number, day in enumerate(days):
        scan = market.scan(condition, where=where, as_of=day, columns="theme")
        expected = dict(zip(scan.symbols, scan.values["theme"].tolist(), strict=True))
        assert by_day[day] == expected, day
        assert counted.matches[0, number] == len(scan)
        receipt = signals.sessions[number]
        coverage = scan.coverage
        assert (receipt.expected, receipt.stale) == (coverage.expected, coverage.excluded.stale)
        assert receipt.prescreen == coverage.excluded.prescreen


def test_earlier_bars_have_the_values_of_their_days(
    market: Market, files: Files, table: pl.DataFrame
) -> None:
    bars = 15
    traded = files.bars.group_by("symbol").len().filter(pl.col("len") == len(files.days))
    now, then = (known(files, table, day) for day in (files.days[-1], files.days[-1 - bars]))
    both = now.join(then, on="symbol", suffix=" then").join(traded, on="symbol")
    assert files.days[-1 - bars] < DAYS[1] < files.days[-1]
    changed = both.filter(pl.col("P/E") != pl.col("P/E then"))
    hits = market.scan(f"pe != pe[{bars}]", columns=f"pe, pe[{bars}]")
    assert set(hits.symbols) & set(both["symbol"]) == set(changed["symbol"])
    assert 100 < len(changed) < len(both)
    got = dict(zip(hits.symbols, hits.values[f"pe[{bars}]"], strict=True))
    for symbol, value in changed.select("symbol", "P/E then").iter_rows():
        assert got[symbol] == value
    moved = both.filter(pl.col("theme") == "ai", pl.col("theme then") == "Cloud")
    hits = market.scan(f'theme == "ai" and (theme == "cloud")[{bars}]')
    assert set(hits.symbols) & set(both["symbol"]) == set(moved["symbol"])
    assert len(moved) > 3


def test_signals_with_facts_of_each_day_take_one_pass(market: Market) -> None:
    with market.view() as view:
        for text, expected in {
            'pe < 20 and theme != "ai"': True,
            "n_bars > 100": True,
            "rank(close) by theme <= 3": True,
            "market_cap > 1B": False,
        }.items():
            query = plan_query(Query(text, own_names=view.own_names()))
            nodes, sessions = query.layout.nodes, view.sessions
            fits = fits_one_pass(NO_SCREEN, nodes, query.plan, view, sessions)
            assert fits is expected, text


def test_an_audit_agrees(market: Market) -> None:
    audit = market.audit("pe < 25 and close > open", sessions=3)
    assert audit.agrees
    assert sum(session.matches for session in audit.sessions) > 30


def test_unknown_values_are_counted(market: Market, files: Files, table: pl.DataFrame) -> None:
    rows = known(files, table, DAYS[-1])
    coverage = market.scan('theme == "ai"').coverage
    assert coverage.unknown_facts == {"theme": int(rows["theme"].null_count())}
    hits = market.scan('theme == "clod"', min_coverage=0)
    assert any('no symbol has the theme "clod": did you mean Cloud?' in w for w in hits.warnings)
    with pytest.raises(CoverageError, match="unknown facts: theme for"):
        market.scan('theme == "ai"', min_coverage=0.95)


def test_expressions_in_python(market: Market) -> None:
    text = 'pe < 20 and theme == "ai" and rank(close) by theme <= 5'
    pe, theme = ms.fact("pe"), ms.fact("theme", "text")
    built = (pe < 20) & (theme == "ai") & (ms.rank(ms.close).by(theme) <= 5)
    assert market.scan(built).symbols == market.scan(text).symbols != []
    assert str(built) == text
    with pytest.raises(ConditionError, match="the fact pe is a number"):
        market.scan(ms.fact("pe", "text") == "x")
    with pytest.raises(ConditionError, match="the fact none is not stored"):
        market.scan("close > 0", where=ms.fact("none") > 3)
    for name, kind, message in (
        ("close", "number", "close is a word of the language"),
        ("P/E", "number", "'P/E' is not the name of a fact"),
        ("pe", "bool", "number, text or date, and not 'bool'"),
    ):
        with pytest.raises(ConditionError, match=message):
            ms.fact(name, kind)  # type: ignore[arg-type]
    with pytest.raises(ConditionError, match="not a text fact"):
        ms.rank(ms.close).by(pe)
    with pytest.raises(ConditionError, match=r"write by\(ms.fact\('theme', 'text'\)\)"):
        ms.rank(ms.close).by("theme")


def test_what_a_fact_may_be_compared_with(market: Market) -> None:
    for text in (
        "theme == rival",
        "theme == sector",
        "let x = rival\ntheme == x",
        'def f(x) = x\ntheme == f("ai")',
    ):
        market.scan(text, min_coverage=0)
    assert str(ms.rank(ms.close).by("Sector")) == "rank(close) by sector"


def test_unknown_symbols_of_a_file_are_named(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    file = tmp_path / "more.csv"
    file.write_text("symbol,grade\nA,3\nNOSUCH,2\nBRK-B,1\nNEVER,4\n")
    done = run("sync", "--provider", "files", "--symbols", file, "--data", folder)
    assert done.returncode == 0
    assert "symbols with facts have neither bars nor a listing, such as" in done.stderr
    assert "NEVER, NOSUCH: check their tickers" in " ".join(done.stderr.split())


def test_a_column_of_another_kind_changes_nothing_and_ends_with_3(
    data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    file = tmp_path / "words.csv"
    file.write_text("symbol,pe,grade\nA,cheap,3\nB,dear,4\n")
    before = run("scan", "pe < 20", "--data", folder).stdout
    done = run("sync", "--provider", "files", "--symbols", file, "--data", folder)
    assert done.returncode == 3
    assert "marketsweep facts remove pe" in done.stderr
    assert "their values were not changed" in done.stderr
    assert run("scan", "pe < 20", "--data", folder).stdout == before
    with ms.open(folder) as market:
        assert market.scan("grade > 2", min_coverage=0).symbols  # the other column is stored


@pytest.mark.parametrize("column", ["", ",valid_from"])
def test_an_empty_column_ends_the_values(data: Path, tmp_path: Path, column: str) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    with ms.open(folder) as market:
        first, last = market.scan("close > 0").symbols[:2]
    file, day = tmp_path / "grades.csv", (",2016-11-01" if column else "")
    sync = ("sync", "--provider", "files", "--symbols", file, "--data", folder)
    file.write_text(f"symbol,grade,empty{column}\n{first},3,{day}\n{last},4,{day}\n")
    assert run(*sync).returncode == 0
    with ms.open(folder) as market:
        assert sorted(market.scan("grade > 2", min_coverage=0).symbols) == sorted([first, last])
    day = ",2016-12-20" if column else ""
    assert "empty" not in run("facts", "list", "--data", folder).stdout
    file.write_text(f"symbol,grade{column}\n{last},{day}\n")
    assert run(*sync).returncode == 0
    with ms.open(folder) as market:
        assert market.scan("grade > 2", min_coverage=0).symbols == [first]
        if column:
            past = market.scan("grade > 2", min_coverage=0, as_of=dt.date(2016, 12, 19))
            assert sorted(past.symbols) == sorted([first, last])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theme == shipping", 'a text stands in quotes: write theme == "shipping"'),
        ("close > 1 and rival != ai", 'a text stands in quotes: write rival != "ai"'),
        ("weekly(pe) < 9", "needs the day of each bar, and longer bars have none: move pe outside"),
    ],
)
def test_mistakes_are_explained(market: Market, text: str, message: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(message)):
        market.scan(text)


def matches(data: Path, *arguments: str) -> list[str]:
    done = run("scan", *arguments, "--data", data, "--format", "json", "--min-coverage", "0")
    return [row["symbol"] for row in json.loads(done.stdout)["matches"]]


def test_conditions_and_universes_that_use_them(data: Path, tmp_path: Path) -> None:
    want = matches(data, "pe < 20")
    assert run("presets", "save", "cheap", "pe < 20", "--data", data).returncode == 0
    (data / "universe.toml").write_text("[low]\nwhere = 'pe < 20'\n")
    for arguments in (("cheap",), ("close > 0", "--universe", "low"), ("close > 0 and cheap",)):
        assert matches(data, *arguments) == want
    assert "low" in run("universe", "show", "--data", data).stdout
    assert run("presets", "run", "cheap", "--data", data).stdout.split()[1] == str(len(want))
    (data / "conditions" / "cheap.scan").unlink()
    (data / "universe.toml").unlink()


def test_the_text_explains_a_fact(data: Path) -> None:
    symbol = matches(data, "pe < 20")[0]
    done = run("explain", symbol, "pe < 20 and close > 0", "--data", data)
    assert "pe" in done.stdout
    assert done.returncode == 0


def test_the_list_of_facts(data: Path, table: pl.DataFrame) -> None:
    rows = json.loads(run("facts", "list", "--data", data, "--json").stdout)
    by_name = {row["name"]: row for row in rows}
    assert by_name["pe"]["kind"] == "number"
    assert by_name["pe"]["symbols"] == table["symbol"].n_unique()
    assert (by_name["pe"]["first"], by_name["pe"]["last"]) == ("2016-11-01", "2016-12-14")
    assert by_name["n_bars"]["first"] is None
    shown = run("facts", "show", table["symbol"][0], "--data", data).stdout
    assert re.search(r"^earnings_date +2017-\d\d-\d\d$", shown, re.MULTILINE)
    refused(2, "facts", "remove", "pee", "--data", data, says="did you mean pe?")
    refused(2, "scan", "pee > 3", "--data", data, says="did you mean pe?")


def test_facts_follow_their_company(files: Files, tmp_path: Path) -> None:
    """A ticker that has a new owner does not inherit facts, and a new ticker keeps them."""
    first, second, third = files.bars["symbol"].unique().sort()[:3].to_list()
    change = dt.date(2016, 12, 1)
    eve = dt.date(2016, 11, 30)
    bars = files.bars.filter(pl.col("symbol").is_in([first, second, third]))
    early, late = bars.filter(pl.col("date") < change), bars.filter(pl.col("date") >= change)
    # The company of the first ticker goes on under a new one; another company takes its ticker.
    late = late.with_columns(pl.col("symbol").replace({first: "NEWT", second: first}))
    store = store_of(tmp_path, pl.concat([early, late]), reference=False)
    with store.writer() as writer:
        writer.put_listings(
            [
                Listing(first, first=dt.date(2010, 1, 4), last=eve, figi="F1"),
                Listing("NEWT", first=change, figi="F1", renamed_from=first),
                Listing(second, first=dt.date(2010, 1, 4), last=eve, figi="F2"),
                Listing(first, first=change, figi="F3"),
                Listing(third, first=dt.date(2010, 1, 4), figi="F4"),
            ]
        )
        rows = [(first, dt.date(2016, 11, 1), 1.0), (second, dt.date(2016, 11, 1), 2.0)]
        writer.put_facts([FactValues("pe", "number", [*rows, (third, None, 4.0)])])
        # The new owner of the ticker has the same value as the one before.
        same: list[tuple[str, dt.date | None, float | str | None]] = [
            *((first, dt.date(2016, 11, 1), 1.0), (first, DAYS[-1], 1.0))
        ]
        writer.put_facts([FactValues("pb", "number", same)])
    store.close()
    with ms.open(tmp_path) as market:
        for day, want in (
            (eve, {first: 1.0, second: 2.0, third: 4.0}),
            (DAYS[-1], {"NEWT": 1.0, third: 4.0}),
        ):
            hits = market.scan("pe > 0", as_of=day)
            assert dict(zip(hits.symbols, hits.values["pe"], strict=True)) == want
        assert market.scan("pb > 0", as_of=eve).symbols == [first]
        assert sorted(market.scan("pb > 0", as_of=DAYS[-1]).symbols) == sorted([first, "NEWT"])


def test_values_are_merged(files: Files, tmp_path: Path) -> None:
    bars = files.bars.filter(pl.col("symbol") == "A")
    early, late, later = dt.date(2016, 11, 1), dt.date(2016, 12, 1), dt.date(2016, 12, 2)
    with Store.create(tmp_path) as store:
        with store.writer() as writer:
            writer.commit(sessions_of(bars), "test")
            assert writer.put_facts([FactValues("x", "number", [("A", early, 1.0)])]) == (
                ["x"],
                [],
                [],
            )
            assert writer.put_facts([FactValues("x", "text", [("A", late, "b")])]) == (
                [],
                ["x"],
                [],
            )
            more: list[tuple[str, dt.date | None, float | str | None]] = [
                *(("A", late, 2.0), ("A", later, 2.0), ("A", None, 0.5)),
                *(("B", None, 7.0), ("C", late, None)),
            ]
            assert writer.put_facts([FactValues("x", "number", more)]) == (["x"], [], ["x"])
        with store.snapshot() as snapshot:
            version = snapshot.version
            assert snapshot.facts() == {"x": ("number", True)}
            assert snapshot.fact_rows("x") == [
                *(("A", None, 0.5), ("A", early, 1.0), ("A", late, 2.0), ("A", later, 2.0)),
                *(("B", None, 7.0), ("C", late, None)),
            ]
        with store.writer() as writer:
            writer.put_facts([FactValues("x", "number", [("B", None, None), ("A", late, None)])])
        with store.snapshot() as snapshot:
            assert snapshot.version > version
            assert snapshot.fact_rows("x") == [
                *(("A", None, 0.5), ("A", early, 1.0), ("A", late, None), ("A", later, 2.0)),
                ("C", late, None),
            ]
            unchanged = snapshot.version
        with store.writer() as writer:
            writer.put_facts([FactValues("x", "number", [("A", None, 0.5)])])
        with store.snapshot() as snapshot:
            assert snapshot.version == unchanged
        with store.writer() as writer:
            writer.remove_fact("x")
        with store.snapshot() as snapshot:
            assert snapshot.facts() == {}
            assert snapshot.fact_rows("x") == []
            assert not snapshot.verify().damages


def test_where_takes_facts_of_the_day_alone(market: Market) -> None:
    for text in (
        "pe[5] < 10",
        "pe is rising",
        "pe crosses above 5",
        "dividend",
        "split within 9 bars",
    ):
        with pytest.raises(ConditionError, match="where takes facts of the day of the scan, but"):
            market.scan("close > 0", where=text)
    day = dt.date(2016, 12, 20)
    for text, same in (
        ("earnings_date - date < 30", "earnings_date < 2017-01-19"),
        ("month == 12", "pe == pe"),
        ("last_dividend > date - 20", "last_dividend > 2016-11-30"),
    ):
        got = market.scan("close > 0", where=text, as_of=day)
        want = market.scan(f"close > 0 and {same}", as_of=day)
        assert set(got.symbols) == set(want.symbols), text
        assert len(got.symbols) > 5
        found = market.signals("close > 0", where=text, since=day, until=day)
        assert set(found.symbols) == set(got.symbols)


def test_a_saved_condition_keeps_its_name(data: Path, tmp_path: Path) -> None:
    (tmp_path / "named.csv").write_text("symbol,golden_cross\nAAPL,1\nA,2\n")
    before = run("scan", "golden_cross", "--data", data).stdout
    sync = ("sync", "--provider", "files", "--symbols", tmp_path / "named.csv", "--data", data)
    assert run(*sync).returncode == 0
    assert run("scan", "golden_cross", "--data", data).stdout == before
    assert "not usable" in run("facts", "list", "--data", data).stdout
    assert run("facts", "remove", "golden_cross", "--data", data).returncode == 0
    refused(2, "presets", "save", "pe", "close > 5", "--data", data, says="pe is a stored fact")


def test_new_values_without_a_day_beside_dated_ones(data: Path, tmp_path: Path) -> None:
    (tmp_path / "late.csv").write_text("symbol,rival\nA,ai\n")
    done = run(*("sync", "--provider", "files", "--symbols", tmp_path / "late.csv", "--data", data))
    assert "the new values of rival have no valid_from" in done.stderr


def test_a_column_of_another_kind_changes_nothing(data: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("symbol,pe\nAAPL,low\nMSFT,high\n")
    before = run("facts", "list", "--data", data).stdout
    done = run(*("sync", "--provider", "files", "--symbols", tmp_path / "bad.csv", "--data", data))
    assert "the fact pe was not changed: it is reported as a text" in done.stderr
    assert "marketsweep facts remove pe" in done.stderr
    assert run("facts", "list", "--data", data).stdout == before
