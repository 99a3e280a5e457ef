"""The last closes of many symbols, for small lines without axes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.panel import build_panel
from marketsweep.engine.plan import make_plan
from marketsweep.language import tree
from marketsweep.scan.loader import Loader


def last_closes(
    loader: Loader, as_of: dt.date, symbols: Sequence[str], bars: int, adjust: Adjust = "splits"
) -> dict[str, NDArray[np.float64]]:
    """Return the adjusted closes of the last `bars` bars up to a session, oldest first, by symbol.

    A symbol has fewer if it has fewer bars. Raises UsageError for a symbol without stored bars.
    """
    day, snapshot = loader.day(as_of), loader.snapshot
    columns = np.array(sorted(map(snapshot.column_of, set(symbols))), dtype=np.int64)
    if not len(columns):
        return {}
    plan = make_plan([tree.Field("close")], rows=bars)
    survey = day.history.survey(columns, plan.history, plan.watched)
    panel = build_panel(day.history, columns, survey, plan.loads, adjust, day.reference)
    closes = panel.matrix("close")[-bars:]
    return {
        symbol: closes[max(0, len(closes) - count) :, place]
        for place, (symbol, count) in enumerate(
            zip(panel.symbols, panel.bars.tolist(), strict=True)
        )
    }
