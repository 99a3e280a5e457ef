"""Every build of the kernels gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from marketsweep.kernels import cpu
from tests.helpers.kernel_cases import CASES, Case, awkward, bits, computed


def test_every_kernel_has_a_case() -> None:
    assert {case.kernel for case in CASES} == set(cpu.KERNELS)


def test_the_scalar_build_exists_and_is_never_the_default() -> None:
    assert cpu.ISAS[0] == "scalar"
    assert cpu.ISAS[-1] != "scalar"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_instruction_set_gives_the_same_bits(case: Case) -> None:
    for seed, (total, rows) in enumerate([(300, 300), (300, 1), (90, 40), (7, 7)]):
        fields, tops = awkward(total, 3, seed)
        first, *others = (computed(case, fields, tops, rows, isa) for isa in cpu.ISAS)
        assert not any((out == -7e300).any() for out in first)
        for isa, other in zip(cpu.ISAS[1:], others, strict=True):
            for left, right in zip(first, other, strict=True):
                np.testing.assert_array_equal(bits(left), bits(right), err_msg=isa)
