"""A thousand bad inputs at each border: a good answer or an error of ours, and nothing foreign.

The borders are the provider, files, settings, the command line, and Python. All inputs come of
fixed seeds, so that a failure is one everywhere.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import math
import random
import shutil
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from aiohttp import web

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Listing
from marketsweep.core.settings import read_config
from marketsweep.errors import MarketsweepError
from marketsweep.ingest.files import read_actions, read_bars, read_symbols
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sync import sync
from marketsweep.language.presets import SavedConditions
from marketsweep.store.store import Store
from marketsweep.universe.named import read_universes
from tests.helpers import massive_server
from tests.helpers.command import run
from tests.helpers.markets import random_bars, store_of
from tests.helpers.massive_server import KEY, serving

INPUTS = 1_000

NASTY_TEXTS = [
    *("", " ", "\x00", "\x1b[31m", "NaN", "inf", "-inf", "null", "None", "true", "-", "--", "=1+1"),
    *("0", "-1", "1e300", "1e-300", "1e999", "99999999999999999999", "0x10", "1_000", "1,5", "½"),
    *("0001-01-01", "9999-12-31", "2016-13-45", "1900-01-01", "2016-02-30", "10000-01-01"),
    *("2016-05-05T25:61:61Z", "2016-05-05 16:00:00-04:00", "1e18", "-62135596800", "253402300800"),
    *("\u202eAAPL", "ÄÖ", "日本", "😀", "A" * 5_000, "a\nb", "a,b", '"', "'", ";", "\t", "\ufeff"),
]

NASTY_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 10**18, -(10**18), 10**30, 1.5, 1e300, -1e-300, math.nan),
    *(math.inf, "", "AAPL", [], [[]], {}, {"a": {"a": []}}, *NASTY_TEXTS[:30]),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred sessions of 30 symbols."""
    days = sessions_in_range(dt.date(2015, 6, 1), dt.date(2016, 12, 30))[-300:]
    bars = random_bars(300, 30, seed=17)
    names = ["AAPL", "QQQ", "SPY", *(f"S{n:02}" for n in range(27))]
    frames = []
    for place, name in enumerate(names):
        there = ~np.isnan(bars["close"][:, place])
        columns = {field: bars[field][there, place] for field in bars}
        kept = [day for day, is_there in zip(days, there, strict=True) if is_there]
        frames.append(pl.DataFrame({"symbol": [name] * len(kept), "date": kept, **columns}))
    path = tmp_path_factory.mktemp("small")
    with store_of(path, pl.concat(frames), reference=False) as store, store.writer() as writer:
        writer.put_listings([Listing(name, sector="Energy") for name in names])
    return path


