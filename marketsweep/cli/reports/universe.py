"""What people read of universes and of the low-volume list. Plain text, no colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketsweep.universe.low_volume import reason

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from marketsweep.core.records import LowVolume
    from marketsweep.universe.low_volume import Rebuilt
    from marketsweep.universe.screen import Screen


def universes_report(universes: Mapping[str, Screen]) -> str:
    """The named universes, a line each."""
    width = max(map(len, universes))
    return "\n".join(
        f"{name:<{width}}  {'; '.join(screen.parts) or 'everybody'}"
        for name, screen in universes.items()
    )


def low_volume_report(lines: Sequence[LowVolume], day: dt.date | None) -> str:
    """The low-volume list, a line a symbol and word."""
    if not lines:
        return "nobody is on the low-volume list: marketsweep universe rebuild builds it"
    width = max(len(line.symbol) for line in lines)
    found = [f"low-volume list, as of {day}:"]
    for line in lines:
        expires = f"until {line.expires}" if line.expires else "for good"
        holds = "" if day is None or line.holds_on(day) else ", no longer"
        found.append(
            f"{line.symbol:<{width}}  {'out' if line.out else 'in':<3}  {line.since}  "
            f"{expires:<16}  {reason(line)}{holds}"
        )
    return "\n".join(found)


def rebuilt_report(done: Rebuilt) -> str:
    """What became of the low-volume list."""
    waiting = f"; {done.waiting:,} could not be judged and stay" if done.waiting else ""
    return (
        f"low-volume list of {done.session}: {done.listed:,} of {done.expected:,} symbols, below "
        f"{done.least:,.10g} dollars a session (the median of {done.sessions:,}), "
        f"{done.without_bars:,} of them without a bar\n"
        f"  {done.new:,} new, {done.gone:,} gone{waiting}; expires {done.expires}, "
        f"data version {done.data_version}"
    )
