"""Numbers of symbols, compared within groups: rank, percentile, zscore; mean, median, ...

A group is all that have the same key, of a session and perhaps a sector. NaN is in no group.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def standing(function: str, values: Matrix, keys: Matrix) -> Matrix:
    """Where each value stands in its group, in the shape of `values`; NaN for what is in none.

    rank: 1 is the highest, equal ones share the better place. percentile: the mean rank from
    below, of equal ones, as a share of the group; the highest has 1. zscore: distance from the
    mean in population standard deviations, unknown where all are equal.
    """
    order, value, starts, sizes = _grouped(values, keys)
    group = np.repeat(np.arange(len(starts)), sizes)
    if function == "zscore":
        with np.errstate(all="ignore"):
            mean = np.add.reduceat(value, starts) / sizes if len(starts) else value
            away = value - mean[group]
            deviation = np.sqrt(np.add.reduceat(away**2, starts) / sizes) if len(starts) else value
            found = away / deviation[group]
        found[~np.isfinite(found)] = np.nan
        return _back(found, order, values)
    # Values ascend within a group: those that are equal make runs.
    first_of_run = np.ones(len(value), dtype=bool)
    first_of_run[1:] = (value[1:] != value[:-1]) | (group[1:] != group[:-1])
    run = np.cumsum(first_of_run) - 1
    begins = np.flatnonzero(first_of_run)
    ends = np.append(begins[1:], len(value))
    within = starts[group]
    if function == "rank":
        found = (within + sizes[group] - ends[run] + 1).astype(float)
    else:
        found = ((begins[run] + ends[run] + 1) / 2 - within) / sizes[group]
    return _back(found, order, values)


def aggregated(function: str, values: Matrix, keys: Matrix) -> Matrix:
    """One number of each group, at all that have its key, in the shape of `values`.

    pct: the share of truths among those that are known; count: how many hold; mean, median, sum.
    """
    _, value, starts, sizes = _grouped(values, keys)
    names = np.unique(keys[~np.isnan(keys) & ~np.isnan(values)])
    if not len(names):
        return np.full(values.shape, np.nan)
    sums = np.add.reduceat(value, starts)
    if function in ("count", "sum"):
        of_group = sums
    elif function == "median":
        last = starts + sizes - 1
        middle = starts + (sizes - 1) // 2
        upper = np.minimum(middle + (sizes % 2 == 0), last)
        of_group = (value[middle] + value[upper]) / 2
    else:
        of_group = sums / sizes
    places = np.minimum(np.searchsorted(names, keys), len(names) - 1)
    found: Matrix = np.where(names[places] == keys, of_group[places], np.nan)
    return found


def _grouped(
    values: Matrix, keys: Matrix
) -> tuple[NDArray[np.intp], Matrix, NDArray[np.intp], NDArray[np.intp]]:
    """Places of the known values by group and value, these, and each group's start and size."""
    flat, key = values.ravel(), keys.ravel()
    places = np.flatnonzero(~(np.isnan(flat) | np.isnan(key)))
    order = places[np.lexsort((flat[places], key[places]))]
    _, starts, sizes = np.unique(key[order], return_index=True, return_counts=True)
    return order, flat[order], starts, sizes


def _back(found: Matrix, order: NDArray[np.intp], values: Matrix) -> Matrix:
    whole = np.full(values.size, np.nan)
    whole[order] = found
    return whole.reshape(values.shape)
