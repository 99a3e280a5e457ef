"""Suspicious bars with their evidence, as `marketsweep status --quality` lists them."""

from __future__ import annotations

from typing import Any

from marketsweep.errors import UsageError
from marketsweep.quality.inspection import read_quality
from marketsweep.quality.rules import RULES
from marketsweep.serve.api.parameters import QualityParameters
from marketsweep.serve.api.problem import Problem
from marketsweep.serve.api.service import Service


def quality(service: Service, parameters: QualityParameters) -> dict[str, Any]:
    """List suspicious bars with the evidence, and count them by rule."""
    names = [rule.name for rule in RULES]
    if parameters.rule is not None and parameters.rule not in names:
        raise UsageError(f"rule: there is no {parameters.rule!r}; there are {', '.join(names)}")
    judged = service.remember(
        "quality", parameters.symbol or "", lambda: _read(service, parameters)
    )
    flags = [row for row in judged["flags"] if parameters.rule in (None, row["rule"])]
    page = flags[parameters.offset : parameters.offset + parameters.limit]
    return {**judged, "matched": len(flags), "flags": page}


def _read(service: Service, parameters: QualityParameters) -> dict[str, Any]:
    symbol = parameters.symbol
    if symbol is not None:
        with service.market.view() as view:
            try:
                symbol = view.snapshot.ticker(symbol)
            except UsageError as error:
                raise Problem(404, "unknown_symbol", str(error)) from None
    result = read_quality(service.market.store, symbol).to_dict()
    del result["path"]  # nobody needs to know it over the network
    return result
