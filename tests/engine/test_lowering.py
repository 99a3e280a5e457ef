"""Runs of elementwise operations, computed strip by strip, against NumPy row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketsweep.engine import lowering
from marketsweep.engine.plan import Column, Operation, Plan, Source, make_plan
from marketsweep.kernels import cpu
from marketsweep.kernels.cpu import TILE
from marketsweep.language.parsing.parser import parse_expression
from tests.helpers.markets import panel_of, random_bars

BARS = 70
KERNELS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "max": np.maximum,
    "abs": np.abs,
    "less": lambda a, b: np.where(np.isnan(a + b), np.nan, a < b),
    "if": lambda a, b, c: np.where(a == 1, b, np.where(a == 0, c, np.nan)),
    "sum": lambda x: x + earlier(x, 1) + earlier(x, 2),
}
"""The kernels of the plans; "sum", of three bars, ends a run."""
OPERANDS = {"abs": 1, "if": 3, "sum": 1}


def earlier(x: NDArray[np.float64], bars: int) -> NDArray[np.float64]:
    result = np.full_like(x, np.nan)
    result[bars:] = x[: len(x) - bars]
    return result


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan of random operations, each of which reads fields, constants or operations before."""
    operations: list[Operation] = []
    for index in range(draw(st.integers(1, 24))):
        inputs = []
        kernel = draw(st.sampled_from(sorted(KERNELS)))
        for _ in range(OPERANDS.get(kernel, 2)):
            # Half of the operands are recent operations, so that runs are long.
            kinds = ["field", *["operation"] * 4, *["constant"] * (kernel != "sum")]
            kind = draw(st.sampled_from(kinds))
            shift = draw(st.sampled_from([0, 0, 0, 1, 5, 17]))
            if kind == "operation" and index:
                number = max(0, index - draw(st.integers(1, 4)))
                inputs.append(Column(Source.OPERATION, number, 0, shift))
            elif kind == "constant":
                inputs.append(Column(Source.CONSTANT, draw(st.integers(0, 1))))
            else:
                inputs.append(Column(Source.FIELD, draw(st.integers(0, 1)), 0, shift))
        window = kernel == "sum"
        operations.append(
            Operation(
                kernel,
                tuple(inputs),
                (3.0,) if window else (),
                lookback=2 if window else 0,
                reach=2 if window else 0,
            )
        )
    numbers = draw(st.sets(st.integers(0, len(operations) - 1), max_size=4))
    read = {
        column.number
        for operation in operations
        for column in operation.inputs
        if column.source is Source.OPERATION
    }
    unread = {*range(len(operations))} - read  # a plan has no operation that nothing reads
    results = [Column(Source.OPERATION, number) for number in sorted(numbers | unread)]
    rows = draw(st.sampled_from([1, 7, 16, 17, 40]))
    return plan_of(tuple(operations), tuple(results), rows)


def plan_of(operations: tuple[Operation, ...], results: tuple[Column, ...], rows: int) -> Plan:
    needed = [0] * len(operations)
    for column in results:
        needed[column.number] = rows
    for index in range(len(operations) - 1, -1, -1):
        for column in operations[index].inputs:
            if column.source is Source.OPERATION:
                reach = needed[index] + operations[index].reach + column.shift
                needed[column.number] = max(needed[column.number], reach)
    blank = make_plan([parse_expression("close")])
    constants = (2.5, -1.0)
    return Plan(
        operations=operations,
        rows=tuple(max(1, min(count, BARS)) for count in needed),
        results=results,
        result_rows=rows,
        fields=("close", "volume"),
        derived=(),
        loads=("close", "volume"),
        constants=constants,
        facts=(),
        history=BARS,
        bars=tuple(rows for _ in results),
        watched=blank.watched,
    )


def expected_of(plan: Plan, fields: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """All bars of each result, by NumPy."""
    values: list[NDArray[np.float64]] = []
    for operation in plan.operations:
        arguments = []
        for column in operation.inputs:
            if column.source is Source.CONSTANT:
                arguments.append(np.full_like(fields[0], plan.constants[column.number]))
                continue
            of = values if column.source is Source.OPERATION else fields
            arguments.append(earlier(of[column.number], column.shift))
        values.append(np.asarray(KERNELS[operation.kernel](*arguments), np.float64))
    return [values[column.number] for column in plan.results]


@settings(max_examples=200, deadline=None)
@given(plan=plans(), seed=st.integers(0, 1000))
def test_random_plans_equal_numpy(plan: Plan, seed: int) -> None:
    r = np.random.default_rng(seed)
    fields = [np.round(r.normal(0, 9, (BARS, TILE))) for _ in range(2)]
    fields[0][: seed % 30, :5] = np.nan
    expected = expected_of(plan, fields)
    tiled = [np.ascontiguousarray(field[None]) for field in fields]
    depths, facts = np.array([BARS], np.int64), np.empty((0, TILE))

    got = [np.empty((plan.result_rows, TILE)) for _ in plan.results]
    program = lowering._Lowering(plan, tallied=False).program()
    cpu.Sweep(program, tiled, depths, facts, got, cpu.ISAS[-1]).work()
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs[-plan.result_rows :])

    # Counted: each result is read as soon as its run has been computed.
    program = lowering._Lowering(plan, tallied=True).program()
    sweep = cpu.Sweep(program, tiled, depths, facts, [], cpu.ISAS[-1])
    sessions = np.tile(np.arange(BARS, dtype=np.float64)[:, None], (1, TILE))[None]
    spans = np.array([[BARS - plan.result_rows] * TILE, [BARS - 1] * TILE, [BARS] * TILE])
    needed = np.array(plan.bars, dtype=np.int64)
    counts = sweep.tally(np.ascontiguousarray(sessions), spans, needed, 0, BARS)
    for number, theirs in enumerate(expected):
        holds = (theirs[-plan.result_rows :] == 1).sum(axis=1)
        np.testing.assert_array_equal(counts[number, -plan.result_rows :, 0], holds)

    outcome = np.round(r.normal(0, 1e9, (BARS, TILE)))
    outcome[r.random(outcome.shape) < 0.3] = np.nan
    for isa in cpu.ISAS:
        sweep = cpu.Sweep(program, tiled, depths, facts, [], isa)
        with_outcomes = sweep.tally(sessions.copy(), spans, needed, 0, BARS, outcome[None].copy())
        np.testing.assert_array_equal(with_outcomes[..., :2], counts)
        for number, theirs in enumerate(expected):
            followed = np.where(theirs == 1, outcome, np.nan)[-plan.result_rows :]
            columns = [
                (~np.isnan(followed)).sum(axis=1),
                (followed > 0).sum(axis=1),
                np.nansum(followed, axis=1),
            ]
            np.testing.assert_array_equal(
                with_outcomes[number, -plan.result_rows :, 2:], np.stack(columns, axis=1)
            )


