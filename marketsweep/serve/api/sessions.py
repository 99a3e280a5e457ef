"""Work over many sessions: sweeps of variants, and the history of a saved condition."""

from __future__ import annotations

import datetime as dt
from inspect import signature
from itertools import pairwise
from typing import Any, Final

from marketsweep.errors import UsageError
from marketsweep.language.presets import SavedConditions
from marketsweep.market import Market
from marketsweep.scan.market_view import resolve_session
from marketsweep.serve.api.parameters import (
    HistoryParameters,
    SavedHistoryParameters,
    SweepParameters,
)
from marketsweep.serve.api.problem import Problem
from marketsweep.serve.api.service import Service
from marketsweep.studies.sweep_result import Sweep
from marketsweep.studies.variants import parse_variants

_RESERVED: Final = signature(Market.sweep).parameters
_MOST_ROWS: Final = 100_000
"""The most rows of the answer to a sweep."""


def sweep(service: Service, parameters: SweepParameters) -> Sweep:
    """Count the matches of each variant of a condition, or add up what followed them."""
    texts = [text for text in parameters.vary.split(";") if text.strip()]
    values: dict[str, Any] = {**parse_variants(texts, _RESERVED)}
    result = service.market.sweep(
        parameters.condition,
        as_of=parameters.as_of,
        since=parameters.since,
        until=parameters.until,
        where=parameters.where,
        universe=parameters.universe,
        unknown=parameters.unknown,
        facts=parameters.facts,
        adjust=parameters.adjust,
        strict=parameters.strict,
        outcome=parameters.outcome,
        **values,
    )
    if (rows := result.matches.size) > _MOST_ROWS and result.outcomes is None:
        raise UsageError(
            f"the answer has {rows:,} rows, one for each variant and session; the limit is "
            f"{_MOST_ROWS:,}: use fewer values or fewer sessions"
        )
    return result


def history(service: Service, parameters: HistoryParameters) -> dict[str, Any]:
    """List the symbols that entered a condition and left it, session by session.

    Each session is evaluated on the data that is stored now, as a scan of that day sees it.
    """
    return {
        "condition": parameters.condition,
        **_history(service, parameters.condition, parameters),
    }


def saved_history(service: Service, parameters: SavedHistoryParameters) -> dict[str, Any]:
    """List the symbols that entered a saved condition and left it, session by session."""
    name = parameters.name.lower()
    if SavedConditions.of(service.folder)(name) is None:
        raise Problem(404, "unknown_condition", f"no condition is saved as {name!r}")
    saved = SavedConditions.of(service.folder).one(name).condition
    return {"name": name, "condition": saved, **_history(service, name, parameters)}


def _history(
    service: Service, condition: str, parameters: HistoryParameters | SavedHistoryParameters
) -> dict[str, Any]:
    with service.market.view() as view:
        days = view.sessions_of(resolve_session(view.snapshot, parameters.as_of))
    days = days[-parameters.sessions - 1 :]  # the first one only says what was there before
    result = service.market.signals(
        condition,
        since=days[0],
        until=days[-1],
        where=parameters.where,
        universe=parameters.universe,
        unknown=parameters.unknown,
    )
    matches: dict[dt.date, set[str]] = {receipt.session: set() for receipt in result.sessions}
    for day, symbol in zip(result.days.tolist(), result.symbols, strict=True):
        matches[day].add(symbol)
    return {
        "sessions": [
            {
                "day": day,
                "matched": len(matches[day]),
                "entered": sorted(matches[day] - matches[before]),
                "left": sorted(matches[before] - matches[day]),
            }
            for before, day in pairwise(matches)
        ],
        "data_version": result.data_version,
    }
