"""The base class of all results that are tables: conversion to other libraries and notebooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Frame(ABC):
    """A result that is a table with a receipt."""

    __slots__ = ()

    @abstractmethod
    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame."""

    @property
    @abstractmethod
    def receipt(self) -> str:
        """The coverage of the result, in one sentence."""

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas frame; needs `marketsweep[pandas]`."""
        return self.to_polars().to_pandas()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the table as an Arrow C stream, for any library that reads one."""
        return self.to_polars().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        return f"{self.to_polars()._repr_html_()}<p>{self.receipt}</p>"


def mark_columns(
    suspicious: Sequence[str], unsettled: Sequence[tuple[str, ...]]
) -> dict[str, pl.Series]:
    """Return the text columns that say what is doubtful in each row: its bars and its values."""
    import polars as pl  # 400 ms to import, and few callers need it

    return {
        "suspicious": pl.Series(suspicious, dtype=pl.String),
        "unsettled": pl.Series(map("; ".join, unsettled), dtype=pl.String),
    }


def frame_values(values: Mapping[str, NDArray[Any]]) -> dict[str, pl.Series | NDArray[Any]]:
    """Return columns of numbers, dates and texts for a frame: texts are strings even if unknown."""
    import polars as pl  # as above

    return {
        name: pl.Series(column.tolist(), dtype=pl.String) if column.dtype == object else column
        for name, column in values.items()
    }
