"""What tokens may allow, and how many requests: constants that the help of a command needs."""

from __future__ import annotations

from typing import Final, Literal

Scope = Literal["read", "scan", "admin"]

SCOPES: Final[tuple[Scope, ...]] = ("read", "scan", "admin")
"""What tokens allow; each scope includes the ones before it."""

PER_MINUTE: Final = 1_200
"""Requests a minute: the page makes some five while a word is typed."""

MOST_PER_MINUTE: Final = 1_000_000
