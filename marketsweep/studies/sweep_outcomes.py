"""What followed the events of each variant of a sweep, in the sample and out of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.studies.sharpe import Moments, exceeds, expected_maximum, moments

LEAST_EVENTS: Final = 30
LEAST_SESSIONS: Final = 10
"""A variant with fewer events, or with events in fewer sessions, is never called the best."""
_IN_SAMPLE: Final = 2 / 3
_FOLDS: Final = 4


class Figures(Struct, frozen=True):
    """The figures of one variant; returns are shares, None where unknown."""

    events: int
    mean: float | None
    hit_rate: float | None
    """The share of the outcomes above zero."""
    sharpe: float | None
    """The mean of the sessions' means, divided by their standard deviation."""
    mean_in: float | None
    """The mean of the first two thirds of the sessions."""
    mean_out: float | None
    """The mean of the sessions after those and after their outcomes."""


class Fold(Struct, frozen=True):
    """A step of the walk-forward: the best variant of the past, and what it did next."""

    train: tuple[int, int]
    """First and last session by which the variant is chosen, as numbers of the sweep's sessions."""
    test: tuple[int, int]
    variant: int | None
    """None if no variant has enough events."""
    mean_in: float | None
    mean_out: float | None
    others_out: float | None
    """The mean over all variants in the same sessions."""


class SweepOutcomes(Struct, frozen=True, eq=False, dict=True):
    """What followed the events of each variant; arrays are [variants, sessions]."""

    outcome: str
    horizon: int
    stored: int
    """How many of the sessions have a horizon that is stored whole; the first ones."""
    counts: NDArray[np.int64]
    above: NDArray[np.int64]
    sums: NDArray[np.floating]
    trials: int | None
    """Variants ever tried for this outcome in the data folder; None if it cannot be written."""

    @cached_property
    def in_sample(self) -> slice:
        """The first two thirds of the sessions with outcomes."""
        return slice(0, int(self.stored * _IN_SAMPLE))

    @cached_property
    def out_of_sample(self) -> slice:
        """The sessions after those, less those whose outcomes overlap with them."""
        return slice(min(self.stored, self.in_sample.stop + self.horizon), self.stored)

    @cached_property
    def figures(self) -> list[Figures]:
        """The figures of each variant."""
        whole = slice(0, self.stored)
        columns = zip(
            self.counts.sum(axis=1).tolist(),
            self.means(whole),
            self._share(self.above, whole),
            self._moments.sharpe,
            self.means(self.in_sample),
            self.means(self.out_of_sample),
            strict=True,
        )
        return [Figures(events, *map(_number, rest)) for events, *rest in columns]

    @cached_property
    def best(self) -> int | None:
        """The variant with the greatest Sharpe ratio among those with enough events."""
        return self._best(slice(0, self.stored))

    @cached_property
    def ranking(self) -> list[int]:
        """The variants by Sharpe ratio, the best first; those with few events come last."""
        enough = self._has_enough(slice(0, self.stored))
        sharpe = np.nan_to_num(self._moments.sharpe, nan=-np.inf)
        order: list[int] = np.lexsort((-sharpe, ~enough)).tolist()
        return order

    @cached_property
    def threshold(self) -> float | None:
        """The Sharpe ratio that the best of as many trials reaches by chance.

        Variants that are nearly the same have nearly the same ratio, but the trials of a data
        folder do not: the variance is at least that of a ratio of so many observations by chance.
        """
        enough = self._has_enough(slice(0, self.stored)) & ~np.isnan(self._moments.sharpe)
        if self.trials is None or not enough.any():
            return None
        ratios, known = self._moments.sharpe[enough], self._moments.known[enough]
        by_chance = self.horizon / float(np.median(known))
        among_variants = float(ratios.var(ddof=1)) if len(ratios) > 1 else 0.0
        return expected_maximum(max(by_chance, among_variants), max(self.trials, len(self.counts)))

    @cached_property
    def deflated(self) -> float | None:
        """The probability that the best variant's Sharpe ratio is not that of the luckiest trial.

        Outcomes that overlap are counted as one observation for each horizon.
        """
        if self.best is None or self.threshold is None:
            return None
        of = [float(column[self.best]) for column in self._moments]
        count, sharpe, skewness, kurtosis = of
        return _number(exceeds(sharpe, self.threshold, count / self.horizon, skewness, kurtosis))

    @cached_property
    def walk_forward(self) -> list[Fold]:
        """The best variant of all earlier sessions, and what it did next, span by span."""
        return list(self._folds())

    def means(self, sessions: slice) -> NDArray[np.float64]:
        """Return the mean outcome of each variant's events in some sessions."""
        return self._share(self.sums, sessions)

    def _folds(self) -> Iterator[Fold]:
        edges = np.linspace(0, self.stored, _FOLDS + 2).astype(int).tolist()
        for begin, end in pairwise(edges[1:]):
            # The outcomes of the last sessions before a test lie within it.
            train, test = slice(0, begin - self.horizon), slice(begin, end)
            if train.stop < LEAST_SESSIONS or begin >= end:
                continue
            best = self._best(train)
            means = self.means(test)
            known = means[~np.isnan(means)]
            yield Fold(
                train=(0, train.stop - 1),
                test=(begin, end - 1),
                variant=best,
                mean_in=None if best is None else _number(self.means(train)[best]),
                mean_out=None if best is None else _number(means[best]),
                others_out=float(known.mean()) if len(known) else None,
            )

    @cached_property
    def _by_session(self) -> NDArray[np.float64]:
        """The mean outcome of the events of each session; NaN without one."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.counts > 0, self.sums / self.counts, np.nan)

    @cached_property
    def _moments(self) -> Moments:
        return moments(self._by_session)

    def _has_enough(self, sessions: slice) -> NDArray[np.bool_]:
        counts = self.counts[:, sessions]
        enough: NDArray[np.bool_] = (counts.sum(axis=1) >= LEAST_EVENTS) & (
            (counts > 0).sum(axis=1) >= LEAST_SESSIONS
        )
        return enough

    def _best(self, sessions: slice) -> int | None:
        sharpe = moments(self._by_session[:, sessions]).sharpe
        sharpe = np.where(self._has_enough(sessions), sharpe, np.nan)
        return None if np.isnan(sharpe).all() else int(np.nanargmax(sharpe))

    def _share(self, part: NDArray[np.generic], sessions: slice) -> NDArray[np.float64]:
        counts = self.counts[:, sessions].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            share: NDArray[np.float64] = part[:, sessions].sum(axis=1) / counts
        return share


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
