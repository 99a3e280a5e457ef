"""How a study opens and closes positions, and what that costs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypedDict, get_args

from msgspec import Struct
from msgspec.structs import asdict

from marketsweep.engine.executors.options import Ray
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.errors import UsageError
from marketsweep.language.tree import Node
from marketsweep.scan.loader import FactsOf

Entry = Literal["next_open", "close", "next_close"]
"""When a position is opened: at a price of the signal's session or of the next one."""
ENTRIES: Final[tuple[Entry, ...]] = get_args(Entry)

Grouped = Literal["year", "price", "size", "sector", "regime"]
"""What events can be grouped by."""
GROUPINGS: Final[tuple[Grouped, ...]] = get_args(Grouped)

HORIZONS: Final = (1, 5, 20, 63)
"""A day, a week, a month and a quarter, in sessions."""
MAX_HORIZON: Final = 2_520
MAX_HORIZONS: Final = 12
MAX_POSITIONS: Final = 1_000
MAX_COSTS: Final = 10_000.0
_ADJUSTMENTS: Final = ("total", "splits")
_DISTANCE: Final = re.compile(r"(\d+\.?\d*|\.\d+) ?(%|atr)", re.IGNORECASE)
MAX_ATRS: Final = 100.0

ATR: Final = "atr(14)"
"""The average true range that a stop or target counts in."""

_VOLATILITY: Final = "stdev(close / close[1] - 1, 20)"
_ACTIVITY: Final = f"(sma(close * volume, 20) * {_VOLATILITY})"
_HALF_SPREAD: Final = f"8.21 / 10000 * {_VOLATILITY} / 0.02 * (800000 / {_ACTIVITY}) ^ (1 / 3)"
_HALF_TICK: Final = "if(close < 1, 0.00005, 0.005) / close"
SPREAD: Final = f"min(0.2, 2 * max({_HALF_TICK}, if({_VOLATILITY} > 0, {_HALF_SPREAD}, 0)))"
"""The estimated spread, as a share of the price: paid once for an entry and an exit together.

Half of it is what a trade costs by A. Kyle and A. Obizhaeva, Market Microstructure Invariance:
Empirical Hypotheses, Econometrica 84(4), 2016, without the impact of its size: 8.21 basis points of
a stock of 40 dollars with a volume of a million shares and a volatility of 2 % a day, in proportion
to the volatility, and to the cube root of 1 / (dollar volume * volatility). It is at least half the
step of a quote, by rule 612 of Regulation NMS a cent, and 0.01 cents below a dollar. The whole is
at most a fifth of the price: shares that hardly trade have no spread to estimate.
"""

OTHER: Final = "other"
"""Stands for the reasons that a table of delisting returns does not name."""
REASON_FACT: Final = "delisting_reason"
"""The stored fact that tells why a company was delisted."""


