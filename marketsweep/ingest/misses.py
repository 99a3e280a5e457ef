"""Sessions and symbols that a source could not give during a sync."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Final

from marketsweep.core.records import Unavailable
from marketsweep.errors import ProviderRefused, ProviderUnreachable

_HOPELESS: Final = 3
"""Failures before anything has come that end a sync."""

_OUTAGE: Final = 20
"""Failures in a row that end a sync, though something has come or was known to fail before."""


class Misses:
    """What a source could not give; it ends the sync where nothing else comes.

    `expected` failed before: their failures say nothing of the source as a whole.
    """

    def __init__(self, expected: Collection[dt.date | str] = ()) -> None:
        self.known: list[Unavailable] = []
        """What failed while other answers came, or at the end."""
        self.row: list[Unavailable] = []
        """What failed since the last answer came."""
        self._expected = expected
        self._any = False

    def came(self) -> None:
        """Note that an answer came."""
        self._any = True
        self.end()

    def failed(self, one: Unavailable) -> None:
        """Note a failure. Raises ProviderError if too many come in a row."""
        if one.of in self._expected:
            self.known.append(one)
            return
        self.row.append(one)
        if len(self.row) >= (_OUTAGE if self._any or self._expected else _HOPELESS):
            raise error_of(self.row[0])

    def end(self) -> None:
        """Note that the failures so far are of single items, and not of the source."""
        self.known += self.row
        self.row.clear()


def error_of(one: Unavailable) -> ProviderRefused | ProviderUnreachable:
    """The error that a failure is where nothing else came."""
    error = ProviderRefused if one.refused else ProviderUnreachable
    return error(f"{one.of}: {one.reason}")
