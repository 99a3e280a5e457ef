"""Tables of a page: plain ones, and cells that are coloured by their number."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of texts, with the names of its columns."""
    lines = ["".join(f"<th>{escape(name)}</th>" for name in header)]
    lines += ["".join(f"<td>{escape(text)}</td>" for text in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def coloured_cell(value: float, darkest: float, text: str, title: str, kind: str = "") -> str:
    """Return a cell, green above zero and red below; `darkest` is the value of the full colour."""
    share = min(1.0, abs(value) / darkest) if darkest > 0 else 0.0
    colour = "--up" if value >= 0 else "--down"
    style = f"background: color-mix(in srgb, var({colour}) {60 * share:.0f}%, transparent)"
    of_kind = f' class="{kind}"' if kind else ""
    return f'<td{of_kind} title="{escape(title)}" style="{style}">{escape(text)}</td>'
