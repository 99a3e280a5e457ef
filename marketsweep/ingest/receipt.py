"""The receipt of a sync: what it did, what it cost, and whether it was of any use."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from typing import Any

from marketsweep.core.funnel import Clause
from marketsweep.core.records import Unavailable, Usage
from marketsweep.core.safe_text import join_first
from marketsweep.errors import CoverageError
from marketsweep.ingest.misses import error_of


@dataclass(slots=True)
class SyncReceipt:
    """What a sync did, and what it cost."""

    provider: str
    first: dt.date | None = None
    """First requested session, stored ones included."""
    last: dt.date | None = None
    sessions_behind: int = 0
    """Number of sessions that have closed since the newest stored session of the whole market."""
    route: str | None = None
    """Name of the route over which the bars came."""
    wanted: int = 0
    """Number of sessions to fetch for the whole market."""
    fetched: int = 0
    empty: list[dt.date] = field(default_factory=list)
    """Sessions for which the provider had no bars; the next sync requests them again."""
    checked: dt.date | None = None
    """The older session that was fetched again to detect late corrections."""
    symbols_wanted: int = 0
    """Number of symbols to fetch one by one."""
    symbols_fetched: int = 0
    requested_stored: int | None = None
    """Number of the requested symbols that have stored bars; None for the whole market."""
    untraded: int = 0
    """Number of these symbols for which a snapshot showed that there was nothing to fetch."""
    unknown: list[str] = field(default_factory=list)
    """Symbols for which the provider had no bars; the next sync requests them again."""
    unavailable: list[dict[str, Any]] = field(default_factory=list)
    """Sessions and symbols that failed while others succeeded, with the reason."""
    stopped: str = ""
    """Why the provider failed for good after a part was stored; empty if it did not."""
    put_aside: list[dict[str, Any]] = field(default_factory=list)
    """Sessions to fetch again later: reason, number of failures, earliest time of a retry."""
    avoided: int = 0
    """Number of further calls that the same request would take with an empty store."""
    low_volume: int = 0
    """Number of symbols not requested because they are on the low-volume list."""
    prescreened: int = 0
    """Number of further symbols not requested because they fail the pre-screen."""
    saved: int = 0
    """Number of calls that the symbols of `low_volume` and `prescreened` would take."""
    funnel: list[Clause] = field(default_factory=list)
    """Number of the market's symbols that pass each part of the pre-screen."""
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    revisions: list[dict[str, Any]] = field(default_factory=list)
    """The first hundred revised bars: symbol, session, old and new values of each field."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Number of rows that were not stored as bars, by reason."""
    contradicted: list[dict[str, Any]] = field(default_factory=list)
    """The first hundred rows that a later row of the same symbol and session contradicts: values
    that were set aside (`old`) and values that were stored (`new`)."""
    splits: int = 0
    dividends: int = 0
    listings: int = 0
    facts: list[str] = field(default_factory=list)
    """Names of the further facts that were stored."""
    refused_facts: list[str] = field(default_factory=list)
    """Names of reported facts that are stored as another kind, and were not changed."""
    missing_actions: list[dict[str, Any]] = field(default_factory=list)
    """Splits or dividends that were unavailable: kind, days and reason."""
    actions: list[dict[str, Any]] = field(default_factory=list)
    """New rulings on reported actions that do not count exactly as reported: what becomes of each
    action (`verdict`), and why (`evidence`)."""
    reassigned: int = 0
    """Number of reported actions newly moved to the ticker that their company had on that day."""
    unusable: list[dict[str, Any]] = field(default_factory=list)
    """Reported actions that cannot be used: no amount, an unknown kind, or several ids."""
    renames: list[dict[str, Any]] = field(default_factory=list)
    """New ticker changes: first session, and the rule that determines that day."""
    doubtful_tickers: list[dict[str, Any]] = field(default_factory=list)
    """Reported ticker changes that the bars newly contradict, with the reason."""
    frozen: list[dt.date] = field(default_factory=list)
    """Stored sessions in which most of the market is frozen (bars repeat the session before)."""
    warnings: list[str] = field(default_factory=list)
    data_version: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as plain data: the JSON of `marketsweep sync --json`."""
        values: dict[str, Any] = _as_plain(asdict(self))
        return values

    @property
    def bars(self) -> int:
        """Return the number of received bars, unchanged ones included."""
        return self.new + self.revised + self.unchanged

    @property
    def fetched_part(self) -> str:
        """Return how much of what was wanted came, for example "19 of 21 sessions"."""
        if self.symbols_wanted:
            return f"{self.symbols_fetched:,} of {self.symbols_wanted:,} symbols"
        return f"{self.fetched:,} of {self.wanted:,} sessions"


def require_answers(receipt: SyncReceipt) -> None:
    """Raise ProviderError if everything that was requested was unavailable."""
    if receipt.unavailable and not receipt.bars + receipt.untraded:
        raise error_of(Unavailable(**receipt.unavailable[0]))


def require_use(receipt: SyncReceipt) -> None:
    """Raise ProviderError or CoverageError if a sync brought nothing of what was requested.

    Also raise CoverageError if the splits are missing, because prices mislead without them, and if
    a fact was not changed.
    """
    require_answers(receipt)
    received = receipt.bars + receipt.untraded
    rows = sum(receipt.set_aside.values())
    if rows and not received:
        reasons = ", ".join(f"{count:,} {name}" for name, count in receipt.set_aside.items())
        raise CoverageError(
            f"none of {rows:,} rows could be used ({reasons}): check the file or the provider; "
            "marketsweep status counts them"
        )
    if receipt.unknown and receipt.requested_stored == 0 and not received:
        raise CoverageError(
            f"{receipt.provider} has no bars of any requested symbol "
            f"({join_first(receipt.unknown, 3)}): check how it is spelled"
        )
    past_empty = [day for day in receipt.empty if day != receipt.last]
    if past_empty and not received:
        raise CoverageError(
            f"{receipt.provider} has no bars for any of {len(receipt.empty):,} sessions that took "
            f"place ({past_empty[0]} to {receipt.empty[-1]}): check the plan and the address"
        )
    if receipt.unusable and not receipt.splits + receipt.dividends:
        first = receipt.unusable[0]
        raise CoverageError(
            f"none of {len(receipt.unusable):,} splits and dividends could be used; the first is "
            f"{first['symbol']} {first['ex_date']} {first['told']}: {first['reason']}"
        )
    for gap in receipt.missing_actions:
        if gap["kind"] == "split":
            raise CoverageError(
                f"splits from {gap['since']} to {gap['until']} are missing, so prices may be "
                f"wrong by a factor ({gap['reason']}): sync again with a plan that includes them, "
                "or add a file with marketsweep sync --provider files --actions FILE"
            )
    if receipt.refused_facts:
        raise CoverageError(
            f"facts that are stored as another kind: {join_first(receipt.refused_facts, 5)}; their "
            "values were not changed: see the warnings"
        )


def _as_plain(value: Any) -> Any:  # noqa: ANN401, facts of any kind
    """Return plain data with days as ISO texts."""
    if isinstance(value, dict):
        return {key: _as_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value
