"""The parameters of each endpoint, as types: requests are decoded and documented by them.

The names and meanings are those of the Python API and the command line.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from marketsweep.language.parsing.parser import MAX_LENGTH

Format = Literal["json", "csv", "parquet", "arrow"]
Expression = Annotated[str, Meta(max_length=MAX_LENGTH)]
Ticker = Annotated[str, Meta(min_length=1, max_length=32)]
Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Session = Annotated[dt.date, Meta(description="A session, such as 2016-12-30; default: the newest")]
Adjust = Literal["splits", "total", "none"]
MOST_MATCHES: Final = 20_000
"""The most matches of one answer: more than there are tickers."""


MOST_SESSIONS: Final = 252
"""The most sessions of a history."""


Limit = Annotated[int, Meta(ge=0, le=MOST_MATCHES, description="The most rows of the answer")]


class Parameters(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a request may say. The names in the query of a GET are those of the JSON of a POST."""


class Screened(Parameters, frozen=True, kw_only=True):
    """Which symbols are looked at."""

    where: Annotated[Expression, Meta(description="Condition on facts of symbols")] | None = None
    universe: Annotated[str, Meta(max_length=100, description="Name of a universe")] | None = None
    unknown: Literal["keep", "drop"] | None = None


class EvaluatedParameters(Screened, frozen=True, kw_only=True):
    """Which condition is evaluated, on which session, and how."""

    condition: Annotated[Expression, Meta(description="The condition; a GET may call it q")]
    as_of: Session | None = None
    adjust: Adjust = "splits"
    facts: Literal["dated", "latest"] = "dated"
    skip_low_volume: bool = False
    exclude_suspect: bool = False
    min_history: Literal["valid", "settled"] = "valid"
    strict: bool = False


class ScanParameters(EvaluatedParameters, frozen=True, kw_only=True):
    """A scan of one session."""

    sort: Annotated[Expression, Meta(description="Expression to rank by")] | None = None
    descending: bool = True
    columns: Annotated[Expression, Meta(description="Expressions to show: 'roc(1),sector'")] = ""
    limit: (
        Annotated[
            int, Meta(ge=0, le=MOST_MATCHES, description="The most matches; 500 in JSON, else all")
        ]
        | None
    ) = None
    offset: Count = 0
    top: Annotated[int, Meta(ge=1, le=MOST_MATCHES, description="Matches of each group")] | None = (
        None
    )
    by: Annotated[str, Meta(max_length=100, description="Fact that makes the groups")] = ""
    funnel: Annotated[bool, Meta(description="Count the symbols that pass each clause")] = False
    near: Annotated[
        int, Meta(ge=0, le=1000, description="Symbols that fail one clause by the least")
    ] = 0
    format: Format = "json"


class ExcludedParameters(EvaluatedParameters, frozen=True, kw_only=True):
    """The symbols that a scan did not evaluate for a reason."""

    reason: Literal["stale", "short_history", "suspect"]
    limit: Limit = 500
    offset: Count = 0


class ExplainParameters(Parameters, frozen=True, kw_only=True):
    """Why a symbol matches a condition, or how far it is from a match."""

    symbol: Ticker
    condition: Expression
    as_of: Session | None = None
    adjust: Adjust = "splits"


class ChartParameters(Parameters, frozen=True, kw_only=True):
    """The bars, lines and events of the chart of a symbol."""

    symbol: Ticker
    condition: Expression | None = None
    indicators: Annotated[Expression, Meta(description="Lines to draw: 'sma(20),rsi(14)'")] = ""
    as_of: Session | None = None
    bars: Annotated[int, Meta(ge=1, le=10_000, description="The most daily bars")] = 252
    interval: Literal["day", "week", "month"] = "day"
    adjust: Adjust = "splits"


class SparklinesParameters(Parameters, frozen=True, kw_only=True):
    """The last closes of some symbols."""

    symbols: Annotated[
        str, Meta(max_length=8_000, description="Tickers, separated by commas; at most 200")
    ]
    bars: Annotated[int, Meta(ge=2, le=252)] = 60
    as_of: Session | None = None
    adjust: Adjust = "splits"


