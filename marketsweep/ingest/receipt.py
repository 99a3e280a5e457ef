"""What a sync did and what it cost, and whether that was any use."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from typing import Any

from marketsweep.core.funnel import Clause
from marketsweep.core.records import Unavailable, Usage
from marketsweep.errors import CoverageError
from marketsweep.ingest.misses import error_of


@dataclass(slots=True)
class SyncReceipt:
    """What a sync did, and what it cost."""

    provider: str
    first: dt.date | None = None
    """First session asked for, stored ones included."""
    last: dt.date | None = None
    sessions_behind: int = 0
    """Sessions that have closed since the newest whole one that is stored."""
    route: str | None = None
    """The way that the bars came."""
    wanted: int = 0
    """Sessions that had to be fetched whole."""
    fetched: int = 0
    empty: list[dt.date] = field(default_factory=list)
    """Sessions for which the provider had no bars; they will be asked for again."""
    checked: dt.date | None = None
    """The older session that was fetched again to see late corrections."""
    symbols_wanted: int = 0
    """Symbols that had to be fetched one by one."""
    symbols_fetched: int = 0
    untraded: int = 0
    """Symbols among them for which a snapshot showed that there was nothing to fetch."""
    unknown: list[str] = field(default_factory=list)
    """Symbols for which the provider had no bars; they will be asked for again."""
    unavailable: list[dict[str, Any]] = field(default_factory=list)
    """Sessions and symbols that could not be had while others could, and why."""
    put_aside: list[dict[str, Any]] = field(default_factory=list)
    """Sessions that are asked for again later: why, how often in vain, and not before when."""
    avoided: int = 0
    """Calls that the same would have taken with nothing stored, beside those made."""
    low_volume: int = 0
    """Symbols that were not asked for, since they are on the low-volume list."""
    prescreened: int = 0
    """Further symbols that were not asked for, since the pre-screen left them out."""
    saved: int = 0
    """Calls that all of those would have taken."""
    funnel: list[Clause] = field(default_factory=list)
    """What each part of the pre-screen left out of the market's symbols."""
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    revisions: list[dict[str, Any]] = field(default_factory=list)
    """The first hundred of the revised bars: symbol, session, old and new values of each field."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Rows kept out of the market's bars, by reason."""
    contradicted: list[dict[str, Any]] = field(default_factory=list)
    """The first hundred rows that a later row of the same symbol and session contradicts: the
    values that were set aside (`old`) and those that count (`new`)."""
    splits: int = 0
    dividends: int = 0
    listings: int = 0
    missing_actions: list[dict[str, Any]] = field(default_factory=list)
    """Splits or dividends that could not be had: kind, days and reason."""
    actions: list[dict[str, Any]] = field(default_factory=list)
    """Told actions that do not count just as they are told, and that is news: what becomes of
    each (`verdict`), and why (`evidence`)."""
    reassigned: int = 0
    """Told actions that are news and count for the ticker that their company had on that day."""
    unusable: list[dict[str, Any]] = field(default_factory=list)
    """Told actions that cannot be used: no amount, an unknown kind, told with several ids."""
    renames: list[dict[str, Any]] = field(default_factory=list)
    """Changes of tickers that are news: since when, and by which rule that day is known."""
    doubtful_tickers: list[dict[str, Any]] = field(default_factory=list)
    """Told changes of tickers that the bars contradict, and that is news; and why."""
    frozen: list[dt.date] = field(default_factory=list)
    """Stored sessions in which most of the market stands still."""
    warnings: list[str] = field(default_factory=list)
    data_version: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain data: the JSON of `marketsweep sync --json`."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    @property
    def bars(self) -> int:
        """The bars that came, known ones included."""
        return self.new + self.revised + self.unchanged


def require_answers(receipt: SyncReceipt) -> None:
    """Raise ProviderError where everything that was asked for could not be had."""
    if receipt.unavailable and not receipt.bars + receipt.untraded:
        raise error_of(Unavailable(**receipt.unavailable[0]))


def require_use(receipt: SyncReceipt) -> None:
    """Raise ProviderError or CoverageError where a sync brought nothing of what it was asked for.

    Also where it did not get the splits, without which prices mislead.
    """
    require_answers(receipt)
    came = receipt.bars + receipt.untraded
    rows = sum(receipt.set_aside.values())
    if rows and not came:
        reasons = ", ".join(f"{count:,} {name}" for name, count in receipt.set_aside.items())
        raise CoverageError(
            f"not one of {rows:,} rows could be used ({reasons}): check what the file or the "
            "provider gives; marketsweep status counts them"
        )
    late = [day for day in receipt.empty if day != receipt.last]
    if late and not came:
        raise CoverageError(
            f"{receipt.provider} has no bars for any of {len(receipt.empty):,} sessions that took "
            f"place ({late[0]} to {receipt.empty[-1]}): check the plan and the address"
        )
    if receipt.unusable and not receipt.splits + receipt.dividends:
        first = receipt.unusable[0]
        raise CoverageError(
            f"not one of {len(receipt.unusable):,} splits and dividends could be used; the first "
            f"is {first['symbol']} {first['ex_date']} {first['told']}: {first['reason']}"
        )
    for one in receipt.missing_actions:
        if one["kind"] == "split":
            raise CoverageError(
                f"splits from {one['since']} to {one['until']} are not known, so prices may be off "
                f"by a factor ({one['reason']}): sync again with a plan that includes them, or "
                "give a file with marketsweep sync --provider files --actions FILE"
            )


def _plain(value: Any) -> Any:  # noqa: ANN401, facts of any kind
    """Return plain data with days as ISO texts."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value
