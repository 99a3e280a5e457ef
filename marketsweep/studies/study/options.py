"""How a study opens and closes positions."""

from __future__ import annotations

from typing import Final, Literal, get_args

from msgspec import Struct

from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.errors import UsageError

Entry = Literal["next_open", "close", "next_close"]
"""When a position is opened: at a price of the signal's session or of the next one."""
ENTRIES: Final[tuple[Entry, ...]] = get_args(Entry)

HORIZONS: Final = (1, 5, 20, 63)
"""A day, a week, a month and a quarter, in sessions."""
MAX_HORIZON: Final = 2_520
MAX_HORIZONS: Final = 12
MAX_COSTS: Final = 10_000.0
_ADJUSTMENTS: Final = ("total", "splits")


class Options(Struct, frozen=True):
    """How a study chooses events, and opens and closes positions.

    Raises UsageError for options that make no sense.
    """

    horizons: tuple[int, ...] = HORIZONS
    """Sessions after that of the signal, at whose close a position ends; ascending."""
    entry: Entry = "next_open"
    benchmark: str | None = None
    """The symbol whose return over the same hold is subtracted; None for none."""
    costs: float = 0.0
    """Basis points of the entry price, for entry and exit together."""
    every: bool = False
    """Whether each session on which the condition holds is an event, not the first of a streak."""
    cooldown: int = 0
    """Sessions after an event in which its symbol has no other one."""
    delisting_return: float = 0.0
    """The return from the last close of a company that is delisted, such as -0.3."""
    exclude_suspect: bool = False
    """Whether events and positions on suspicious bars are left out."""
    adjust: Adjust = "total"
    """Whether returns include dividends ("total") or not ("splits")."""

    def __post_init__(self) -> None:
        if not self.horizons:
            raise UsageError("a study needs a horizon, such as 20 sessions")
        for horizon in self.horizons:
            if not 1 <= horizon <= MAX_HORIZON:
                raise UsageError(f"horizon {horizon} is not from 1 to {MAX_HORIZON:,} sessions")
        if list(self.horizons) != sorted(set(self.horizons)):
            raise UsageError("give each horizon once, the shortest first: 1,5,20")
        if len(self.horizons) > MAX_HORIZONS:
            raise UsageError(f"a study has at most {MAX_HORIZONS} horizons")
        if self.entry not in ENTRIES:
            raise UsageError(f"entry {self.entry!r} is not one of {', '.join(ENTRIES)}")
        if self.entry == "next_close" and self.horizons[0] == 1:
            raise UsageError(
                "a position that is opened at the next close cannot end at it: give horizons from 2"
            )
        if self.adjust not in _ADJUSTMENTS:
            raise UsageError(
                f"adjust {self.adjust!r} is not one of {', '.join(_ADJUSTMENTS)}: returns over a "
                "split need its adjustment"
            )
        if not 0 <= self.costs <= MAX_COSTS:
            raise UsageError(
                f"costs of {self.costs:g} are not from 0 to {MAX_COSTS:,.0f} basis points"
            )
        if not -1 <= self.delisting_return <= 1:
            raise UsageError(
                f"a delisting return of {self.delisting_return:.0%} is not from -100% to 100%"
            )
        if self.cooldown < 0:
            raise UsageError(f"cooldown {self.cooldown} is not a number of sessions from 0")
