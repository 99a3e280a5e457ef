"""Everything that marketsweep raises on purpose.

    MarketsweepError
    ├── UsageError                  the request is wrong: exit code 2
    │   └── ConditionError          a condition that does not parse or type-check; knows its column
    ├── CoverageError               the answer would be partial, or the data is stale: exit code 3
    ├── ProviderError               the source of prices failed: exit code 4
    │   ├── ProviderRefused         it said no: key, plan, entitlement; trying again will not help
    │   └── ProviderUnreachable     it did not answer, or answered nonsense, after every retry
    │       └── CallFailed          one call did, though the provider can be reached
    ├── StoreError                  the data folder cannot be used: exit code 5
    │   ├── StoreLocked             another process is writing to it
    │   ├── StoreDamaged            a checksum or the catalog does not hold
    │   └── StoreFull               the disk refused the write; nothing committed was lost
    └── ExecutorError               what evaluates failed at it, such as a cluster: exit code 6
        └── TimedOut                it took longer than the caller allowed

Foreign errors (aiohttp, sqlite3, OSError, polars) are translated to these once, at the border.
The exit code of the command line is a fact of the class, so it stands here.
"""

from __future__ import annotations


class MarketsweepError(Exception):
    """Base of every error that marketsweep raises on purpose."""

    exit_code = 1


class UsageError(MarketsweepError):
    """The request cannot be carried out as it was put."""

    exit_code = 2


class ConditionError(UsageError):
    """A condition is malformed; `column` (from 0) is where, `source` the whole text."""

    def __init__(self, message: str, source: str = "", column: int = 0, width: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.column = column
        self.width = width

    def __str__(self) -> str:
        if not self.source:
            return self.message
        line, start = _line_at(self.source, self.column)
        # A long line is cut around the fault, so that the caret stays on the screen.
        left = max(0, self.column - start - 60)
        shown = line[left : left + 100]
        caret = " " * (self.column - start - left) + "^" * max(1, min(self.width, 40))
        return f"{self.message}, at column {self.column - start + 1}\n  {shown}\n  {caret}"


def _line_at(source: str, column: int) -> tuple[str, int]:
    start = source.rfind("\n", 0, column) + 1
    end = source.find("\n", column)
    return source[start : len(source) if end < 0 else end], start


class CoverageError(MarketsweepError):
    """The answer would cover too little of the market, or stand on stale data."""

    exit_code = 3


class ProviderError(MarketsweepError):
    """The source of prices failed."""

    exit_code = 4


class ProviderRefused(ProviderError):
    """The provider said no (key, plan, entitlement); trying again will not help."""


class ProviderUnreachable(ProviderError):
    """The provider did not answer, or answered nonsense, after every retry."""


class CallFailed(ProviderUnreachable):
    """One call failed at every try, though the provider can be reached: others may succeed."""


class StoreError(MarketsweepError):
    """The data folder cannot be used."""

    exit_code = 5


class StoreLocked(StoreError):
    """Another process is writing to the data folder."""


class StoreDamaged(StoreError):
    """A checksum or the catalog does not hold."""


class StoreFull(StoreError):
    """The disk refused the write; nothing that was committed is lost."""


class ExecutorError(MarketsweepError):
    """What was to evaluate, such as a cluster, failed at it: there is no answer."""

    exit_code = 6


class TimedOut(ExecutorError):
    """The work took longer than its caller allowed."""
