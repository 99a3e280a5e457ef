"""The dominant cycle against a slow twin of Ehlers' formulas, where TA-Lib leaves rounding errors.

TA-Lib smooths the price by running sums. While a quote stands still, the errors of these sums are
all that moves, so that TA-Lib's cycle is that of the errors. test_talib.py compares all other bars.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.helpers.markets import Bars, example_bars, example_matrices
from tests.language.test_talib import evaluated

Series = NDArray[np.float64]
"""[rows, symbols], every symbol from row 0 on."""


class Cycle:
    """John Ehlers, Rocket Science for Traders (2001): the loop of its listings, bar by bar.

    Everything is 0 before bar `first`.
    """

    def __init__(self, price: Series, first: int) -> None:
        self.price, self.first = price, first
        self.rows = len(price)
        self.smooth, self.detrender, self.i1, self.q1 = (np.zeros_like(price) for _ in range(4))
        self.smooth_period = np.zeros_like(price)
        i2, q2, re, im, period = (np.zeros_like(price) for _ in range(5))
        for t in range(first, self.rows):
            p = price
            self.smooth[t] = (4 * p[t] + 3 * p[t - 1] + 2 * p[t - 2] + p[t - 3]) / 10
            gain = 0.075 * period[t - 1] + 0.54
            self.detrender[t] = gain * self.transform(self.smooth, t)
            self.q1[t] = gain * self.transform(self.detrender, t)
            self.i1[t] = self.detrender[t - 3]
            i = self.i1[t] - gain * self.transform(self.q1, t)
            q = self.q1[t] + gain * self.transform(self.i1, t)
            i2[t], q2[t] = 0.2 * i + 0.8 * i2[t - 1], 0.2 * q + 0.8 * q2[t - 1]
            re[t] = 0.2 * (i2[t] * i2[t - 1] + q2[t] * q2[t - 1]) + 0.8 * re[t - 1]
            im[t] = 0.2 * (i2[t] * q2[t - 1] - q2[t] * i2[t - 1]) + 0.8 * im[t - 1]
            angle = np.degrees(np.arctan(im[t] / re[t]))
            raw = np.where((re[t] != 0) & (im[t] != 0), 360 / angle, period[t - 1])
            raw = np.minimum(raw, 1.5 * period[t - 1])
            raw = np.maximum(raw, 0.67 * period[t - 1])
            period[t] = 0.2 * np.clip(raw, 6, 50) + 0.8 * period[t - 1]
            self.smooth_period[t] = 0.33 * period[t] + 0.67 * self.smooth_period[t - 1]
        self.bars = np.floor(self.smooth_period + 0.5)

    @staticmethod
    def transform(x: Series, t: int) -> NDArray[Any]:
        out: NDArray[Any] = 0.0962 * (x[t] - x[t - 6]) + 0.5769 * (x[t - 2] - x[t - 4])
        return out

    def phase(self) -> Series:
        out = np.zeros_like(self.price)
        for t in range(self.first, self.rows):
            real, imag = np.zeros_like(out[t]), np.zeros_like(out[t])
            for k in range(min(50, t)):
                angle = np.where(k < self.bars[t], 2 * np.pi * k / self.bars[t], np.nan)
                move = self.smooth[t - k] - self.smooth[t]  # a whole turn of a constant is 0
                real += np.nan_to_num(np.sin(angle) * move)
                imag += np.nan_to_num(np.cos(angle) * move)
            place = np.degrees(np.arctan(np.where(real == 0, 0, real / imag)))
            place += 90 + 360 / self.smooth_period[t] + np.where(imag < 0, 180, 0)
            out[t] = np.where(place > 315, place - 360, place)
        return out

    def trendline(self) -> Series:
        mean = np.zeros_like(self.price)
        for t in range(self.first, self.rows):
            sums = [(k < self.bars[t]) * self.price[t - k] for k in range(min(50, t))]
            mean[t] = sum(sums) / np.maximum(self.bars[t], 1)
        line = np.zeros_like(mean)
        line[3:] = (4 * mean[3:] + 3 * mean[2:-1] + 2 * mean[1:-2] + mean[:-3]) / 10
        return line

    def mode(self) -> Series:
        phase, line, out = np.radians(self.phase()), self.trendline(), np.zeros_like(self.price)
        sine, lead = np.sin(phase), np.sin(phase + np.pi / 4)
        days = np.zeros_like(out[0])
        for t in range(self.first + 1, self.rows):
            crosses = (sine[t] > lead[t]) & (sine[t - 1] <= lead[t - 1])
            crosses |= (sine[t] < lead[t]) & (sine[t - 1] >= lead[t - 1])
            days = np.where(crosses, 0, days) + 1
            turn = (phase[t] - phase[t - 1]) / (2 * np.pi / self.smooth_period[t])
            cycles = (days < self.smooth_period[t] / 2) | ((turn > 0.67) & (turn < 1.5))
            out[t] = ~cycles | (np.abs(self.smooth[t] / line[t] - 1) >= 0.015)
        return out

    def mama(self, fast: float, slow: float) -> tuple[Series, Series]:
        mama, fama = np.zeros_like(self.price), np.zeros_like(self.price)
        zero = self.i1 == 0
        phase = np.where(zero, 0, np.degrees(np.arctan(self.q1 / np.where(zero, 1, self.i1))))
        for t in range(self.first, self.rows):
            alpha = np.maximum(fast / np.maximum(phase[t - 1] - phase[t], 1), slow)
            alpha = np.where(phase[t - 1] - phase[t] > 1, alpha, fast)
            mama[t] = alpha * self.price[t] + (1 - alpha) * mama[t - 1]
            fama[t] = alpha / 2 * mama[t] + (1 - alpha / 2) * fama[t - 1]
            # Where the part in phase is 0 but for rounding errors, so is the weight.
            moved = (self.price[t - 12 : t] != self.price[t]).any(axis=0)
            tie = moved & (t > self.first + 3) & (np.abs(self.i1[t]) < 1e-12 * self.price[t])
            mama[t][tie] = fama[t][tie] = np.nan
        return mama, fama


@cache
def twins() -> tuple[Bars, dict[str, Series]]:
    """A year of bars of symbols, half of which stand still most often, and the twin's values."""
    counts = (
        example_bars()
        .group_by("symbol")
        .agg(pl.len().alias("bars"), (pl.col("close").diff() == 0).sum().alias("still"))
    )
    names = counts.filter(pl.col("bars") >= 252).sort("still", "symbol")["symbol"]
    bars = example_matrices([*names[:-50:80], *names[-50:]])
    whole = ~np.isnan(bars["close"]).any(axis=0)
    bars = {name: np.ascontiguousarray(matrix[:, whole]) for name, matrix in bars.items()}
    assert whole.sum() > 80
    with np.errstate(all="ignore"):
        early, late = Cycle(bars["close"], 12), Cycle(bars["close"], 37)
        phase = late.phase()
        mama, fama = early.mama(0.5, 0.05)
        want = {
            "ht_dcperiod()": early.smooth_period,
            "ht_phasor().inphase": early.i1,
            "ht_phasor().quadrature": early.q1,
            "ht_dcphase()": phase,
            "ht_sine().sine": np.sin(np.radians(phase)),
            "ht_sine().leadsine": np.sin(np.radians(phase + 45)),
            "ht_trendline()": late.trendline(),
            "ht_trendmode()": late.mode(),
            "mama().mama": mama,
            "mama().fama": fama,
        }
    return bars, want


CALLS = (
    *("ht_dcperiod()", "ht_phasor().inphase", "ht_phasor().quadrature", "ht_dcphase()"),
    *("ht_sine().sine", "ht_sine().leadsine", "ht_trendline()", "ht_trendmode()"),
    *("mama().mama", "mama().fama"),
)


@pytest.mark.parametrize("call", CALLS)
def test_equals_ehlers_formulas_where_quotes_stand_still(call: str) -> None:
    bars, wants = twins()
    first = 63 if "ht_" in call and "period" not in call and "phasor" not in call else 32
    (got,) = evaluated([call], bars)
    want = wants[call][first:]
    known = ~np.isnan(want)
    assert known.mean() > (0.5 if call.startswith("mama") else 0.9999)
    assert np.isnan(got[:first]).all()
    np.testing.assert_allclose(got[first:][known], want[known], rtol=1e-9, atol=1e-9)
