"""Report universes and the low-volume list as plain text."""

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
    """Return the named universes, one line each."""
    width = max(map(len, universes))
    return "\n".join(
        f"{name:<{width}}  {'; '.join(screen.parts) or 'all symbols'}"
        for name, screen in universes.items()
    )


def low_volume_report(lines: Sequence[LowVolume], day: dt.date | None) -> str:
    """Return the low-volume list, one line per entry."""
    if not lines:
        return "the low-volume list is empty: marketsweep universe rebuild builds it"
    width = max(len(line.symbol) for line in lines)
    rows = [f"low-volume list, as of {day}:"]
    for line in lines:
        expires = f"until {line.expires}" if line.expires else "no end"
        holds = "" if day is None or line.holds_on(day) else ", expired"
        rows.append(
            f"{line.symbol:<{width}}  {'out' if line.out else 'in':<3}  {line.since}  "
            f"{expires:<16}  {reason(line)}{holds}"
        )
    return "\n".join(rows)


def rebuilt_report(info: Rebuilt) -> str:
    """Return how the low-volume list has changed."""
    waiting = (
        f"; {info.waiting:,} could not be evaluated and stay on the list" if info.waiting else ""
    )
    return (
        f"low-volume list of {info.session}: {info.listed:,} of {info.expected:,} symbols, below "
        f"{info.least:,.10g} dollars a session (the median of {info.sessions:,}), "
        f"{info.without_bars:,} of them without a bar\n"
        f"  {info.new:,} new, {info.gone:,} gone{waiting}; expires {info.expires}, "
        f"data version {info.data_version}"
    )
