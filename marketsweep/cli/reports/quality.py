"""Report suspicious bars and corporate actions as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from marketsweep.quality.rules import RULES

if TYPE_CHECKING:
    from marketsweep.quality.inspection import Quality
    from marketsweep.quality.overrides import Entry
    from marketsweep.quality.rules import Flag

_SHOWN: Final = 3
"""The number of flags shown of each rule for the whole market: the most recent ones."""


def quality_report(quality: Quality) -> str:
    """Return the rules with their newest flags; for a single symbol, all of its flags."""
    if quality.last is None:
        return f"{quality.path}: no session is stored yet: run marketsweep sync"
    shown = None if quality.symbol else _SHOWN
    scope = quality.symbol or f"{quality.symbols:,} symbols"
    lines = [f"{quality.path}: {scope} up to {quality.last}, data version {quality.version}"]
    for rule in RULES:
        flags = [flag for flag in quality.flags if flag.rule == rule.name]
        symbols = len({flag.symbol for flag in flags})
        if flags:
            in_symbols = "" if quality.symbol else f" in {symbols:,} symbols"
            lines.append(f"  {rule.name}{'*' if rule.excludes else ''}: {len(flags):,}{in_symbols}")
        newest = sorted(flags, key=lambda flag: flag.last, reverse=True)[:shown]
        lines += [f"    {_flag_text(flag)}" for flag in newest]
    broken_rules = {flag.rule for flag in quality.flags}
    lines.append(
        f"  none: {', '.join(rule.name for rule in RULES if rule.name not in broken_rules)}"
    )
    lines.append(f"  thin sessions: {len(quality.thin):,}{_examples(map(str, quality.thin))}")
    set_aside = [f"{row.symbol} {row.session} {row.reason}" for row in reversed(quality.set_aside)]
    lines.append(f"  rows set aside: {len(quality.set_aside):,}{_examples(set_aside)}")
    if broken_rules:
        lines.append("  * skipped by scan --exclude-suspect if a condition reads such bars")
    if shown is not None:
        lines.append(
            "  the newest of each rule: --json has all, --symbol SYMBOL those of one symbol"
        )
    return "\n".join(lines)


def actions_report(entries: Sequence[Entry]) -> str:
    """Return splits and dividends as a table, one line each."""
    if not entries:
        return "no splits and no dividends"
    width = max(len(entry.symbol) for entry in entries)
    action_width = max(len(entry.action) for entry in entries)
    return "\n".join(
        f"{entry.symbol:<{width}}  {entry.ex_date}  {entry.action:<{action_width}}  {entry.by}"
        + (f", instead of {entry.instead_of}" if entry.instead_of else "")
        + (f"; {entry.ruling}" if entry.ruling else "")
        for entry in entries
    )


def _flag_text(flag: Flag) -> str:
    days = f"{flag.first}" if flag.first == flag.last else f"{flag.first} to {flag.last}"
    return f"{flag.symbol} {days}: {flag.evidence}"


def _examples(items: Sequence[str] | map[str]) -> str:
    shown = list(items)
    if not shown:
        return ""
    return f" ({', '.join(shown[:_SHOWN])}{', ...' if len(shown) > _SHOWN else ''})"
