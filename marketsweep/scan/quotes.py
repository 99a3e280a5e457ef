"""What people want to see beside the close of a match: the name, and the change of the session."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.registry import executor
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.plan import make_plan
from marketsweep.language.parser import parse_expression
from marketsweep.scan.loader import Loader

_CHANGE: Final = "roc(1)"


class Quotes(NamedTuple):
    """Names and changes of some symbols, in their order."""

    names: list[str]
    """"" where no name is known."""
    changes: NDArray[np.float64]
    """Percent from the close before to the close; NaN where one of them is missing."""


def quotes_of(loader: Loader, as_of: dt.date, symbols: Sequence[str], adjust: Adjust) -> Quotes:
    """Return the quotes of some symbols as of a stored session.

    They are not part of the scan's plan, so that they change neither what it looks at nor what
    it marks.
    """
    if not symbols:
        return Quotes([], np.zeros(0))
    plan = make_plan([parse_expression(_CHANGE)])
    columns = np.array([loader.snapshot.column_of(symbol) for symbol in symbols])
    panel = loader.panel_of(as_of, columns, plan, adjust)
    (changes,) = evaluate(plan, panel, executor("serial"), loader.others(as_of, adjust))
    lanes = dict(zip(panel.symbols, range(len(panel.symbols)), strict=True))
    names = _names_of(loader, as_of, symbols)
    return Quotes(names, changes[0, [lanes[symbol] for symbol in symbols]])


def _names_of(loader: Loader, as_of: dt.date, symbols: Sequence[str]) -> list[str]:
    """Return the names of some symbols, without reading all reference data for them."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for listing in loader.snapshot.listings(frozenset(symbols)):
        names[listing.symbol].append(listing.name or "")
    shared = [symbol for symbol in symbols if len(names[symbol]) > 1]
    if shared:
        # Several companies had the ticker: the day decides.
        told = loader.day(as_of).reference.told(shared, "name")
        names.update({symbol: [str(name or "")] for symbol, name in zip(shared, told, strict=True)})
    return [names[symbol][0] if names[symbol] else "" for symbol in symbols]
