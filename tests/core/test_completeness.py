"""One rule for thin sessions, with examples reckoned by hand."""

from __future__ import annotations

import pytest

from marketsweep.core.completeness import is_thin, usual_bars


@pytest.mark.parametrize(
    ("bars", "place", "thin"),
    [
        ([100] * 21, 10, False),
        ([100] * 10 + [90] + [100] * 10, 10, False),  # nine tenths are enough
        ([100] * 10 + [89] + [100] * 10, 10, True),
        ([100] * 10 + [89], 10, True),  # the newest: those before it say what is usual
        ([50] * 30 + [100] * 30, 29, False),  # a market that grows is not thin before
        ([100] * 30 + [50] * 30, 30, False),  # ten before and eleven from it on: 50 are usual
        ([7], 0, False),
    ],
)
def test_thin_is_less_than_nine_tenths_of_the_median_around(
    bars: list[int], place: int, thin: bool
) -> None:
    assert is_thin(bars, place) is thin


def test_ten_sessions_on_either_side_say_what_is_usual() -> None:
    bars = [1000] * 9 + [10] * 21 + [1000] * 20
    assert usual_bars(bars, 19) == 10
    assert usual_bars(bars, 40) == 1000
