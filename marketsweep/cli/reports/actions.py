"""Report splits and dividends that are not applied as reported, and doubtful renames."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from marketsweep.core.calendar import NEW_YORK
from marketsweep.core.safe_text import join_first
from marketsweep.store.companies.rulings import Verdict

if TYPE_CHECKING:
    from marketsweep.ingest.receipt import SyncReceipt
    from marketsweep.store.companies.rulings import Ruling
    from marketsweep.store.status import Status

_SHOWN: Final = 3
"""The number of examples named."""

_HEADS: Final = {
    Verdict.CONTRADICTED: "not applied: the price does not show it",
    Verdict.REPEATED: "reported twice and applied once",
    Verdict.MOVED: "applied on the day on which the price shows it",
    Verdict.ALTERNATIVE: "not applied: another ratio of the day fits the price",
    Verdict.CANCELLED: "not applied: its inverse is reported for the same day",
    Verdict.TOO_LARGE: "not applied: as large as the price",
    Verdict.NEAR: "applied, although an equal one is reported a few sessions earlier",
    Verdict.UNPLACED: "not applied: no company with bars matches",
}
"""Headings of the verdicts, the most serious first."""


def sync_lines(receipt: SyncReceipt) -> Iterator[str]:
    """Yield the lines about new actions and renames after a sync."""
    for verdict, head in _HEADS.items():
        actions = [row for row in receipt.actions if row["verdict"] == verdict.value]
        if actions:
            yield f"  {len(actions):,} actions {head}: {_some([_row_text(row) for row in actions])}"
    if receipt.unusable:
        texts = [
            f"{row['symbol']} {row['ex_date']} {row['told']} ({row['reason']})"
            for row in receipt.unusable
        ]
        yield f"  {len(receipt.unusable):,} actions cannot be used: {_some(texts)}"
    by_bars = [row for row in receipt.renames if row["rule"] != "as told"]
    if receipt.renames:
        texts = [
            f"{row['symbol']}, {row['before']} until {row['first']}, {row['rule']}"
            for row in by_bars
        ]
        shown = f", {len(by_bars):,} on a day derived from bars: {_some(texts)}" if by_bars else ""
        s = "" if len(receipt.renames) == 1 else "s"
        yield f"  {len(receipt.renames):,} rename{s}{shown}"
    if receipt.doubtful_tickers:
        yield _doubts_line([_doubt_text(**doubt) for doubt in receipt.doubtful_tickers])


def _doubts_line(texts: Sequence[str]) -> str:
    return f"  {len(texts):,} doubtful ticker{'' if len(texts) == 1 else 's'}: {_some(texts)}"


def _doubt_text(symbol: str, other: str, reason: str) -> str:
    return f"{symbol}, {reason}" if symbol == other else f"{other} to {symbol}, {reason}"


def aside_lines(put_aside: Sequence[Mapping[str, Any]], frozen: Sequence[dt.date]) -> Iterator[str]:
    """Yield lines about sessions to fetch again, and those in which most prices do not change."""
    for row in put_aside[:_SHOWN]:
        again = dt.datetime.fromisoformat(row["again"]).astimezone(NEW_YORK)
        tries = f"{row['tries']:,} time{'s' * (row['tries'] != 1)}"
        yield (
            f"  put aside: {row['session']}, requested {tries}, next request after "
            f"{again:%Y-%m-%d %H:%M} New York: {row['reason']}"
        )
    if put_aside:
        more = f"; {len(put_aside) - _SHOWN:,} more" if len(put_aside) > _SHOWN else ""
        first = put_aside[0]["session"]
        yield f"    to request at once: marketsweep sync --again --since {first}{more}"
    others = [str(day) for day in frozen if str(day) not in {row["session"] for row in put_aside}]
    if others:
        s = "" if len(others) == 1 else "s"
        yield f"  most prices are unchanged in {len(others):,} session{s}: {_some(others)}"


def status_lines(status: Status) -> Iterator[str]:
    """Yield the lines about a sync that stopped, and about actions that are not as reported."""
    if status.stopped:
        yield (
            f"  the last sync stopped early: {status.stopped}; run marketsweep sync again to "
            "continue"
        )
    for missing in status.missing_actions:
        yield (
            f"  {missing.kind}s from {missing.since} to {missing.until} are missing: "
            f"{missing.reason}"
        )
    if status.not_listed:
        yield (
            f"  the list of tickers could not be fetched: {status.not_listed}; renames may be "
            "missing"
        )
    for verdict, head in _HEADS.items():
        rulings = [ruling for ruling in status.rulings if ruling.verdict is verdict]
        if rulings:
            yield f"  {_counted(rulings)} {head}: {_some([ruling_words(row) for row in rulings])}"
    if status.unusable:
        texts = [
            f"{action.symbol} {action.ex_date}: {action.told}: {action.reason}"
            for action in status.unusable
        ]
        yield f"  {_counted(texts)} that cannot be used: {_some(texts)}"
    if status.doubts:
        yield _doubts_line([_doubt_text(*doubt) for doubt in status.doubts])


def ruling_words(ruling: Ruling) -> str:
    """Return a reported action with the evidence of its ruling."""
    return f"{ruling.action_text} ({ruling.evidence})"


def _row_text(row: Mapping[str, Any]) -> str:
    if row["kind"] == "split":
        action = f"split {row['other']:g}-for-{row['value']:g}"
    else:
        action = f"dividend {row['value']:g}"
    return f"{row['symbol']} {row['ex_date']} {action} ({row['evidence']})"


def _counted(actions: Sequence[object]) -> str:
    return f"{len(actions):,} action{'' if len(actions) == 1 else 's'}"


def _some(texts: Sequence[str]) -> str:
    return join_first(texts, _SHOWN, between="; ", last=", and")