class SignalsParameters(Screened, frozen=True, kw_only=True):
    """How many symbols matched in each of many sessions."""

    condition: Expression
    since: Session | None = None
    until: Session | None = None
    adjust: Adjust = "splits"


class StudyParameters(Screened, frozen=True, kw_only=True):
    """What followed the signals of a condition."""

    condition: Expression
    since: Session | None = None
    until: Session | None = None
    benchmark: Ticker | None = None


class SymbolsParameters(Parameters, frozen=True, kw_only=True):
    """Symbols by the start of the ticker, or by a part of the name."""

    q: Annotated[str, Meta(max_length=100)] = ""
    limit: Annotated[int, Meta(ge=1, le=MOST_MATCHES)] = 50


class SymbolParameters(Parameters, frozen=True, kw_only=True):
    """One symbol on a day."""

    symbol: Ticker
    as_of: Session | None = None


class BarsParameters(Parameters, frozen=True, kw_only=True):
    """All bars of one symbol."""

    symbol: Ticker
    as_of: Session | None = None
    adjust: Adjust = "splits"
    format: Format = "json"


class QualityParameters(Parameters, frozen=True, kw_only=True):
    """Suspicious bars of all symbols or of one, by all rules or by one."""

    symbol: Ticker | None = None
    rule: Annotated[str, Meta(max_length=100, description="Such as 'decimal slip'")] | None = None
    limit: Limit = 100
    offset: Count = 0


class ChangesParameters(EvaluatedParameters, frozen=True, kw_only=True):
    """Which symbols a scan has and the scan of the session before does not, and the reverse."""


class NameParameters(Parameters, frozen=True, kw_only=True):
    """A condition of your own, by its name."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]


class CountsParameters(Parameters, frozen=True, kw_only=True):
    """The session on which saved conditions are counted."""

    where: Annotated[Expression, Meta(description="Condition on facts of symbols")] | None = None
    as_of: Session | None = None


class SaveParameters(NameParameters, frozen=True, kw_only=True):
    """A condition to save under a name."""

    condition: Expression
    doc: Annotated[str, Meta(max_length=1_000, description="Description, in one sentence")] = ""


class UniverseParameters(NameParameters, frozen=True, kw_only=True):
    """A universe to save under a name; each key that is not given sets no limit."""

    where: Annotated[Expression, Meta(description="Condition on facts of symbols")] | None = None
    min_price: Annotated[str, Meta(max_length=20, description="Dollars: 5, 2.50")] | None = None
    min_dollar_volume: (
        Annotated[str, Meta(max_length=20, description="A session, in dollars: 20M")] | None
    ) = None
    watchlist: Annotated[str, Meta(max_length=16_384, description="Only these: 'A,B'")] | None = (
        None
    )


class _Sessions(Screened, frozen=True, kw_only=True):
    as_of: Session | None = None
    sessions: Annotated[int, Meta(ge=1, le=MOST_SESSIONS)] = 20


class HistoryParameters(_Sessions, frozen=True, kw_only=True):
    """The results of a condition in the sessions up to a day."""

    condition: Expression


class SavedHistoryParameters(_Sessions, frozen=True, kw_only=True):
    """The results of a saved condition in the sessions up to a day."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]


class SweepParameters(Screened, frozen=True, kw_only=True):
    """Variants of a condition, counted on one session or on many."""

    condition: Annotated[Expression, Meta(description="A condition with names: 'rsi({n}) < {t}'")]
    vary: Annotated[
        str, Meta(max_length=2_000, description="Values of each name: 'n=5..29;t=15,20,25'")
    ]
    as_of: Session | None = None
    since: Session | None = None
    until: Session | None = None
    facts: Literal["dated", "latest"] = "dated"
    adjust: Adjust = "splits"
    strict: bool = False
    outcome: (
        Annotated[str, Meta(max_length=100, description="What followed: 'return(20)'")] | None
    ) = None
    format: Format = "json"


class SyncParameters(Parameters, frozen=True, kw_only=True):
    """A sync of the whole market."""

    since: Session | None = None
    until: Session | None = None


class NoParameters(Parameters, frozen=True, kw_only=True):
    """An endpoint without parameters."""
