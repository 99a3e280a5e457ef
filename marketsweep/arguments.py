"""Checks what Python callers give, by the annotations of a function."""

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

_WORDS: Final[Mapping[object, str]] = {
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

_LONGEST: Final = 60
"""Characters of a wrong value that are shown."""


def checked_arguments(
    elsewhere: type,
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Return a decorator: the function raises UsageError for an argument of a wrong type.

    What may be of the type `elsewhere` is judged by the function itself, and so is which of
    several texts is given. Annotations that name what is only imported for type checking are not
    looked at.
    """

    def wrapped(function: Callable[_P, _T]) -> Callable[_P, _T]:
        given = signature(function)
        # At the first call: starting must not wait for it.
        hints_of = cache(partial(_hints, function, given, elsewhere))

        @wraps(function)
        def checked(*arguments: _P.args, **named: _P.kwargs) -> _T:
            hints = hints_of()
            for name, value in given.bind(*arguments, **named).arguments.items():
                if name in hints and not _fits(value, hints[name]):
                    raise UsageError(
                        f"{name} of {function.__name__} must be {_words(hints[name])}, "
                        f"not {_shown(value)}"
                    )
            return function(*arguments, **named)

        return checked

    return wrapped


def _hints(function: Callable[..., object], given: Signature, elsewhere: type) -> dict[str, Any]:
    """The annotations of the parameters to check, as far as their names are known at run time."""
    found: dict[str, Any] = {}
    for name, parameter in given.parameters.items():
        if name == "self" or parameter.kind is Parameter.VAR_KEYWORD:
            continue
        with suppress(NameError):
            hint = eval(parameter.annotation, getattr(function, "__globals__", {}))
            if elsewhere not in (hint, *get_args(hint)):
                found[name] = hint
    return found


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401, PLR0911, a line for each kind of hint
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return type(value) in map(type, inner)  # which of them, the function says in its own words
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


def _words(hint: Any) -> str:  # noqa: ANN401, likewise
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_words, inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is Sequence:
        return f"a list of {_words(inner[0])}"
    kind = origin or hint
    return _WORDS.get(kind, f"of the type {kind.__name__}")


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:
        text = object.__repr__(value)
    return f"{text if len(text) <= _LONGEST else text[:_LONGEST] + '...'} ({type(value).__name__})"
