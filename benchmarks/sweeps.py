"""A thousand variants of a condition, against a loop over single scans of them."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.example import Example
from benchmarks.measure import Row, against, alternate, clocked, within
from benchmarks.walks import BARS, SYMBOLS, walks
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import SessionBars
from marketsweep.language.templates import Template, variants_of
from marketsweep.market import Market, open_market
from marketsweep.store.store import Store

CONDITION: Final = "rsi({n}) < {t} and close > sma({m})"
VALUES: Final[dict[str, Any]] = {"n": range(5, 15), "t": range(25, 35), "m": range(20, 120, 10)}
_RUNS: Final = 3
_LIMIT_S: Final = 10.0
_MOST: Final = 1 / 20
_DAYS: Final = sessions_in_range(dt.date(2014, 12, 1), dt.date(2016, 12, 30))[-BARS:]


def rows(_: Example) -> Iterator[Row]:
    """One sweep of 1,000 variants, in process and warm."""
    with tempfile.TemporaryDirectory(prefix="marketsweep-") as folder:
        _store(Path(folder))
        with open_market(folder) as market:
            yield from _sweep(market)


def _sweep(market: Market) -> Iterator[Row]:
    template = Template(CONDITION)
    texts = [template.written(values) for values in variants_of(template, VALUES)]
    found = market.sweep(CONDITION, **VALUES)
    singles = [len(market.scan(text)) for text in texts]
    if found.matches[:, 0].tolist() != singles:
        raise AssertionError("a sweep and single scans differ")
    swept, loop = alternate(
        _RUNS,
        clocked(lambda: market.sweep(CONDITION, **VALUES)),
        clocked(lambda: [market.scan(text) for text in texts]),
    )
    what = f"`market.sweep`: {len(texts):,} variants of `{CONDITION}`, {SYMBOLS:,} x {BARS}"
    yield within(what, swept, _LIMIT_S)
    yield against(
        f"the same, {sum(singles):,} matches as by each", swept, "1,000 scans", loop, _MOST
    )
    (year,) = alternate(
        _RUNS, clocked(lambda: market.sweep(CONDITION, since=_DAYS[-252], **VALUES))
    )
    yield Row("the same as of each of 252 sessions: 1.5 billion answers", year)
    (followed,) = alternate(
        _RUNS,
        clocked(lambda: market.sweep(CONDITION, since=_DAYS[-252], outcome="return(20)", **VALUES)),
    )
    yield within("the same with outcomes: return(20) after each streak", followed, _LIMIT_S)


def _store(folder: Path) -> None:
    """A store of the synthetic walks."""
    panel = walks()
    values = np.array([panel.matrix(name) for name in FIELDS])
    with Store.create(folder) as store, store.writer() as writer:
        for place, day in enumerate(_DAYS):
            writer.commit([SessionBars(day, panel.symbols, values[:, place])], "walks")
