"""Whoever changes an answer changes no later one: nothing that is kept is handed out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import numpy as np
import pytest

import marketsweep as ms

CONDITION = 'rsi(14) < 40 and exchange == "NASDAQ" and rank(volume) <= 900'


def scan(market: ms.Market) -> object:
    return market.scan(
        CONDITION, where='exchange != "NYSE"', funnel=True, near=3, columns="atr(14)"
    )


def together(market: ms.Market) -> object:
    return market.scan_together([CONDITION, "close > ema(50)"], limit=20)


def signals(market: ms.Market) -> object:
    return market.signals("rsi(14) < 25", since="2016-12-01", columns="sma(5)")


def sweep(market: ms.Market) -> object:
    return market.sweep("rsi({n}) < {t}", n=range(5, 9), t=(20, 40))


def explained(market: ms.Market) -> object:
    return market.explain("AAPL", CONDITION)


def audited(market: ms.Market) -> object:
    return market.audit("close > sma(20)", sessions=1)


def words(answer: object) -> str:
    """All of an answer but what it took."""
    if isinstance(answer, list):
        return " ".join(map(words, answer))
    told = answer.to_dict() if hasattr(answer, "to_dict") else {"answer": repr(answer)}
    return repr({key: value for key, value in told.items() if key not in ("timing", "seconds")})


def spoil(part: Any, seen: set[int]) -> None:  # noqa: ANN401, anything that an answer has
    """Empty every list and dict that can be reached, and write over every array."""
    if id(part) in seen:
        return
    seen.add(id(part))
    match part:
        case np.ndarray():
            if part.flags.writeable and part.dtype.kind == "f":
                part[...] = -1.0
        case dict():
            for value in list(part.values()):
                spoil(value, seen)
            part.clear()
        case list() | tuple():
            for value in part:
                spoil(value, seen)
            if isinstance(part, list):
                part.clear()
        case _:
            for value in members(part):
                spoil(value, seen)


def members(part: object) -> list[object]:
    """The values of a record; the nodes of a condition are frozen, and made of tuples."""
    if isinstance(part, msgspec.Struct):
        return [getattr(part, name) for name in part.__struct_fields__]
    if is_dataclass(part) and not isinstance(part, type):
        return [getattr(part, one.name) for one in fields(part)]
    return []


@pytest.mark.parametrize("ask", [scan, together, signals, sweep, explained, audited])
def test_a_changed_answer_changes_no_later_one(
    market: ms.Market, ask: Callable[[ms.Market], object]
) -> None:
    ask(market)
    first = ask(market)
    before = words(first)
    spoil(first, set())
    assert words(ask(market)) == before
