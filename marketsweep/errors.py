"""The errors that marketsweep raises on purpose.

    MarketsweepError
    ├── UsageError                  the request is wrong: exit code 2
    │   └── ConditionError          a condition does not parse or type-check; has the column
    ├── CoverageError               the result would be partial, or the data is stale: exit code 3
    ├── ProviderError               the source of prices failed: exit code 4
    │   ├── ProviderRefused         it refused (key, plan, entitlement); a retry will not help
    │   └── ProviderUnreachable     it sent no valid response after every retry
    │       └── CallFailed          one call failed, though the provider can be reached
    ├── StoreError                  the data folder cannot be used: exit code 5
    │   ├── StoreLocked             another process is writing to it
    │   ├── StoreDamaged            a checksum or the catalog is wrong
    │   └── StoreFull               the disk refused the write; nothing committed was lost
    └── ExecutorError               the evaluation failed, for example on a cluster: exit code 6
        ├── TimedOut                it took longer than the caller allowed
        └── Cancelled               the caller no longer waits for it

Errors of other libraries (aiohttp, sqlite3, OSError, polars) are translated to these where they
occur. The exit code of the command line is an attribute of the class.
"""

from __future__ import annotations


class MarketsweepError(Exception):
    """Base class of every error that marketsweep raises on purpose."""

    exit_code = 1


class UsageError(MarketsweepError):
    """The request cannot be executed as it was given."""

    exit_code = 2


class ConditionError(UsageError):
    """A condition is malformed.

    `source` is its text, and `column` (from 0) and `width` the place of the error. `suggestion` is
    a text that may replace what stands there, or "".
    """

    def __init__(
        self,
        message: str,
        source: str = "",
        column: int = 0,
        width: int = 1,
        suggestion: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.column = column
        self.width = width
        self.suggestion = suggestion

    @property
    def line(self) -> str:
        """The line of the text that has the error."""
        return _line_at(self.source, self.column)[0].strip()

    def __str__(self) -> str:
        if not self.source:
            return self.message
        line, start = _line_at(self.source, self.column)
        # A long line is cut around the error, so that the caret stays on the screen.
        cut = max(0, self.column - start - 60)
        shown = line[cut : cut + 100]
        caret = " " * (self.column - start - cut) + "^" * max(1, min(self.width, 40))
        return f"{self.message}, at column {self.column - start + 1}\n  {shown}\n  {caret}"


def _line_at(source: str, column: int) -> tuple[str, int]:
    start = source.rfind("\n", 0, column) + 1
    end = source.find("\n", column)
    return source[start : len(source) if end < 0 else end], start


class CoverageError(MarketsweepError):
    """The result would cover too little of the market, or the data is stale."""

    exit_code = 3


class ProviderError(MarketsweepError):
    """The source of prices failed."""

    exit_code = 4


class ProviderRefused(ProviderError):
    """The provider refused the request (key, plan, entitlement); a retry will not help."""


class ProviderUnreachable(ProviderError):
    """The provider sent no valid response after every retry."""


class CallFailed(ProviderUnreachable):
    """One call failed after every retry, though the provider can be reached: others may succeed."""


class StoreError(MarketsweepError):
    """The data folder cannot be used."""

    exit_code = 5


class StoreLocked(StoreError):
    """Another process is writing to the data folder."""


class StoreDamaged(StoreError):
    """A checksum or the catalog is wrong."""


class StoreFull(StoreError):
    """The disk refused the write; nothing that was committed is lost."""


class ExecutorError(MarketsweepError):
    """The evaluation failed, for example on a cluster: there is no result."""

    exit_code = 6


class TimedOut(ExecutorError):
    """The work took longer than its caller allowed."""


class Cancelled(ExecutorError):
    """The caller no longer waits for the result."""


class DataWarning(UserWarning):
    """Bars are doubtful, for example because splits are not known. It is not an error."""
