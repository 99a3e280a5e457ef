"""What people read of told splits and dividends: those that count otherwise, or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from marketsweep.core.calendar import NEW_YORK
from marketsweep.core.safe_text import some_of
from marketsweep.store.companies.rulings import Verdict

if TYPE_CHECKING:
    from marketsweep.ingest.receipt import SyncReceipt
    from marketsweep.store.companies.rulings import Ruling
    from marketsweep.store.status import Status

_SHOWN: Final = 3
"""Examples that are named."""

_HEADS: Final = {
    Verdict.CONTRADICTED: "not applied: the price does not show it",
    Verdict.REPEATED: "told twice and applied once",
    Verdict.MOVED: "applied on the day on which the price shows it",
    Verdict.ALTERNATIVE: "not applied: another ratio of the day fits the price",
    Verdict.CANCELLED: "not applied: the inverse is told for the same day",
    Verdict.TOO_LARGE: "not applied: as large as the price",
    Verdict.NEAR: "applied, though an equal one is told a few sessions before",
    Verdict.UNPLACED: "not applied: no company with bars fits",
}
"""What becomes of actions, the most serious first."""


def sync_lines(receipt: SyncReceipt) -> Iterator[str]:
    """What is new of actions and renames after a sync."""
    for verdict, head in _HEADS.items():
        some = [one for one in receipt.actions if one["verdict"] == verdict.value]
        if some:
            yield f"  {len(some):,} actions {head}: {_named([_told(one) for one in some])}"
    if receipt.unusable:
        told = [
            f"{o['symbol']} {o['ex_date']} {o['told']} ({o['reason']})" for o in receipt.unusable
        ]
        yield f"  {len(receipt.unusable):,} actions cannot be used: {_named(told)}"
    by_bars = [one for one in receipt.renames if one["rule"] != "as told"]
    if receipt.renames:
        told = [f"{o['symbol']}, {o['before']} until {o['first']}, {o['rule']}" for o in by_bars]
        shown = f", {len(by_bars):,} on a day worked out: {_named(told)}" if by_bars else ""
        s = "" if len(receipt.renames) == 1 else "s"
        yield f"  {len(receipt.renames):,} rename{s}{shown}"
    if receipt.doubtful_tickers:
        yield _doubts([_doubt(**doubt) for doubt in receipt.doubtful_tickers])


def _doubts(told: Sequence[str]) -> str:
    return f"  {len(told):,} doubtful ticker{'' if len(told) == 1 else 's'}: {_named(told)}"


def _doubt(symbol: str, other: str, reason: str) -> str:
    return f"{symbol}, {reason}" if symbol == other else f"{other} to {symbol}, {reason}"


def aside_lines(put_aside: Sequence[Mapping[str, Any]], frozen: Sequence[dt.date]) -> Iterator[str]:
    """The sessions that are asked for again, and those in which the market stands still."""
    for one in put_aside[:_SHOWN]:
        again = dt.datetime.fromisoformat(one["again"]).astimezone(NEW_YORK)
        tries = f"{one['tries']:,} time{'s' * (one['tries'] != 1)}"
        yield (
            f"  put aside: {one['session']}, asked for {tries}, again after "
            f"{again:%Y-%m-%d %H:%M} New York: {one['reason']}"
        )
    if put_aside:
        more = f"; {len(put_aside) - _SHOWN:,} more" if len(put_aside) > _SHOWN else ""
        first = put_aside[0]["session"]
        yield f"    to ask at once: marketsweep sync --again --since {first}{more}"
    others = [str(day) for day in frozen if str(day) not in {one["session"] for one in put_aside}]
    if others:
        s = "" if len(others) == 1 else "s"
        yield f"  most of the market stands still in {len(others):,} session{s}: {_named(others)}"


def status_lines(status: Status) -> Iterator[str]:
    """What becomes of stored actions and renames that do not count just as they are told."""
    for missing in status.missing_actions:
        yield (
            f"  {missing.kind}s from {missing.since} to {missing.until} are not known: "
            f"{missing.reason}"
        )
    if status.not_listed:
        yield (
            f"  the list of tickers could not be had: {status.not_listed}; renames may not be known"
        )
    for verdict, head in _HEADS.items():
        some = [one for one in status.rulings if one.verdict is verdict]
        if some:
            yield f"  {_count(some)} {head}: {_named([ruling_words(one) for one in some])}"
    if status.unusable:
        told = [f"{o.symbol} {o.ex_date}: {o.told}: {o.reason}" for o in status.unusable]
        yield f"  {_count(told)} that cannot be used: {_named(told)}"
    if status.doubts:
        yield _doubts([_doubt(*doubt) for doubt in status.doubts])


def ruling_words(ruling: Ruling) -> str:
    """A told action and what the ruling rests on."""
    return f"{ruling.said} ({ruling.evidence})"


def _told(one: Mapping[str, Any]) -> str:
    if one["kind"] == "split":
        said = f"split {one['other']:g}-for-{one['value']:g}"
    else:
        said = f"dividend {one['value']:g}"
    return f"{one['symbol']} {one['ex_date']} {said} ({one['evidence']})"


def _count(actions: Sequence[object]) -> str:
    return f"{len(actions):,} action{'' if len(actions) == 1 else 's'}"


def _named(texts: Sequence[str]) -> str:
    return some_of(texts, _SHOWN, between="; ", last=", and")
