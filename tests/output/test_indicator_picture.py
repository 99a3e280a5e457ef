"""Small pictures of indicators: dots in a terminal, and SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import talib

from marketsweep.language.indicators.table import INDICATORS
from marketsweep.output.charts.dots import dots_of
from marketsweep.output.charts.indicator_picture import (
    SHOWN,
    curves_of,
    made_bars,
    pattern_picture,
    picture_of,
)
from tests.helpers.command import run

PATH = "{http://www.w3.org/2000/svg}path"


def numbers_of(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_made_bars_are_bars() -> None:
    bars = made_bars()
    assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()
    assert (bars["high"] >= np.maximum(bars["open"], bars["close"])).all()
    assert (bars["low"] > 0).all()
    assert (bars["volume"] > 0).all()
    assert all((made_bars()[name] == values).all() for name, values in bars.items())


def test_dots_of_a_rising_line() -> None:
    assert dots_of([np.arange(8.0)], 2) == ["⠀⠀⡠⠊ 7", "⡠⠊⠀⠀ 0"]


def test_dots_of_a_jump_are_joined() -> None:
    (row,) = dots_of([np.array([0.0, 0.0, 3.0, 3.0])], 1)
    assert row.endswith(" 0")
    bits = [ord(character) - 0x2800 for character in row[:2]]
    assert all(bits)
    assert bits[1] & 0b0110  # the column of the jump reaches down towards the value before


def test_unknown_values_have_no_dots() -> None:
    assert dots_of([np.full(4, np.nan)], 1) == ["⠀⠀"]
    assert dots_of([np.array([np.nan, np.nan, 1.0, 2.0])], 1)[0].startswith("⠀")


def test_an_average_is_drawn_with_the_price() -> None:
    bars = made_bars()
    svg = ElementTree.fromstring(picture_of(curves_of(INDICATORS["sma"], bars), bars))
    price, average = (numbers_of(path.attrib["d"]) for path in svg.iter(PATH))
    assert len(price) == len(average) == SHOWN
    close, mean = bars["close"][-SHOWN:], talib.SMA(bars["close"], 20)[-SHOWN:]
    # Both have one scale: heights fall as values rise.
    heights = np.array([y for _, y in price] + [y for _, y in average])
    slope, start = np.polyfit(np.concatenate([close, mean]), heights, 1)
    assert slope < 0
    np.testing.assert_allclose(start + slope * np.concatenate([close, mean]), heights, atol=0.1)


def test_an_oscillator_is_drawn_below_with_its_guides() -> None:
    bars = made_bars()
    svg = ElementTree.fromstring(picture_of(curves_of(INDICATORS["rsi"], bars), bars))
    classes = [path.get("class") for path in svg.iter(PATH)]
    assert classes[0] is None
    assert "c0" in classes
    assert "guide" in classes
    below = numbers_of(next(p.attrib["d"] for p in svg.iter(PATH) if p.get("class") == "c0"))
    assert min(y for _, y in below) > 80


def test_a_pattern_is_marked() -> None:
    bars = {name: values[:30] for name, values in made_bars().items()}
    svg = ElementTree.fromstring(pattern_picture(bars, np.arange(30) == 25))
    (mark,) = (path for path in svg.iter(PATH) if path.get("class") == "found")
    assert mark.attrib["d"].count("M") == 1
    assert (
        sum(p.attrib["d"].count("M") for p in svg.iter(PATH) if "body" in p.get("class", "")) == 30
    )


def test_the_command_shows_it() -> None:
    shown = run("indicators", "rsi").stdout
    assert "120 made bars: the close" in shown
    assert len(re.findall("[\u2801-\u28ff]", shown)) > 100
    for name in ("cdlhammer", "asin"):
        assert "made bars" not in run("indicators", name).stdout
