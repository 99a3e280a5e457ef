"""Log of the sessions and symbols that a source could not give during a sync."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Final

from marketsweep.core.records import Unavailable
from marketsweep.errors import ProviderRefused, ProviderUnreachable

_MAX_AT_START: Final = 3
"""Number of failures before the first success that ends a sync."""

_MAX_IN_A_ROW: Final = 20
"""Number of failures in a row that ends a sync after a success, or if failures are expected."""


class FailureLog:
    """Failures of single sessions and symbols; raises if the source itself seems to have failed.

    `expected` are items that failed before: a new failure says nothing about the whole source.
    """

    def __init__(self, expected: Collection[dt.date | str] = ()) -> None:
        self.confirmed: list[Unavailable] = []
        """Failures of single items, confirmed by a later success or by the end of the sync."""
        self.pending: list[Unavailable] = []
        """Failures since the last success."""
        self._expected = expected
        self._any_success = False

    def record_success(self) -> None:
        """Record that an item was received."""
        self._any_success = True
        self.accept_pending()

    def record_failure(self, failure: Unavailable) -> None:
        """Record a failure. Raises ProviderError if too many occur in a row."""
        if failure.of in self._expected:
            self.confirmed.append(failure)
            return
        self.pending.append(failure)
        if len(self.pending) >= (
            _MAX_IN_A_ROW if self._any_success or self._expected else _MAX_AT_START
        ):
            raise error_of(self.pending[0])

    def accept_pending(self) -> None:
        """Record that the failures so far concern single items, and not the source."""
        self.confirmed += self.pending
        self.pending.clear()


def error_of(failure: Unavailable) -> ProviderRefused | ProviderUnreachable:
    """Return the ProviderError for a failure, to raise if nothing else was received."""
    error = ProviderRefused if failure.refused else ProviderUnreachable
    return error(f"{failure.of}: {failure.reason}")
