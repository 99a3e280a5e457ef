"""The table of event functions: what a condition did over the last bars.

A row's kernel is the struct of the same name in `kernels/indicators/events.hpp`. No function looks
further back than its last parameter, so its value never depends on how much history is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from marketsweep.language.indicators.row import Parameter

Operand = Literal["condition", "x"]
"""A truth, or a number."""


class EventFunction(NamedTuple):
    """A row of the table; `reach(*parameters)` is how many earlier bars it reads.

    `kernel(*parameters)` is the name of its kernel, if that is not the row's name.
    """

    name: str
    doc: str
    operands: tuple[Operand, ...]
    parameters: tuple[Parameter, ...]
    reach: Callable[..., int]
    outputs: tuple[str, ...] = ()
    kernel: Callable[..., str] | None = None

    @property
    def signature(self) -> str:
        """The call with its defaults, as in the docs."""
        return f"{self.name}({', '.join([*self.operands, *(p.shown for p in self.parameters)])})"


_MOST = Parameter("most", 252, 1)
_EARLIER = Parameter("k", 0, 0, 7)

_TABLE = (
    EventFunction(
        "count",
        "Number of the last n bars on which the condition was true.",
        ("condition",),
        (Parameter("n", 20, 1),),
        reach=lambda n: n - 1,
    ),
    EventFunction(
        "bars_since",
        "Bars since the condition was last true, or k occurrences before; 0 if it is true now, "
        "unknown from `most` bars on.",
        ("condition",),
        (_MOST, _EARLIER),
        reach=lambda most, k: most,
        kernel=lambda most, k: "bars_since_earlier" if k else "bars_since",
    ),
    EventFunction(
        "streak",
        "Number of bars in a row, up to this one, on which the condition was true; at most `most`.",
        ("condition",),
        (_MOST,),
        reach=lambda most: most,
    ),
    EventFunction(
        "value_when",
        "Value of x when the condition was last true, or k occurrences before, within `most` bars.",
        ("condition", "x"),
        (_EARLIER, _MOST),
        reach=lambda k, most: most,
        kernel=lambda k, most: "value_when_earlier" if k else "value_when",
    ),
    EventFunction(
        "highest_since",
        "Highest x since the condition was last true, that bar included, within `most` bars.",
        ("condition", "x"),
        (_MOST,),
        reach=lambda most: most,
    ),
    EventFunction(
        "sum_since",
        "Sum of x since the condition was last true, that bar included, within `most` bars.",
        ("condition", "x"),
        (_MOST,),
        reach=lambda most: most,
    ),
    EventFunction(
        "lowest_since",
        "Lowest x since the condition was last true, that bar included, within `most` bars.",
        ("condition", "x"),
        (_MOST,),
        reach=lambda most: most,
    ),
)

EVENTS: Final = {row.name: row for row in _TABLE}
"""Every row by name."""