def test_outcomes_of_another_shape_are_refused() -> None:
    plan = make_plan([parse_expression("close > 5")], 1)
    program = lowering._Lowering(plan, tallied=True).program()
    sweep = cpu.Sweep(
        program,
        [np.ones((1, BARS, TILE))],
        np.array([BARS]),
        np.empty((0, TILE)),
        [],
        cpu.ISAS[-1],
    )
    spans = np.array([[0] * TILE, [0] * TILE, [BARS] * TILE])
    with pytest.raises(ValueError, match="in shape"):
        sweep.tally(np.zeros((1, 1, TILE)), spans, np.array([1]), 0, 1, np.zeros((1, 2, TILE)))


def test_values_inside_a_run_take_no_rows() -> None:
    plan = make_plan([parse_expression("(high - low) / (high + low) * 3 - close[1]")], 250)
    lowered = lowering._Lowering(plan, tallied=False)
    lowered.program()
    assert len(lowered.run_of[0]) == len(plan.operations) == 5
    assert lowered.scratch_rows == 250  # those of the result
    assert 2 <= lowered.strips <= 3


def test_counted_results_do_not_wait_for_each_other() -> None:
    conditions = [parse_expression(f"close > {level}") for level in range(200)]
    lowered = lowering._Lowering(make_plan(conditions, 250), tallied=True)
    lowered.program()
    assert lowered.scratch_rows <= 2 * 250


@pytest.mark.parametrize(
    ("text", "operations"),
    [
        ("close * (2 / 3 - 5)", 1),
        ("close / 4", 1),
        ("close / (0 - 0.125)", 1),
        ("close + 1 / 0", 2),  # a division by zero is unknown
        ("close * (3 - 3)", 2),
    ],
)
def test_numbers_are_computed_when_the_plan_is_made(text: str, operations: int) -> None:
    plan = make_plan([parse_expression(text)])
    assert len(plan.operations) == operations


@settings(max_examples=300, deadline=None)
@given(
    x=st.floats(allow_nan=True, allow_infinity=True, width=64),
    power=st.integers(-1074, 1023),
    sign=st.sampled_from([1.0, -1.0]),
)
def test_a_division_by_a_power_of_two_keeps_its_bits(x: float, power: int, sign: float) -> None:
    divisor = sign * 2.0**power
    name = f"close / {divisor!r}" if sign > 0 else f"close / -{-divisor!r}"
    plan = make_plan([parse_expression(name)])
    field = np.full((1, 1, TILE), x)
    got = [np.empty((1, TILE))]
    program = lowering._Lowering(plan, tallied=False).program()
    depths, facts = np.array([1], np.int64), np.empty((0, TILE))
    cpu.Sweep(program, [field], depths, facts, got, cpu.ISAS[-1]).work()
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(got[0][0, 0], np.float64(x) / divisor)
        if not np.isnan(got[0][0, 0]):
            assert np.signbit(got[0][0, 0]) == np.signbit(np.float64(x) / divisor)


@pytest.mark.parametrize(
    ("text", "kernels"),
    [
        ("if(volume == 0, 7, close / volume)", ["quotient"]),
        ("100 * if(volume[1] == 0, close, close / volume[1])", ["quotient", "multiply"]),
        ("if(volume == 0, 7, close / open)", ["equal", "divide", "if"]),
        ("if(volume == 1, 7, close / volume)", ["equal", "divide", "if"]),
        ("if(0 == 0, 7, close / 0)", ["equal", "divide", "if"]),
    ],
)
def test_a_guarded_division_is_one_operation(text: str, kernels: list[str]) -> None:
    plan = make_plan([parse_expression(text)])
    assert [operation.kernel for operation in plan.operations] == kernels


def test_a_guarded_division_equals_numpy() -> None:
    bars = random_bars(90, 40, 3, short=0.5)
    bars["volume"][::3] = 0.0
    run = lowering.begin(
        make_plan([parse_expression("if(volume == 0, open, close / volume)")], 90), panel_of(bars)
    )
    run.take()
    is_zero = bars["volume"] == 0
    want = np.where(is_zero, bars["open"], bars["close"] / np.where(is_zero, 1, bars["volume"]))
    np.testing.assert_array_equal(run.results[0], want)
    assert is_zero.any()
    assert np.isnan(want).any()
