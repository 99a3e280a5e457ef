"""Compare the symbols of a session with each other: rank, percentile, zscore; mean, median, ...

Values with the same key form a group: a session, or a sector within a session. NaN belongs to no
group.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def rank_in_groups(function: str, values: Matrix, keys: Matrix) -> Matrix:
    """Return the rank, percentile or zscore of each value in its group, in the shape of `values`.

    - rank: 1 is the highest value; equal values share the better rank.
    - percentile: the mean rank from below of equal values, divided by the group's size; the highest
      value has 1.
    - zscore: (value - mean) / population standard deviation; NaN if all values are equal.

    A value that belongs to no group gets NaN.
    """
    positions, ordered, starts, sizes = _sort_into_groups(values, keys)
    group = np.repeat(np.arange(len(starts)), sizes)
    if function == "zscore":
        with np.errstate(all="ignore"):
            mean = np.add.reduceat(ordered, starts) / sizes if len(starts) else ordered
            differences = ordered - mean[group]
            deviation = (
                np.sqrt(np.add.reduceat(differences**2, starts) / sizes) if len(starts) else ordered
            )
            result = differences / deviation[group]
        result[~np.isfinite(result)] = np.nan
        return _restore_shape(result, positions, values)
    # Values ascend within a group, so equal values form a run.
    first_of_run = np.ones(len(ordered), dtype=bool)
    first_of_run[1:] = (ordered[1:] != ordered[:-1]) | (group[1:] != group[:-1])
    run = np.cumsum(first_of_run) - 1
    run_starts = np.flatnonzero(first_of_run)
    run_ends = np.append(run_starts[1:], len(ordered))
    group_start = starts[group]
    if function == "rank":
        result = (group_start + sizes[group] - run_ends[run] + 1).astype(float)
    else:
        result = ((run_starts[run] + run_ends[run] + 1) / 2 - group_start) / sizes[group]
    return _restore_shape(result, positions, values)


def aggregate_groups(function: str, values: Matrix, keys: Matrix) -> Matrix:
    """Return the aggregate of each group at every position with its key, in the shape of `values`.

    - pct: the share of known truths that hold.
    - count: how many truths hold.
    - mean, median, sum: of the known numbers.
    """
    _, ordered, starts, sizes = _sort_into_groups(values, keys)
    group_keys = np.unique(keys[~np.isnan(keys) & ~np.isnan(values)])
    if not len(group_keys):
        return np.full(values.shape, np.nan)
    sums = np.add.reduceat(ordered, starts)
    if function in ("count", "sum"):
        group_values = sums
    elif function == "median":
        last = starts + sizes - 1
        middle = starts + (sizes - 1) // 2
        upper = np.minimum(middle + (sizes % 2 == 0), last)
        group_values = (ordered[middle] + ordered[upper]) / 2
    else:
        group_values = sums / sizes
    groups = np.minimum(np.searchsorted(group_keys, keys), len(group_keys) - 1)
    result: Matrix = np.where(group_keys[groups] == keys, group_values[groups], np.nan)
    return result


def _sort_into_groups(
    values: Matrix, keys: Matrix
) -> tuple[NDArray[np.intp], Matrix, NDArray[np.intp], NDArray[np.intp]]:
    """Return positions of known values by group and value, these values, group starts and sizes."""
    flat, flat_keys = values.ravel(), keys.ravel()
    known = np.flatnonzero(~(np.isnan(flat) | np.isnan(flat_keys)))
    order, starts, sizes = order_in_groups(
        np.unique(flat_keys[known], return_inverse=True)[1], flat[known]
    )
    positions = known[order]
    return positions, flat[positions], starts, sizes


def order_in_groups(
    groups: NDArray[np.int64], values: Matrix
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the order of values by group and value, and the start and size of each group.

    `groups` are numbers from 0 on; equal values of a group are in any order, and NaN comes last. A
    radix sort of the groups, and then one sort of each, take a third of the time of one by both.
    """
    sizes = np.bincount(groups)
    sizes = sizes[sizes > 0]
    starts = np.cumsum(sizes) - sizes
    small = np.int16 if len(groups) and groups.max() < 2**15 else np.int64
    order = np.argsort(groups.astype(small), kind="stable")
    for begin, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        of_group = order[begin : begin + size]
        order[begin : begin + size] = of_group[np.argsort(values[of_group])]
    return order, starts, sizes


def _restore_shape(result: Matrix, positions: NDArray[np.intp], values: Matrix) -> Matrix:
    flat = np.full(values.size, np.nan)
    flat[positions] = result
    return flat.reshape(values.shape)
