"""Functions that a text defines: `def NAME(PARAMETERS) = EXPRESSION`."""

from __future__ import annotations

from pathlib import Path

import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError, MarketsweepError
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import MAX_OPERATORS, parse, parse_expression
from marketsweep.language.parsing.token_stream import MAX_LENGTH
from marketsweep.language.presets import SavedConditions
from marketsweep.store.store import Store
from tests.helpers.command import run


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (
            "def squeeze(n, k) = bbands(n, k).width < keltner(n, 1.5).width\n"
            "squeeze(20, 2) and close > 5",
            "bbands(20, 2).width < keltner(20, 1.5).width and close > 5",
        ),
        (
            "def near(x, y) = abs(x / y - 1) < 2%\n"
            "near(close, sma(50)) and not near(low, sma(200))",
            "abs(close / sma(50) - 1) < 2% and not abs(low / sma(200) - 1) < 2%",
        ),
        ("def f(n) = close[n] > sma(2 * n); f(5)", "close[5] > sma(10)"),
        ("def f(n) = close > open for 3 bars and n > 1; f(close - low)",
         "close > open for 3 bars and close - low > 1"),
        ("def twice(a) = a and a[1]; twice(close > open)", "(close > open) and (close > open)[1]"),
        ("def f(x) = x * 2; def g(x, k) = f(x) > k * f(low); g(close - 1, 3)",
         "(close - 1) * 2 > 3 * (low * 2)"),
        ("let m = sma(50); def over(x) = x > m; over(low)", "low > sma(50)"),
        ("def f(x) = x > 1; let a = f(close); a and f(low)", "close > 1 and low > 1"),
        ("DEF F(X) = X > 1; f(close)", "close > 1"),
        ("def of(s) = sector == s; of('Energy')", "sector == 'Energy'"),
        # A parameter hides a name of the text, and a function of the text hides an indicator.
        ("let n = 3; def f(n) = sma(n) > 1; f(7)", "sma(7) > 1"),
        ("def hull(x, n) = wma(x, n); hull(close, 5) > 1", "wma(close, 5) > 1"),
        ("def f(x) = x > sma(  # a comment\n 20)\nf(low)", "low > sma(20)"),
    ],
)  # fmt: skip
def test_a_call_is_its_body(text: str, meaning: str) -> None:
    assert parse(text) == parse(meaning)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("def f(x) = x > ; f(1)", 15, "expected a number, a name or a parenthesis"),
        ("def f(x) = x + rsy(14); f(1) > 2", 15, "did you mean rsi"),
        ("def f(n) = sma(close, n) > 1; f(low)", 22, "parameter n of sma must be a whole number"),
        ("def f(x) = f(x) > 1; f(2)", 11, "the function f calls itself"),
        ("def f(x) = g(x); def g(x) = f(x); g(2) > 1", 11, "the function g calls itself"),
        ("def f(x, y) = x > y; f(1)", 21, "f(x, y) takes 2 arguments, not 1"),
        ("def f(x, x) = x > 1; f(1, 2)", 9, "the parameter x is given twice"),
        ("def f(close) = close > 1; f(1)", 6, "cannot be the name of a parameter"),
        ("def f(and) = 1; f(1)", 6, "cannot be the name of a parameter"),
        ("def f() = close > 1; f()", 4, "write let f = ..."),
        ("def f(x) x > 1; f(1)", 9, "expected '=' after the parameters"),
        ("def f(x) = ; f(1)", 11, "expected an expression after '='"),
        ("def 5(x) = x > 1; f(1)", 4, "expected a name after def"),
        ("def f(x) = x > 1; def f(y) = y > 2; f(1)", 22, "given twice"),
        ("let f = 5; def f(y) = y > 2; f(1)", 15, "given twice"),
        ("def close(y) = y > 2; close(1)", 4, "already a word"),
        ("def bars(y) = y > 2; bars(1)", 4, "already a word"),
        ("def f(x) = x > 1", 16, "the condition after the let and def lines is missing"),
        ("def f(x) = x > 1; f", 18, "unknown name 'f'"),
    ],
)
def test_errors_point_into_the_definition(text: str, column: int, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.column == column


def test_functions_that_grow_are_stopped() -> None:
    lines = [
        "def f0(x) = x + x",
        *(f"def f{n}(x) = f{n - 1}(x) + f{n - 1}(x)" for n in range(1, 40)),
    ]
    with pytest.raises(ConditionError, match="more than"):
        parse("; ".join(lines) + "; f39(close) > 1")
    chain = ["def f0(x) = x", *(f"def f{n}(x) = f{n - 1}(x)" for n in range(1, 200))]
    with pytest.raises(ConditionError, match="more than 64 deep"):
        parse("; ".join(chain) + "; f199(close) > 1")


def test_the_limits_fit_long_scans() -> None:
    assert (MAX_LENGTH, MAX_OPERATORS) == (16_384, 2_000)
    clauses = [f"close > {n}" for n in range(1_000)]
    assert str(parse(" and ".join(clauses))) == " and ".join(clauses)
    with pytest.raises(ConditionError, match="more than 2000 operators"):
        parse(" and ".join([*clauses, "close > 1"]))


def test_saved_functions(tmp_path: Path) -> None:
    """A function is saved under its name, and a text may use it as any other."""
    folder = tmp_path / "conditions"
    folder.mkdir()
    (folder / "steep.scan").write_text(
        "# The average rises by more than a share.\n"
        "def change(x, n) = x / x[n] - 1\n"
        "def steep(n, share) = change(sma(n), n) > share\n"
    )
    (folder / "wrong.scan").write_text("def wrong(n) = sma(n) >")
    (folder / "left.scan").write_text("def left(n) = right(n)")
    (folder / "right.scan").write_text("def right(n) = left(n)")
    saved = SavedConditions.of(tmp_path)
    want = parse("sma(20) / sma(20)[20] - 1 > 5% and close > 5")
    assert parse("steep(20, 5%) and close > 5", OwnNames(saved)) == want
    with pytest.raises(ConditionError, match=r"write steep\(n, share\)"):
        parse("steep and close > 5", OwnNames(saved))
    with pytest.raises(ConditionError, match="in the saved condition wrong: expected a number"):
        parse("wrong(20)", OwnNames(saved))
    with pytest.raises(ConditionError, match="calls itself"):
        parse("left(20) > 1", OwnNames(saved))


def test_functions_are_saved_by_the_command(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Store.create(data).close()
    text = "def dip(n) = rsi(n) < 10"
    assert run("presets", "save", "dip", text, "--data", data).returncode == 0
    assert text in run("presets", "show", "dip", "--data", data).stdout
    done = run("presets", "save", "other", text, "--data", data)
    assert done.returncode == 2
    assert "the text defines dip and not other" in done.stderr


def test_a_sweep_varies_the_arguments_of_a_function(market: ms.Market) -> None:
    found = market.sweep(
        "def dip(n, t) = rsi(n) < t; dip({n}, {t}) and close > 5", n=[2, 14], t=[10, 30]
    )
    for (n, t), matches in zip(found.values.tolist(), found.matches[:, 0].tolist(), strict=True):
        assert matches == market.scan(f"rsi({n:g}) < {t:g} and close > 5").matched
    inside = market.sweep("def dip(t) = rsi({n}) < t; dip(10) and close > 5", n=[2, 3])
    assert inside.matches[0, 0] != inside.matches[1, 0]


def test_a_number_is_not_a_condition() -> None:
    assert parse_expression("def f(x) = x * 2; f(close)") == parse_expression("close * 2")
    with pytest.raises(MarketsweepError):
        parse("def f(x) = x * 2; f(close)")
