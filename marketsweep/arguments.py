"""Check the arguments of Python callers against the annotations of a function."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial, wraps
from inspect import Parameter, Signature, signature
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Final, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from marketsweep.errors import UsageError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_TYPE_NAMES: Final[Mapping[object, str]] = {
    NoneType: "None",
    str: "text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    dt.date: "a date",
    Callable: "a function",
    Sequence: "a list",
    Iterable: "several values",
    os.PathLike: "a path",
}

_MAX_LEN: Final = 60
"""The number of characters shown of a wrong value."""


def checked_arguments(
    elsewhere: type,
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Return a decorator that raises UsageError for an argument of a wrong type.

    Not checked are parameters that may be of the type `elsewhere`, the choice among several texts
    (the function checks both), and annotations with names imported for type checking only.
    """

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        function_signature = signature(function)
        # Computed at the first call, so that the program starts faster.
        hints_of = cache(partial(_hints, function, function_signature, elsewhere))

        @wraps(function)
        def checked(*arguments: _P.args, **keywords: _P.kwargs) -> _T:
            hints = hints_of()
            for name, value in function_signature.bind(*arguments, **keywords).arguments.items():
                if name in hints and not _fits(value, hints[name]):
                    raise UsageError(
                        f"{name} of {function.__name__} must be {_describe_type(hints[name])}, "
                        f"not {_describe_value(value)}"
                    )
            return function(*arguments, **keywords)

        return checked

    return decorate


def _hints(
    function: Callable[..., object], function_signature: Signature, elsewhere: type
) -> dict[str, Any]:
    """Return the annotations of the parameters to check whose names are known at run time."""
    hints: dict[str, Any] = {}
    for name, parameter in function_signature.parameters.items():
        if name == "self" or parameter.kind is Parameter.VAR_KEYWORD:
            continue
        with suppress(NameError):
            hint = eval(parameter.annotation, getattr(function, "__globals__", {}))
            if elsewhere not in (hint, *get_args(hint)):
                hints[name] = hint
    return hints


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401, PLR0911, a line for each kind of hint
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, member) for member in inner)
    if origin is Literal:
        return type(value) in map(type, inner)  # the function itself checks the choice
    if origin is Callable or hint is Callable:
        return callable(value)
    if origin is Sequence:
        return isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if origin is Iterable:
        return hasattr(value, "__iter__") and not isinstance(value, str | bytes)
    if hint in (int, float):
        kind = Integral if hint is int else Real
        return isinstance(value, kind) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def _describe_type(hint: Any) -> str:  # noqa: ANN401, likewise
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_describe_type, inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is Sequence:
        return f"a list of {_describe_type(inner[0])}"
    kind = origin or hint
    return _TYPE_NAMES.get(kind, f"of the type {kind.__name__}")


def _describe_value(value: object) -> str:
    try:
        text = repr(value)
    except Exception:
        text = object.__repr__(value)
    return f"{text if len(text) <= _MAX_LEN else text[:_MAX_LEN] + '...'} ({type(value).__name__})"
