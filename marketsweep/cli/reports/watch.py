"""The texts of `marketsweep watch`: what changed, and how far a scan can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketsweep.core.calendar import NEW_YORK

if TYPE_CHECKING:
    import datetime as dt

    from marketsweep.live.watch import Event, Receipt

_MOST_VALUES = 6


def event_line(event: Event, *, several: bool) -> str:
    """Return the line of a symbol that entered or left; `several` also names the condition."""
    sign = "+" if event.kind == "entered" else "-"
    close = "" if event.close is None else f"{event.close:,.2f}"
    shown = [f"{name} {_number(value)}" for name, value in event.values.items()][:_MOST_VALUES]
    why = "  ".join(shown) if event.kind == "entered" else f"not {' and not '.join(event.fails)}"
    name = f"  {event.condition}" if several else ""
    line = f"{_time(event.at)}  {sign} {event.kind:<7}  {event.symbol:<8}{close:>10}  {why}"
    return line.rstrip() + name


def receipt_lines(receipt: Receipt) -> list[str]:
    """Return what a scan covered, and how old its bars are."""
    counts = ", ".join(
        f"{len(symbols):,} match {name}" for name, symbols in receipt.matched.items()
    )
    lines = [
        f"{_time(receipt.at)} New York, {receipt.session}, {receipt.phase}: {counts}",
        f"  {receipt.traded:,} symbols with a bar today, {receipt.without_bar:,} of "
        f"{receipt.expected:,} expected ones without; scanned in {receipt.scan_s * 1000:.0f} ms",
    ]
    if receipt.newest_s is not None and receipt.median_s is not None:
        lines.append(f"  newest bar {_age(receipt.newest_s)} old, median {_age(receipt.median_s)}")
    if receipt.lost_s:
        lines.append(
            f"  connection lost for {receipt.lost_s:.0f} s in all ({receipt.reason}); a snapshot "
            "brought the bars of then"
        )
    return lines


def _time(at: dt.datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%H:%M:%S}"


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _number(value: Any) -> str:  # noqa: ANN401, what a column may hold
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
