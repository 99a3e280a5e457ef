"""The kernels as CUDA source: it compiles without a card, and rounds as a processor does."""

from __future__ import annotations

import re

import pytest

from marketsweep.cli.demo import REFERENCE_SCAN
from marketsweep.engine.executors.gpu.launch_plan import launches_of
from marketsweep.engine.plan import make_plan
from marketsweep.kernels import cpu
from marketsweep.kernels.gpu import source as cuda
from marketsweep.language.parsing.parser import parse_expression
from tests.helpers.kernel_cases import CASES
from tests.helpers.nvrtc import MISSING, compiled, library

needs_nvrtc = pytest.mark.skipif(library() is None, reason=MISSING)
CUPY = ("-std=c++17", "-ftz=true", "--device-as-default-execution-space")  # options that CuPy adds
OPERANDS = ("x(0)", "x(1)", "x(2)")
EXPRESSIONS = [
    *launches_of(make_plan([parse_expression(REFERENCE_SCAN)])).fused.items(),
    *(
        (f"fused_{case.kernel}", f"{case.kernel}_of({', '.join(OPERANDS[: case.inputs])})")
        for case in CASES
        if case.kernel in cuda.elementwise()
    ),
]


def test_every_kernel_is_driven_or_elementwise() -> None:
    assert {*cuda.drivers(), *cuda.elementwise()} == set(cpu.KERNELS)
    assert not set(cuda.drivers()) & cuda.elementwise()


def test_the_source_includes_no_files() -> None:
    for source in (cuda.source(), cuda.fused_source([])):
        included = re.findall(r"^ *# *include.*", source, re.MULTILINE)
        assert included == ["#include <cstdint>"]  # inside `#ifdef`, for processors


@needs_nvrtc
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_every_kernel_compiles_for_cards(architecture: str) -> None:
    options = (f"--gpu-architecture={architecture}", *cuda.OPTIONS, *CUPY)
    binary = compiled(cuda.source(), options)
    for name in (*cuda.drivers(), *cuda.OF_RESULTS):
        assert f".text.card_{name}\0".encode() in binary
    binary = compiled(cuda.fused_source(EXPRESSIONS), options)
    for name, _ in EXPRESSIONS:
        assert f".text.{name}\0".encode() in binary


@needs_nvrtc
def test_no_product_is_added_without_rounding() -> None:
    """With `fma`, a card would round once where a processor rounds twice."""
    fused = cuda.fused_source([("fused_sum", "add_of(multiply_of(x(0), x(1)), x(2))")])
    for source in (cuda.source(), fused):
        assert not may_be_fused(source, cuda.OPTIONS)
    plain = 'extern "C" __global__ void sum(double* x) { x[0] = x[1] * x[2] + x[3]; }'
    assert may_be_fused(plain, ())
    assert not may_be_fused(plain, cuda.OPTIONS)


def may_be_fused(source: str, options: tuple[str, ...]) -> list[str]:
    """Return instructions that round a product and a sum once, or let the assembler do so."""
    text = compiled(source, ("--gpu-architecture=compute_80", *options)).decode()
    return re.findall(r"fma\.|(?:add|sub|mul)\.f64", text)