def attempt(what: str, action: Callable[[], object]) -> bool:
    """Whether it was done; an error of ours is one too, and any other fails with the input."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            action()
    except MarketsweepError:
        return False
    except BaseException as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    return True


# -- Python


def python_values() -> list[Any]:
    return [
        *(None, 0, -1, 1, 3.5, math.nan, math.inf, 10**30, -(10**30), True, False, 1j, b"x", b""),
        *("", " ", "AAPL", "NOPE", "\x00", "\udcff", "close", "close > 1", "rsi(14)", "liquid"),
        *("2016-05-05", "0001-01-01", "9999-12-31", "2016-13-45", "keep", "splits", "serial"),
        *(
            [],
            ["AAPL"],
            ["NOPE"],
            [None],
            [1],
            [["A"]],
            (),
            {},
            {"a": 1},
            set(),
            object(),
            range(3),
        ),
        *(dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2016, 5, 5), dt.datetime(2016, 5, 5)),
        *(dt.datetime(2016, 5, 5, tzinfo=dt.UTC), dt.timedelta(1), Decimal(1), Exception("x")),
        *(np.float64(1), np.int64(3), np.array([1, 2]), np.datetime64("2016-05-05")),
        *(pl.Series(["AAPL"]), ms.close, ms.close > 1, ms.rsi(14), "A" * 10_000, "sector"),
    ]


def test_python(small: Path) -> None:
    chance, values = random.Random(1), python_values()
    usual: dict[str, Any] = {"symbol": "AAPL", "symbols": ["AAPL"], "conditions": ["close > 1"]}
    methods: dict[str, tuple[list[str], list[str]]] = {
        "scan": (
            ["condition"],
            [
                *("where", "universe", "unknown", "skip_low_volume", "as_of", "sort", "limit"),
                *("descending", "top", "by", "columns", "executor", "threads", "adjust"),
                *("exclude_suspect", "min_history", "min_coverage", "funnel", "near", "timeout"),
                "incremental",
            ],
        ),
        "scan_together": (["conditions"], ["where", "as_of", "sort", "limit", "adjust"]),
        "signals": (["condition"], ["since", "until", "where", "sort", "limit", "columns"]),
        "sweep": (["condition"], ["as_of", "since", "until", "n", "universe", "threads"]),
        "explain": (["symbol", "condition"], ["as_of", "adjust"]),
        "audit": (["condition"], ["where", "sessions"]),
        "chart": (["symbol"], ["indicators", "condition", "as_of", "bars", "adjust"]),
        "history": (["symbol"], ["as_of", "adjust"]),
        "price_history_batch": (["symbols"], ["since", "until", "adjust"]),
    }
    done = 0
    with ms.open(small) as market:
        for _ in range(INPUTS):
            name = chance.choice(list(methods))
            required, options = methods[name]
            given = {
                one: usual.get(one, "close > 1") if chance.random() < 0.7 else chance.choice(values)
                for one in required
            }
            for option in chance.sample(options, chance.choice([0, 1, 1, 2])):
                given[option] = chance.choice(values)
            if name == "signals":
                given.setdefault("since", "2016-12-20")
            if name == "audit":
                given.setdefault("sessions", 2)
            method = getattr(market, name)
            done += attempt(f"{name} {given!r}", lambda: method(**given))  # noqa: B023, called at once
    assert INPUTS / 10 < done < INPUTS * 9 / 10


@pytest.mark.parametrize("path", [5, b"x", [], "\0", 1.5, "/dev/null"])
def test_what_is_no_folder(path: object) -> None:
    with pytest.raises(MarketsweepError):
        ms.open(path)  # type: ignore[arg-type]


# -- the command line


CONDITIONS = [
    *("close > 1", "rsi(14) < 30", 'sector == "A" == "B"', "frozen(15)", "weekly(sma(5)) < close"),
    *("rank(close) by sector <= 3", 'symbol("QQQ").close > 1', "market(pct(close > 1)) > 5", "("),
    *(
        "close >",
        "> close",
        "close > 1 and",
        "sma(0) > 1",
        "sma() > 1",
        "nope(3)",
        "close[1e9] > 1",
    ),
    *("uptrend", "close > {n}", "let a = a; a > 1", "close in []", 'name in ["a", 1]', "((((1))))"),
]


def test_the_command_line(small: Path, tmp_path: Path) -> None:
    chance = random.Random(2)
    file = tmp_path / "list.txt"
    file.write_bytes(b"AAPL\nS01\n\xff\xfe\x00")
    lists = [str(file), f"@{file}", "@/none", "@", "AAPL,S01", ",,,", *NASTY_TEXTS]
    # A zero cannot stand on a command line.
    texts = [text for text in [*lists, *CONDITIONS] if "\x00" not in text]
    options = {
        "scan": [
            *("--where", "--universe", "--as-of", "--sort", "--limit", "--top", "--by", "--near"),
            *("--columns", "--adjust", "--format", "--min-coverage", "--max-lag", "--always"),
            *("--min-history", "--executor", "--threads", "--unknown", "--max-age"),
        ],
        "signals": ["--since", "--until", "--where", "--sort", "--limit", "--columns", "--format"],
        "sweep": ["--vary", "--as-of", "--since", "--until", "--top"],
        "explain": ["--as-of", "--adjust"],
        "status": ["--symbol"],
        "universe": ["--universe", "--where"],
        "actions": ["--symbol", "--since"],
        "presets": [],
        "indicators": [],
    }
    codes = set()
    for _ in range(INPUTS):
        name = chance.choice(list(options))
        line = [name]
        if name in ("scan", "signals", "sweep"):
            line.append(chance.choice([*CONDITIONS, chance.choice(texts)]))
        elif name == "explain":
            line += [chance.choice(["AAPL", *texts]), chance.choice(CONDITIONS)]
        elif name in ("presets", "universe", "actions") and chance.random() < 0.8:
            line.append(chance.choice(["list", "show", "show", "split", *texts[:40]]))
        if name == "signals":
            line += ["--since", "2016-12-20"]
        for option in chance.sample(
            options[name], min(len(options[name]), chance.choice([0, 1, 2]))
        ):
            line += [option, chance.choice([*texts, "3", "2016-06-01"])]
        if name != "indicators":
            line += ["--data", str(small)]
        answer = None

        def call(line: list[str] = line) -> None:
            nonlocal answer
            answer = run(*line)

        attempt(f"marketsweep {line!r}", call)
        assert answer is not None
        assert answer.returncode in (0, 2, 3, 5), (line, answer.stderr)
        assert answer.returncode == 0 or answer.stderr, line
        codes.add(answer.returncode)
    assert {0, 2} <= codes


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "9999-12-31"])
def test_years_that_cannot_be(small: Path, day: str) -> None:
    for line in (
        ["scan", "close > 1", "--as-of", day],
        ["explain", "AAPL", "close > 1", "--as-of", day],
        ["signals", "close > 1", "--until", day],
        ["signals", "close > 1", "--since", day],
    ):
        answer = run(*line, "--data", small)
        assert answer.returncode == 2, line
        assert "Traceback" not in answer.stderr


# -- settings


TOML = [
    "[sync]\nconcurrency = 5\nmax_file_mb = 10\n[scan]\nthreads = 2\n[ray]\nworkers = 1\n",
    '[mine]\nwhere = \'sector == "Energy"\'\nmin_price = 5\nmin_dollar_volume = "20M"\n'
    'sessions = 20\nwatchlist = ["AAPL", "@my.txt"]\nexclude = "QQQ"\nunknown = "drop"\n',
]


def spoilt_text(chance: random.Random, text: str) -> bytes:
    """A text with some of it replaced, doubled or taken out, or bytes in it that are no text."""
    content = bytearray(text.encode(errors="surrogateescape"))
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = chance.randrange(len(content) + 1)
        end = min(len(content), at + chance.choice([0, 1, 3, 10]))
        new = chance.choice(
            [
                *(
                    b"",
                    b"\x00",
                    b"\xff\xfe",
                    b"\n",
                    b"[",
                    b"]",
                    b"{}",
                    b"= [1, {a = []}]",
                    b'"',
                    b"'",
                ),
                *(b"[[x]]\n", b"a.b.c = 1\n", b"1979-05-27", b"inf", b"nan", b"-1", b"1e400"),
                *(text.encode(errors="replace") for text in chance.sample(NASTY_TEXTS, 3)),
                bytes(content[end : end + 20]),
            ]
        )
        content[at:end] = new
    return bytes(content)


def test_settings(small: Path, tmp_path: Path) -> None:
    chance, done = random.Random(3), 0
    saved = "# Of mine.\nrsi(14) < 30 and close > sma(20)\n"
    (tmp_path / "conditions").mkdir()
    for number in range(INPUTS):
        (tmp_path / "config.toml").write_bytes(spoilt_text(chance, TOML[0]))
        (tmp_path / "universe.toml").write_bytes(spoilt_text(chance, TOML[1]))
        (tmp_path / "my.txt").write_bytes(spoilt_text(chance, "AAPL\nMSFT # mine\nBRK.B\n"))
        (tmp_path / "conditions" / "own.scan").write_bytes(spoilt_text(chance, saved))
        done += attempt(f"{number}: config", lambda: read_config(tmp_path, {}))
        done += attempt(f"{number}: universes", lambda: read_universes(tmp_path))
        done += attempt(f"{number}: conditions", lambda: SavedConditions.of(tmp_path).everyone())
        if number % 10 == 0:
            attempt(f"{number}: universe", lambda: run("universe", "--data", tmp_path))
    assert INPUTS / 2 < done < 3 * INPUTS


def test_saved_conditions_that_name_each_other_far_down(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "conditions"
    folder.mkdir()
    for number in range(300):
        (folder / f"c{number}.scan").write_text(f"c{number + 1} and close > {number}\n")
    (folder / "c300.scan").write_text("close > 0\n")
    (folder / "a.scan").write_text("b and close > 1\n")
    (folder / "b.scan").write_text("a or close > 1\n")
    own = Path(shutil.copytree(folder, small / "conditions"))
    for name, code in (("c0", 2), ("c150", 2), ("c270", 0), ("a", 2), ("b", 2)):
        assert run("scan", name, "--data", small).returncode == code
    shutil.rmtree(own)


# -- files


def csv_files() -> list[str]:
    return [
        "symbol,date,open,high,low,close,volume\nA,2016-05-05,1,2,0.5,1.5,100\n"
        "B,2016-05-06,1,2,0.5,1.5,100\n",
        "ticker,volume,open,close,high,low,window_start,transactions\n"
        "A,100,1,1.5,2,0.5,1462420800000000000,5\n",
        "Date,Open,High,Low,Close,Adj Close,Volume\n2016-05-05,1,2,0.5,1.5,1.4,100\n",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
        "A.US,D,20160505,000000,1,2,0.5,1.5,100,0\n",
        "Symbol;Date;Open;High;Low;Close;Volume\nA;05.05.2016;1,5;2,5;0,5;1,5;100\n",
        "symbol,date,type,ratio,amount\nA,2016-05-05,split,2:1,\nB,2016-05-06,dividend,,0.5\n",
        "symbol,name,sector,first,last,market_cap\nA,Alpha,Energy,2016-01-01,,1000000\n",
    ]


def odd_columns(chance: random.Random) -> dict[str, pl.Series]:
    """Columns of three rows of every type that polars has."""
    day = dt.date(2016, 5, 5)
    kinds = [
        pl.Series([[1], [2], []]),
        pl.Series([{"a": 1}, {"a": 2}, None]),
        pl.Series([b"a", b"\xff", None]),
        pl.Series([Decimal("1.5"), None, Decimal(2)]),
        pl.Series([day, None, dt.date(9999, 12, 31)]),
        pl.Series([dt.date(1, 1, 1), day, day]),
        pl.Series([dt.datetime(2016, 5, 5), None, dt.datetime(1, 1, 1)]),
        pl.Series([dt.timedelta(1), None, dt.timedelta(-1)]),
        pl.Series([dt.time(1), None, dt.time(2)]),
        pl.Series(["a", "b", None]).cast(pl.Categorical),
        pl.Series([None, None, None]),
        pl.Series([True, False, None]),
        pl.Series([1e300, math.nan, -math.inf]),
        pl.Series([2**63 - 1, -(2**63), 0]),
        pl.Series([2**64 - 1, 0, 1], dtype=pl.UInt64),
        pl.Series(chance.sample(NASTY_TEXTS, 3)),
        pl.Series([1.0, 2.0, 3.0]),
        pl.Series(["A", "B", "C"]),
        pl.Series(["2016-05-05", "2016-05-06", "2016-05-09"]),
    ]
    names = ["symbol", "date", "open", "high", "low", "close", "volume", "type", "ratio", "amount"]
    chosen = chance.sample(names, chance.randrange(1, len(names)))
    good = {"symbol": kinds[-2], "date": kinds[-1]} | dict.fromkeys(names[2:7], kinds[-3])
    return {
        name: good[name] if name in good and chance.random() < 0.6 else chance.choice(kinds)
        for name in {*chosen, *(good if chance.random() < 0.7 else ())}
    }


def test_files(tmp_path: Path) -> None:
    chance, done = random.Random(4), 0
    readers: list[Callable[[Path], object]] = [read_bars, read_actions, read_symbols]
    templates = csv_files()
    for number in range(INPUTS):
        path = tmp_path / "given.csv"
        kind = chance.random()
        if kind < 0.7:
            lines = chance.choice(templates).split("\n")
            at = chance.randrange(len(lines))
            cells = lines[at].split(",")
            cells[chance.randrange(len(cells))] = chance.choice(NASTY_TEXTS)
            lines[at] = ",".join(cells)
            text = "\n".join(lines)
            path.write_bytes(spoilt_text(chance, text) if kind < 0.4 else text.encode())
        else:
            path = tmp_path / "given.parquet"
            whole = io.BytesIO()
            frame = pl.DataFrame(odd_columns(chance))
            (frame.write_parquet if kind < 0.9 else frame.write_ipc)(whole)
            content = bytearray(whole.getvalue())
            if chance.random() < 0.2:
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(content)
        read = chance.choice([readers[0], readers[0], *readers])
        done += attempt(
            f"{number}: {read.__name__} {path.read_bytes()[:300]!r}",
            lambda: read(path),  # noqa: B023, called at once
        )
    assert INPUTS / 20 < done < INPUTS * 19 / 20


# -- the provider


def spoilt(chance: random.Random, value: Any) -> Any:  # noqa: ANN401, JSON
    """A JSON document with one of its parts replaced, taken out or doubled."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        if chance.random() < 0.15:
            return {name: one for name, one in value.items() if name != key}
        return value | {key: spoilt(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        if chance.random() < 0.1:
            return [*value, value[at], value[at]]
        return [*value[:at], spoilt(chance, value[at]), *value[at + 1 :]]
    return chance.choice(NASTY_VALUES)


def served(days: list[dt.date]) -> massive_server.Market:
    now = f"{days[-1]}T20:00:00-04:00"
    market = massive_server.Market(now=now)
    for day in days:
        market.bars[day] = [
            {"T": name, "o": 1.0, "h": 2.0, "l": 0.5, "c": 1.5, "v": 100.0} for name in "ABC"
        ]
    market.splits = [
        {"ticker": "A", "execution_date": str(days[2]), "split_from": 1, "split_to": 2, "id": "1"}
    ]
    market.dividends = [
        {"ticker": "B", "ex_dividend_date": str(days[1]), "cash_amount": 0.1, "id": "2"}
    ]
    market.tickers = [
        {
            "ticker": name,
            "name": name,
            "active": name != "C",
            "type": "CS",
            "primary_exchange": "XNYS",
            "list_date": "2010-01-04",
            "locale": "us",
            **({"delisted_utc": "2016-05-10T00:00:00Z"} if name == "C" else {}),
        }
        for name in "ABC"
    ]
    return market


def test_the_provider(tmp_path: Path) -> None:
    """Answers over HTTP, each spoilt; of a sync two thirds of them, so that some get far."""
    chance = random.Random(5)
    days = sessions_in_range(dt.date(2016, 5, 2), dt.date(2016, 5, 13))
    settings = HttpSettings(tries=1, pause_s=0.0)
    count = syncs = 0
    with serving(served(days)) as server:

        async def spoil(request: web.Request) -> web.StreamResponse:
            nonlocal count
            answer = await server.honest(request)
            share = 0.1 if "marketstatus" in request.path else 0.65
            if chance.random() > share or not isinstance(answer, web.Response):
                return answer
            count += 1
            # What the server sends is packed; json has NaN and numbers of any size.
            document = json.loads(gzip.decompress(answer.body))  # type: ignore[arg-type]
            content = json.dumps(spoilt(chance, document)).encode()
            if chance.random() < 0.1:
                content = content[: chance.randrange(len(content))]
            return web.Response(body=content, content_type="application/json")

        server.always("", spoil)
        while count < INPUTS:
            syncs += 1
            folder = tmp_path / f"{syncs % 7}"

            def work(folder: Path = folder) -> None:
                with Store.create(folder) as store:
                    provider = MassiveProvider(KEY, server.url, settings=settings)
                    only = chance.choice([None, None, ["A", "B"]])
                    details = only is not None and chance.random() < 0.5
                    sync(store, provider, days[0], days[-1], symbols=only, details=details)

            attempt(f"sync {syncs}", work)
            with Store.create(folder) as store:
                assert store.verify().damages == [], syncs
            if syncs % 5 == 0:
                attempt(f"scan {syncs}", lambda: run("scan", "close > 1", "--data", folder))  # noqa: B023
    assert syncs > 20
