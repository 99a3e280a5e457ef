"""What was understood of a file, for people who want to see it before they trust it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from marketsweep.records import Split


@dataclass(slots=True)
class Reading:
    """How a file was read."""

    path: Path
    kind: str
    """What sort of file: Parquet, Arrow, or text with its delimiter and encoding."""
    layout: str
    """Whose layout: Yahoo, Stooq, a Massive flat file, or columns by their names."""
    columns: dict[str, str] = field(default_factory=dict)
    """The file's name of each column that is used, by ours."""
    ignored: list[str] = field(default_factory=list)
    """Columns that are not used."""
    dates: str = ""
    """The form of the dates, in words."""
    decimal: str = "."
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    """What was decided, or is doubtful."""
    implied: list[Split] = field(default_factory=list)
    """Splits that adjusted closes imply."""

    def to_dict(self) -> dict[str, Any]:
        """The reading as plain data."""
        implied = [f"{one.symbol} {one.ex_date} factor {one.old:g}" for one in self.implied]
        return asdict(self) | {"path": str(self.path), "implied": implied}
