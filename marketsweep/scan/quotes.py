"""Read what users want to see beside the close of a match: the name and the day's change."""

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
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.scan.loader import Loader

_CHANGE: Final = "roc(1)"


class Quotes(NamedTuple):
    """Names and changes of symbols, in the order of the symbols."""

    names: list[str]
    """"" where no name is known."""
    changes: NDArray[np.float64]
    """Percent from the previous close to the close; NaN if one of them is missing."""


def quotes_of(loader: Loader, as_of: dt.date, symbols: Sequence[str], adjust: Adjust) -> Quotes:
    """Return the quotes of symbols as of a stored session.

    The quotes are not part of the scan's plan, so they change neither which bars the scan reads nor
    which symbols it marks.
    """
    if not symbols:
        return Quotes([], np.zeros(0))
    plan = make_plan([parse_expression(_CHANGE)])
    columns = np.array([loader.snapshot.column_of(symbol) for symbol in symbols])
    panel = loader.panel_of(as_of, columns, plan, adjust)
    (changes,) = evaluate(plan, panel, executor("serial"), loader.others(as_of, adjust))
    indices = dict(zip(panel.symbols, range(len(panel.symbols)), strict=True))
    names = _names_of(loader, as_of, symbols)
    return Quotes(names, changes[0, [indices[symbol] for symbol in symbols]])


def _names_of(loader: Loader, as_of: dt.date, symbols: Sequence[str]) -> list[str]:
    """Return the names of symbols. Reads all reference data only if companies share a ticker."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for listing in loader.snapshot.listings(frozenset(symbols)):
        names[listing.symbol].append(listing.name or "")
    shared = [symbol for symbol in symbols if len(names[symbol]) > 1]
    if shared:
        # The ticker had several companies: the day decides.
        names_as_of = loader.day(as_of).reference.values_of(shared, "name")
        names.update(
            {symbol: [str(name or "")] for symbol, name in zip(shared, names_as_of, strict=True)}
        )
    return [names[symbol][0] if names[symbol] else "" for symbol in symbols]
