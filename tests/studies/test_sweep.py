"""Sweeps: every variant counts what a scan of it finds, and what its signals are."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import marketsweep as ms
from marketsweep.engine.executors.registry import executor, searcher, tallier
from marketsweep.engine.plan import make_plan
from marketsweep.errors import ConditionError, CoverageError, UsageError
from marketsweep.language import templates
from marketsweep.language.parsing.parser import parse, parse_expression
from marketsweep.language.templates import Template, variants_of
from marketsweep.store.store import Store
from marketsweep.studies import sessions as past_sessions
from marketsweep.studies import sweep
from tests.helpers.executors import IN_PROCESS
from tests.helpers.markets import panel_of, random_bars
from tests.ingest.test_sync import command
from tests.studies.test_signals import DAYS, awkward, with_sessions

# -- against scans and signals


def same_as_scans(market: ms.Market, condition: str, every: int = 1, **asked: Any) -> int:  # noqa: ANN401, arguments of a sweep
    """Compares with a scan of each variant, or of some; how many matches there are."""
    found = market.sweep(condition, **asked)
    values = {name: asked.pop(name) for name in found.names}
    assert len(found) == np.prod([len(list(some)) for some in values.values()])
    for row in found.to_dicts()[::every]:
        variant = condition
        for name in found.names:
            variant = variant.replace(f"{{{name}}}", f"{row[name]}")
        hits = market.scan(variant, **asked)
        evaluated = hits.coverage.evaluated + hits.coverage.excluded.unknown_facts
        assert (row["matches"], row["evaluated"]) == (len(hits), evaluated), variant
        assert found.sessions[0].expected == hits.coverage.expected
        assert found.sessions[0].prescreen == hits.coverage.excluded.prescreen
        assert found.sessions[0].stale == hits.coverage.excluded.stale
    return int(found.matches.sum())


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        (
            "rsi({n}) < {t} and close > sma({m})",
            {"n": range(3, 15, 4), "t": (25, 40), "m": (20, 99)},
        ),
        ("close[{k}] > {x} * close and volume > 0", {"k": (0, 3, 200), "x": (0.9, 1.1)}),
        ("rank(roc({n})) <= {r}", {"n": (5, 20), "r": (10, 500)}),
        ('weekly(roc({n})) > {x} and rs({n}, "AMN") > 1', {"n": (1, 4), "x": (-5, 0, 2.5)}),
        ("market(pct(close > sma({n}))) > {p}", {"n": (20, 50), "p": (0.4, 0.7)}),
        ("close crosses above ema({n}) within {b} bars", {"n": (8, 21), "b": (1, 5)}),
        ("let slow = sma({m}); close > slow and slow > slow[{k}]", {"m": (30, 90), "k": (1, 9)}),
        ("close between {a} and {b} or exchange == 'NYSE'", {"a": (1, 20), "b": (30, 40)}),
        ("nr7 and close > {x}", {"x": (0, 100), "where": 'exchange == "NASDAQ"'}),
        ("roc(5) > {x}", {"x": (-9.5, 0), "as_of": "2016-07-01", "adjust": "total"}),
    ],
)
def test_each_variant_counts_what_a_scan_finds(
    real: Path, condition: str, asked: dict[str, Any]
) -> None:
    with ms.open(real) as market:
        assert same_as_scans(market, condition, **asked) > 100


@pytest.mark.parametrize("condition", ["rsi({n}) < {t}", "rank(roc({n})) <= {t}"])
def test_variants_of_several_plans(
    real: Path, condition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, Any] = {"n": range(5, 25, 3), "t": (20, 45)}
    with ms.open(real) as market:
        whole = market.sweep(condition, **values)
        monkeypatch.setattr(sweep, "VARIANTS_PER_PLAN", 5)
        monkeypatch.setattr(sweep, "_MAX_DERIVED_BYTES", 100_000)  # two fields of this market
        parts = market.sweep(condition, **values)
        assert whole.to_dicts() == parts.to_dicts()
        assert same_as_scans(market, condition, every=5, **values) > 100


@pytest.mark.parametrize(
    ("condition", "values", "one_pass"),
    [
        ("rsi({n}) < {t} and close > sma(10)", {"n": (5, 9), "t": (30, 70)}, True),
        ("rank(roc({n})) <= {r}", {"n": (3, 5), "r": (4, 12)}, True),
        ('symbol("S6", roc({n})) > {x} or close > 60', {"n": (2, 6), "x": (0, 3)}, True),
        ("rank(close)[{k}] <= 20", {"k": (0, 2)}, False),
    ],
)
@pytest.mark.parametrize("adjust", ["splits", "total"])
def test_each_session_counts_what_its_signals_are(
    tmp_path: Path,
    condition: str,
    values: dict[str, Any],
    one_pass: bool,
    adjust: ms.Adjust,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    awkward(tmp_path, 3).close()
    if one_pass:
        monkeypatch.delattr(sweep, "_OneSession")
    monkeypatch.setattr(past_sessions, "BLOCK", 31)
    matches = 0
    with ms.open(tmp_path) as market:
        found = market.sweep(condition, since=DAYS[17], adjust=adjust, **values)
        for place, row in enumerate(found.values.tolist()):
            variant = condition
            for name, value in zip(found.names, row, strict=True):
                variant = variant.replace(f"{{{name}}}", f"{value:g}")
            signals = market.signals(variant, since=DAYS[17], adjust=adjust)
            assert found.matches[place].tolist() == [one.matches for one in signals.sessions]
            assert found.evaluated[place].tolist() == [one.evaluated for one in signals.sessions]
            for mine, theirs in zip(found.sessions, signals.sessions, strict=True):
                assert mine.session == theirs.session
                assert (mine.expected, mine.stale) == (theirs.expected, theirs.stale)
            matches += len(signals)
        assert found.to_polars()["matches"].sum() == matches > 100


def test_sessions_of_the_real_market(real: Path) -> None:
    with ms.open(real) as market:
        found = market.sweep("roc({n}) > {x}", n=(1, 5), x=(10, 20), since="2016-11-01")
        assert found.by_session
        frame = found.to_polars()
        assert frame.columns == ["n", "x", "session", "matches", "evaluated"]
        assert len(frame) == 4 * len(found.sessions) == 4 * 42
        for day in (dt.date(2016, 11, 1), dt.date(2016, 11, 25), dt.date(2016, 12, 30)):
            rows = frame.filter(session=day, n=5, x=20).to_dicts()
            hits = market.scan("roc(5) > 20", as_of=day)
            assert [(row["matches"], row["evaluated"]) for row in rows] == [
                (len(hits), hits.coverage.evaluated)
            ]


# -- the counting itself


@pytest.mark.usefixtures("processor_as_gpu")
@pytest.mark.parametrize("name", IN_PROCESS)
@pytest.mark.parametrize("rows", [1, 50])
def test_a_tally_counts_what_a_run_finds(name: str, rows: int) -> None:
    """Against NumPy over the columns of a run: symbols with holes, spans, and short histories."""
    panel = panel_of(random_bars(90, 100, seed=3))
    texts = [
        "close > sma(20)",
        "close[30] > open",
        "1 < 2",
        "2 < 1",
        "close > sma(20)",
        "rsi(80) > 50",
    ]
    plan = make_plan([parse_expression(text) for text in texts], rows)
    truths = executor("serial")(plan, panel)
    lookbacks = [19, 30, 0, 0, 19, 80]
    if rows == 1:
        counts = tallier(name)(plan, panel)
        assert counts.shape == (6, 1, 2)
        for truth, lookback, (held, known) in zip(truths, lookbacks, counts[:, 0], strict=True):
            assert held == np.count_nonzero(truth[0] == 1.0)
            assert known == np.count_nonzero((panel.bars > lookback) | (truth[0] == 1.0))
        return
    panel = with_sessions(panel)
    assert panel.spans is not None
    first, last, bars = panel.spans
    counts = tallier(name)(plan, panel)
    assert counts.shape == (6, 90, 2)
    there = ~np.isnan(panel.matrix("close"))
    for truth, lookback, count in zip(truths, lookbacks, counts, strict=True):
        for session in range(90):
            row = session - 40
            looked_at = (first <= session) & (session <= last) & there[session] & (row >= 0)
            held = looked_at & (truth[max(row, 0)] == 1.0)
            known = held | (looked_at & (bars - (89 - session) > lookback))
            assert count[session].tolist() == [held.sum(), known.sum()]


def test_sessions_outside_of_the_counts_are_refused() -> None:
    panel = with_sessions(panel_of(random_bars(90, 40, seed=3)))
    assert panel.spans is not None
    plan = make_plan([parse("close > 1")], 50)
    spans = panel.spans + np.array([[0], [1], [0]])  # one further than there are sessions
    for kind in (searcher, tallier):
        with pytest.raises(ValueError, match="not counted"):
            kind("serial")(plan, replace(panel, spans=spans))
    with pytest.raises(ValueError, match="not counted"):
        tallier("serial")(plan, panel, int(panel.spans[0].min()) + 1)


# -- templates


TEMPLATES = [
    "rsi({n}) < {t}",
    "let a = sma({n}); let b = a[{k}]\nclose > a and (a > b or b > {x} * a)",
    "rank(roc({n})) <= {t} and not (close crosses below sma({n}) within {k} bars)",
    "-{x} < roc({n}) < {t} * {x} - {k} and volume > {t}K",
    "market(mean(roc({n}))) > {x} and weekly(close > sma({k}), running)",
]


@given(st.data())
@settings(max_examples=150)
def test_a_variant_is_what_its_text_is(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(TEMPLATES))
    template = Template(source)
    numbers = {"x": st.floats(-1e6, 1e20, allow_nan=False), "t": st.integers(-50, 50)}
    for _ in range(6):  # one template reads them all, and remembers what it read
        drawn = {
            name: float(data.draw(numbers.get(name, st.integers(2, 9)))) for name in template.names
        }
        drawn = {name: value + 0.0 for name, value in drawn.items()}  # a zero has no sign
        values = tuple(drawn.values())
        text = source
        for name, value in drawn.items():
            written = f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value!r}"
            text = text.replace(f"{{{name}}}", written)
        assert template.written(values) == text
        if "{t}K" in source and drawn["t"] < 0:
            continue
        assert template.tree(values) == parse(text)


def test_variants_share_what_was_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    template = Template("rsi({n}) < {t} and close > sma({k}) and roc({n}) > -99")
    variants = [(n, t, k) for n in (2.0, 9.0) for t in (20.0, 30.0) for k in (5.0, 6.0)]
    texts = [template.written(values) for values in variants]
    expected = [parse(text) for text in texts]
    # The parser of whole texts is for faults alone.
    monkeypatch.setattr(templates, "parse", None)
    trees = [template.tree(values) for values in variants]
    assert trees == expected
    parts = {id(part) for tree in trees for part in tree.walk()}
    assert len(parts) < sum(len([*tree.walk()]) for tree in trees) / 2


def test_a_zero_has_no_sign() -> None:
    template = Template("close > {x} and roc(2) > {x}")
    assert template.tree((0.0,)) == template.tree((-0.0,))
    assert template.written((-0.0,)) == "close > 0 and roc(2) > 0"


def test_every_combination_in_the_order_of_the_text() -> None:
    template = Template("rsi({n}) < {t} or roc({n}) > {x}")
    assert template.names == ["n", "t", "x"]
    found = variants_of(template, {"x": [0.5], "t": range(20, 22), "n": np.arange(5, 7)})
    assert found == [(5, 20, 0.5), (5, 21, 0.5), (6, 20, 0.5), (6, 21, 0.5)]


@pytest.mark.parametrize(
    ("condition", "values", "said"),
    [
        ("rsi({n}) < 30", {}, r"\{n\} has no values"),
        ("rsi({n}) < 30", {"n": []}, r"\{n\} has no values"),
        ("rsi({n}) < 30", {"n": 14}, "needs a list of numbers, not 14"),
        ("rsi({n}) < 30", {"n": ["14"]}, "needs numbers, not '14'"),
        ("rsi({n}) < 30", {"n": [True]}, "needs numbers, not True"),
        ("rsi({n}) < {t}", {"n": [14], "t": [float("nan")]}, "needs numbers, not nan"),
        ("rsi({n}) < 30", {"n": [14], "m": [1]}, r"no \{m\} in the condition, which has \{n\}"),
        ("rsi(14) < 30", {}, "nothing to vary"),
        ("close > {matches}", {"matches": [1]}, "column of the table"),
        ("close > {a} * {b}", {"a": range(2000), "b": range(2000)}, "4,000,000 variants"),
    ],
)
def test_values_that_cannot_be(
    real: Path, condition: str, values: dict[str, Any], said: str
) -> None:
    with ms.open(real) as market, pytest.raises(UsageError, match=said):
        market.sweep(condition, **values)


def test_other_bad_input_from_python(real: Path, tmp_path: Path) -> None:
    with ms.open(real) as market:
        with pytest.raises(
            ConditionError, match=r"n of rsi must be .* not 1, at column 5\n  rsi\(1\) < 30"
        ):
            market.sweep("rsi({n}) < 30", n=range(1, 9))
        with pytest.raises(ConditionError, match="a condition must be true or false"):
            market.sweep("rsi({n})", n=[5])
        with pytest.raises(ConditionError, match=r"stands for the values of a sweep"):
            market.scan("rsi({n}) < 30")
        with pytest.raises(ConditionError):
            market.sweep("rsi({n} <", n=[5])
        with pytest.raises(UsageError, match="one or the other"):
            market.sweep("rsi({n}) < 30", n=[5], as_of="2016-12-30", since="2016-12-01")
        with pytest.raises(UsageError, match="100,000,000 counts"):
            market.sweep("rsi(2) < {t}", t=np.linspace(0, 1, 900_000), since="2016-01-04")
        with pytest.raises(UsageError, match="must be text"):
            market.sweep(ms.close > 5, n=[5])
    Store.create(tmp_path).close()
    with ms.open(tmp_path) as market, pytest.raises(CoverageError, match="run marketsweep sync"):
        market.sweep("close > {x}", x=[1])


def test_who_was_picked_is_told(real: Path) -> None:
    """Both are far too little to be worth a card."""
    with ms.open(real) as market:
        assert market.sweep("close > {x}", x=[1], executor="auto").executor == "auto: threads"
        few = market.signals("close > 1", since="2016-12-29", executor="auto")
        assert few.executor == few.to_dict()["executor"] == "auto: threads"


# -- the command


def test_the_command(real: Path) -> None:
    arguments = (
        "sweep",
        "rsi({n}) < {t}",
        "--vary",
        "n=5..9..2",
        "--vary",
        "t=20,32.5",
        "--data",
        real,
    )
    table = command(*arguments)
    assert table.returncode == 0, table.stderr
    with ms.open(real) as market:
        found = market.sweep("rsi({n}) < {t}", n=(5, 7, 9), t=(20, 32.5))
    rows = [line.replace(",", "").split() for line in table.stdout.splitlines()]
    assert rows[0] == ["n", "t", "matches", "evaluated"]
    assert [[float(cell) for cell in row] for row in rows[1:]] == [
        [*values, matches, evaluated]
        for values, (matches,), (evaluated,) in zip(
            found.values.tolist(), found.matches.tolist(), found.evaluated.tolist(), strict=True
        )
    ]
    assert found.receipt in table.stderr
    told = json.loads(command(*arguments, "--format", "json").stdout)
    assert told["variants"] == found.to_dicts()
    assert told["executor"] == "threads"
    assert told["sessions"][0]["session"] == "2016-12-30"
    answer = command(*arguments, "--format", "csv", "--since", "2016-12-29").stdout
    days = list(csv.DictReader(io.StringIO(answer)))
    assert [row["session"] for row in days] == ["2016-12-29", "2016-12-30"] * 6
    assert [int(row["matches"]) for row in days[1::2]] == found.matches[:, 0].tolist()


def test_parquet(real: Path, tmp_path: Path) -> None:
    file = tmp_path / "sweep.parquet"
    arguments = ("sweep", "close > {x}", "--vary", "x=1..3", "--format", "parquet")
    assert command(*arguments, "--output", file, "--data", real).returncode == 0
    with ms.open(real) as market:
        assert pl.read_parquet(file).equals(market.sweep("close > {x}", x=(1, 2, 3)).to_polars())


@pytest.mark.parametrize(
    ("vary", "values"),
    [
        ("x=0.1..0.4..0.1", [0.1, 0.2, 0.3, 0.4]),
        ("x=3..1..-1", [3, 2, 1]),
        ("x=-2..2..3", [-2, 1]),
        (" x = 5 , 7.5 ", [5, 7.5]),
        ("x=1e3,2K,0.5M", [1000, 2000, 500_000]),
        ("x=5%..15%..5%", [0.05, 0.1, 0.15]),
        ("x=4", [4]),
        ("x=4..4", [4]),
    ],
)
def test_ranges_and_lists(real: Path, vary: str, values: list[float]) -> None:
    done = command("sweep", "close > {x}", "--vary", vary, "--format", "json", "--data", real)
    assert done.returncode == 0, done.stderr
    assert [row["x"] for row in json.loads(done.stdout)["variants"]] == values


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rsi({n}) < 30"], 2, "{n} has no values"),
        (["rsi({n}) < 30", "--vary", "n"], 2, "write a name and its values, as in n=5..30"),
        (["rsi({n}) < 30", "--vary", "n="], 2, "values are 5..30"),
        (["rsi({n}) < 30", "--vary", "n=a..b"], 2, "values are 5..30"),
        (["rsi({n}) < 30", "--vary", "n=9..5"], 2, "never reach 5"),
        (["rsi({n}) < 30", "--vary", "n=5..9..0"], 2, "never reach 9"),
        (["rsi({n}) < 30", "--vary", "n=5..9e9"], 2, "too many"),
        (["rsi({n}) < 30", "--vary", "n=5..9x"], 2, "values are 5..30"),
        (["rsi({n) < 30", "--vary", "n=5"], 2, "a name in braces, as in {n}"),
        (["rsi({n}) < 30", "--vary", "n=5..1e999"], 2, "too large"),
        (["rsi({n}) < 30", "--vary", "n=5,1e999"], 2, "needs numbers, not inf"),
        (["rsi({n}) < 30", "--vary", "n=5", "--vary", "n=6"], 2, "given twice"),
        (["rsi({since}) < 30", "--vary", "since=5"], 2, "already a word or a preset"),
        (["rsi({n}) < 30", "--vary", "n=0..9"], 2, "rsi(0) < 30"),
        (
            ["rsi({n}) < 30", "--vary", "n=5", "--as-of", "2016-12-30", "--since", "2016-12-01"],
            2,
            "one or the other",
        ),
        (["rsi({n}) < 30", "--vary", "n=5", "--executor", "some"], 2, "unknown executor"),
        (["close > sma({n})", "--vary", "n=500,600"], 3, "500 bars"),
    ],
)
def test_bad_input(real: Path, arguments: list[str], code: int, said: str) -> None:
    done = command("sweep", *arguments, "--data", real)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_examples_of_the_docs(
    real: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "guide" / "sweep.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 2
    monkeypatch.setenv("MARKETSWEEP_DATA", str(real))
    for example in examples:
        exec(compile(example, "sweep.md", "exec"), {})
    assert "625 variants as of 2016-12-30" in capsys.readouterr().out
    (table,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    vary = ("--vary", "n=5,7,9", "--vary", "t=15,20")
    assert command("sweep", "rsi({n}) < {t}", *vary, "--data", real).stdout == table


def test_variants_that_have_not_settled_are_named(market: ms.Market) -> None:
    """ema(100) takes 562 bars to forget its start, and the year has 252; ema(20) takes 113."""
    young = market.sweep("ema({n}) < close", n=[20, 100])
    assert any("ema(100) takes" in warning for warning in young.warnings)
    settled = market.sweep("ema({n}) < close", n=[10, 20])
    assert not any("to settle" in warning for warning in settled.warnings)
