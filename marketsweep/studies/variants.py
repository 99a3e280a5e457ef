"""The values of the names of a sweep, as texts: n=5..30, n=20..200..20 or n=10,14,21."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from decimal import Decimal  # exact: ten steps of 0.1 are 1

from marketsweep.errors import UsageError
from marketsweep.language.parsing.lexer import number_of

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?[kKmMbBtT%]?"
_NAMED = re.compile(r"\s*([A-Za-z_]\w*)\s*=(.*)", re.DOTALL)
_RANGE = re.compile(rf"\s*({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?\s*")
_LIST = re.compile(rf"\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*)*")
_MAX_VALUES = 1_000_000


def parse_variants(texts: Sequence[str], reserved: Container[str]) -> dict[str, list[float]]:
    """Return the values of each name. Raises UsageError if they cannot be parsed."""
    values: dict[str, list[float]] = {}
    for text in texts:
        match = _NAMED.fullmatch(text)
        if not match:
            raise UsageError(f"the values {text!r}: write a name and its values, as in n=5..30")
        name, numbers = match.groups()
        if name in values:
            raise UsageError(f"{name} is given twice: join its values, as in {name}=5,10,15")
        if name in reserved:
            raise UsageError(f"{name} is already a word or a preset: choose another name")
        values[name] = _parse_numbers(name, numbers)
    return values


def _parse_numbers(name: str, text: str) -> list[float]:
    """Return the values of `5..30`, `20..200..20` or `10,14,21`; the end of a range is included."""
    if _LIST.fullmatch(text):
        return [number_of(number.strip()) for number in text.split(",")]
    range_match = _RANGE.fullmatch(text)
    if not range_match:
        raise UsageError(f"{name}={text}: values are 5..30, 20..200..20 (every 20th) or 10,14,21")
    first, last, step = (Decimal(repr(number_of(number or "1"))) for number in range_match.groups())
    if not all(number.is_finite() for number in (first, last, step)):
        raise UsageError(f"{name}={text}: these numbers are too large")
    if not step or (last - first) / step < 0:
        raise UsageError(f"{name}={text}: {first} and steps of {step} never reach {last}")
    count = int((last - first) / step) + 1
    if count > _MAX_VALUES:
        raise UsageError(f"{name}={text}: {count:,} values are too many")
    return [float(first + i * step) for i in range(count)]