class StudyArguments(TypedDict, total=False):
    """The arguments of `Market.study` that do not depend on the condition."""

    since: dt.date | str | None
    until: dt.date | str | None
    horizons: Sequence[int] | None
    entry: Entry
    exit: str | None
    max_hold: int | None
    stop: str | None
    target: str | None
    benchmark: str | None
    costs: float
    spread: bool
    every: bool
    cooldown: int
    delisting_return: float | Mapping[str, float]
    where: str | None
    universe: str | None
    unknown: Literal["keep", "drop"] | None
    facts: FactsOf
    executor: str | Ray
    threads: int | None
    adjust: Literal["total", "splits"]
    exclude_suspect: bool
    regime: str | None
    positions: int | None
    by: Sequence[Grouped]
    strict: bool


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
    spread: bool = False
    """Whether positions also cost the estimated spread at the signal (`SPREAD`)."""
    every: bool = False
    """Whether each session on which the condition holds is an event, not the first of a streak."""
    cooldown: int = 0
    """Sessions after an event in which its symbol has no other one."""
    delisting_return: float = 0.0
    """The return from the last close of a company that is delisted, such as -0.3."""
    delisting_returns: tuple[tuple[str, float], ...] = ()
    """The returns for reasons of a delisting; `delisting_return` is for the others."""
    exclude_suspect: bool = False
    """Whether events and positions on suspicious bars are left out."""
    exit: str | Node | None = None
    """A condition that ends a position before its horizon."""
    stop: str | None = None
    """The loss that ends a position: "8%" of the entry price, or "2atr"."""
    target: str | None = None
    """The gain that ends a position, as `stop`."""
    regime: str | Node | None = None
    """A condition on the market that splits the events in two."""
    positions: int | None = None
    """The most positions of a portfolio that takes the events as they come; None for none."""
    by: tuple[Grouped, ...] = ()
    """The groups whose figures are shown, too."""
    adjust: Adjust = "total"
    """Whether returns include dividends ("total") or not ("splits")."""

    def __post_init__(self) -> None:
        _check_horizons(self.horizons, self.entry)
        if self.adjust not in _ADJUSTMENTS:
            raise UsageError(
                f"adjust {self.adjust!r} is not one of {', '.join(_ADJUSTMENTS)}: returns over a "
                "split need its adjustment"
            )
        if not 0 <= self.costs <= MAX_COSTS:
            raise UsageError(
                f"costs of {self.costs:g} are not from 0 to {MAX_COSTS:,.0f} basis points"
            )
        for share in (self.delisting_return, *dict(self.delisting_returns).values()):
            _check_delisting_return(share)
        for name, distance in (("stop", self.stop), ("target", self.target)):
            if distance is not None:
                _check_distance(name, distance)
        for name in self.by:
            if name not in GROUPINGS:
                raise UsageError(f"by {name!r} is not one of {', '.join(GROUPINGS)}")
        if "regime" in self.by and self.regime is None and self.benchmark is None:
            raise UsageError(
                "a regime is a condition on the market, by default the benchmark above its average "
                "of 200 days: give a regime or a benchmark"
            )
        if self.positions is not None and not 1 <= self.positions <= MAX_POSITIONS:
            raise UsageError(f"{self.positions} positions are not from 1 to {MAX_POSITIONS:,}")
        if self.cooldown < 0:
            raise UsageError(f"cooldown {self.cooldown} is not a number of sessions from 0")

    @property
    def ends_early(self) -> bool:
        """Whether a position may end before its horizon."""
        return (self.exit, self.stop, self.target) != (None, None, None)

    @property
    def rules(self) -> tuple[object, ...]:
        """What makes a study of one condition another trial."""
        chosen = self.entry, self.every, self.cooldown
        return (*chosen, self.exit and f"{self.exit}", self.stop, self.target)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain data."""
        return asdict(self) | {"delisting_returns": dict(self.delisting_returns)}

    @property
    def columns(self) -> list[str]:
        """The values of the signal's session that the positions depend on."""
        distances = (self.stop, self.target)
        of_atr = any(distance and parse_distance(distance)[1] for distance in distances)
        return [*([ATR] if of_atr else []), *([SPREAD] if self.spread else [])]

    @property
    def middle(self) -> int:
        """The place of the middle horizon among the horizons."""
        return (len(self.horizons) - 1) // 2


def parse_distance(text: str) -> tuple[float, bool]:
    """Return the size of a distance such as "8%" or "2atr", and whether it is in ATRs.

    A percentage becomes a share. Raises ValueError for another text.
    """
    match = _DISTANCE.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    of_atr = match[2] != "%"
    return float(match[1]) / (1 if of_atr else 100), of_atr


def _check_distance(name: str, text: str) -> None:
    try:
        size, of_atr = parse_distance(text)
    except ValueError:
        raise UsageError(
            f"{name} {text!r} is neither a percentage of the entry price nor a number of average "
            f"true ranges: write 8% or 2atr"
        ) from None
    most = MAX_ATRS if of_atr else (1.0 if name == "stop" else 100.0)
    if not 0 < size <= most or (size == most and name == "stop" and not of_atr):
        raise UsageError(
            f"a {name} of {text} makes no sense: "
            + (f"choose at most {MAX_ATRS:g}atr" if of_atr else "choose more than 0%")
            + (" and less than 100%" if name == "stop" and not of_atr else "")
        )


def _check_delisting_return(share: object) -> None:
    if not isinstance(share, int | float):
        raise UsageError(f"a delisting return is a share such as -0.3, not {share!r}")
    if not -1 <= share <= 1:
        raise UsageError(f"a delisting return of {share:.0%} is not from -100% to 100%")


def _check_horizons(horizons: tuple[int, ...], entry: str) -> None:
    if not horizons:
        raise UsageError("a study needs a horizon, such as 20 sessions")
    for horizon in horizons:
        if not 1 <= horizon <= MAX_HORIZON:
            raise UsageError(f"horizon {horizon} is not from 1 to {MAX_HORIZON:,} sessions")
    if list(horizons) != sorted(set(horizons)):
        raise UsageError("give each horizon once, the shortest first: 1,5,20")
    if len(horizons) > MAX_HORIZONS:
        raise UsageError(f"a study has at most {MAX_HORIZONS} horizons")
    if entry not in ENTRIES:
        raise UsageError(f"entry {entry!r} is not one of {', '.join(ENTRIES)}")
    if entry == "next_close" and horizons[0] == 1:
        raise UsageError(
            "a position that is opened at the next close cannot end at it: give horizons from 2"
        )
