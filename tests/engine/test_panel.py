"""Panels against a model of lists and dictionaries, on random stores with holes and actions."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import Dividend, SessionBars, Split
from marketsweep.engine.panel.adjustments import Adjust, History
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel, build_panel
from marketsweep.market import Market
from marketsweep.store.store import Store
from tests.helpers import reference
from tests.helpers.markets import put_words

Values = tuple[float, ...]
Bar = tuple[dt.date, Values]

DAY = dt.timedelta(days=1)
ADJUST: tuple[Adjust, ...] = ("none", "splits", "total")


@dataclass
class Model:
    """A market by definition: the bars of each symbol, and its splits and dividends."""

    days: list[dt.date]
    bars: dict[str, list[Bar]]
    splits: list[Split] = field(default_factory=list)
    dividends: list[Dividend] = field(default_factory=list)

    def until(self, as_of: dt.date) -> Model:
        """Return what was known on a day."""
        return Model(
            [day for day in self.days if day <= as_of],
            {s: [bar for bar in bars if bar[0] <= as_of] for s, bars in self.bars.items()},
            [split for split in self.splits if split.ex_date <= as_of],
            [dividend for dividend in self.dividends if dividend.ex_date <= as_of],
        )

    def adjusted(self, symbol: str, adjust: Adjust) -> list[Values]:
        """Return a symbol's bars, oldest first, adjusted for all later splits and dividends."""
        splits = [s for s in self.splits if s.symbol == symbol and adjust != "none"]
        dividends = [d for d in self.dividends if d.symbol == symbol and adjust == "total"]
        rows = []
        for day, values in self.bars[symbol]:
            price, shares = 1.0, 1.0
            for split in splits:
                if day < split.ex_date:
                    price *= split.old / split.new
                    shares *= split.new / split.old
            for day_dividends in self.by_session(dividends):
                if day < day_dividends[0].ex_date:
                    price *= self.kept(day_dividends)
            rows.append((*(value * price for value in values[:4]), values[4] * shares))
        return rows

    def by_session(self, dividends: Sequence[Dividend]) -> list[list[Dividend]]:
        """Group dividends by the session from which they count."""
        groups: dict[dt.date, list[Dividend]] = {}
        for dividend in sorted(dividends, key=lambda paid: paid.ex_date):
            session = next((day for day in self.days if day >= dividend.ex_date), dt.date.max)
            groups.setdefault(session, []).append(dividend)
        return list(groups.values())

    def kept(self, dividends: Sequence[Dividend]) -> float:
        """Return the share of a price that remains after dividends; 1 if they exceed the price."""
        paid = 0.0
        for dividend in dividends:
            bars = [bar for bar in self.bars[dividend.symbol] if bar[0] < dividend.ex_date]
            price = bars[-1][1][3]
            for split in self.splits:
                # The cash is paid per share of the ex-date.
                is_own = split.symbol == dividend.symbol
                if is_own and bars[-1][0] < split.ex_date <= dividend.ex_date:
                    price *= split.old / split.new
            paid += dividend.cash / price if dividend.cash < price else 0.0
        return 1 - paid if paid < 1 else 1.0

    def unchanged(self, symbol: str) -> int:
        """Return how many bars before the newest have the same high, low and close."""
        prices = [values[1:4] for _, values in self.bars[symbol]]
        count = 0
        while count + 1 < len(prices) and prices[-2 - count] == prices[-1]:
            count += 1
        return count


def random_bar(chance: random.Random) -> Values:
    low = round(chance.uniform(5, 50), 2)
    close, opened = low + chance.random(), low + chance.random()
    return opened, low + 1, low, close, float(chance.randrange(10**6))


def random_model(chance: random.Random, symbols: int) -> Model:
    """Create some months of bars: symbols begin late, end early, pause, or stay unchanged at the
    end.
    """
    start = dt.date(2015, 11, 1) + chance.randrange(60) * DAY
    days = sessions_in_range(start, start + chance.randrange(30, 130) * DAY)
    bars: dict[str, list[Bar]] = {}
    for number in range(symbols):
        first = chance.choice([0, 0, chance.randrange(len(days))])
        last = chance.choice([len(days), len(days), chance.randrange(first, len(days)) + 1])
        density = chance.choice([1.0, 0.9, 0.4])
        rows = [(day, random_bar(chance)) for day in days[first:last] if chance.random() < density]
        for i in range(chance.choice([0, 0, 1, 5, 30])):
            if i + 1 < len(rows):
                day, values = rows[-2 - i]
                rows[-2 - i] = (day, (values[0], *rows[-1][1][1:4], values[4]))
        if rows:
            bars[f"S{number}"] = rows
    return Model(days, bars)


def add_actions(chance: random.Random, model: Model) -> None:
    """Add actions on any day: weekends, days before the first session and after the last included.

    Some dividends are on the day of a split, and some are larger than the price.
    """
    span = [model.days[0] + n * DAY for n in range(-10, (model.days[-1] - model.days[0]).days + 10)]
    for symbol in model.bars:
        ex_dates = chance.sample(span, chance.choice([0, 1, 3]))
        model.splits += [
            Split(symbol, day, *chance.choice([(1.0, 2.0), (10.0, 1.0), (2.0, 3.0)]))
            for day in ex_dates
        ]
        for day in chance.choices([*span, *ex_dates], k=chance.choice([0, 2, 6])):
            cash = chance.choice([0.1, 0.25, 1.5, 70.0])
            model.dividends.append(Dividend(symbol, day, cash))


def cleaned(model: Model) -> Model:
    """Remove repeated dividends, which a sync adds up, or those before all bars."""
    dividends = []
    for dividend in dict.fromkeys(model.dividends):
        before = [day for day, _ in model.bars[dividend.symbol] if day < dividend.ex_date]
        if before:
            dividends.append(dividend)
    return Model(model.days, model.bars, model.splits, dividends)


def store_model(path: Path, model: Model, chance: random.Random) -> Store:
    """Store the model, committed in batches of random size."""
    sessions: dict[dt.date, list[tuple[str, Values]]] = {}
    for symbol, bars in model.bars.items():
        for day, values in bars:
            sessions.setdefault(day, []).append((symbol, values))
    days = sorted(sessions)
    store = Store.create(path)
    with store.writer() as writer:
        while days:
            size = chance.choice([1, 7, 100])
            batch, days = days[:size], days[size:]
            writer.commit([session(day, sessions[day]) for day in batch], "test")
        put_words(writer, model.splits)
        writer.put_dividends(model.dividends)
    model.days[:] = sorted(sessions)
    return store


def session(day: dt.date, rows: Sequence[tuple[str, Values]]) -> SessionBars:
    values = np.array([values for _, values in rows]).reshape(-1, len(FIELDS))
    return SessionBars(day, [symbol for symbol, _ in rows], np.ascontiguousarray(values.T))


def load(
    store: Store,
    as_of: dt.date,
    symbols: Sequence[str],
    depth: int,
    adjust: Adjust,
    fields: Sequence[str] = FIELDS,
) -> Panel:
    with store.snapshot() as snapshot:
        history = History(snapshot, as_of)
        columns = np.array([snapshot.index[symbol] for symbol in symbols], dtype=np.int64)
        before = columns.copy()
        survey = history.survey(columns, depth)
        panel = build_panel(history, columns, survey, fields, adjust, Reference([], list, as_of))
        assert (columns == before).all()
        return panel


def assert_panel(panel: Panel, model: Model, depth: int, adjust: Adjust) -> None:
    """Check that the panel holds what the model knows, and nothing else."""
    assert panel.as_of == model.days[-1]
    assert panel.rows == max(1, *panel.bars.tolist())
    for lane, symbol in enumerate(panel.symbols):
        own_bars = model.bars[symbol]
        bars, age = int(panel.bars[lane]), int(panel.age[lane])
        needed = depth + model.unchanged(symbol) if own_bars else 0
        assert min(len(own_bars), needed) <= bars <= min(len(own_bars), needed + 1)
        newest = model.days.index(own_bars[-1][0]) if own_bars else -1
        assert age == len(model.days) - 1 - newest
        expected = np.full((panel.rows, len(FIELDS)), np.nan)
        if bars:
            expected[-bars:] = model.adjusted(symbol, adjust)[-bars:]
        for name in panel.fields:
            column = panel.matrix(name)[:, lane]
            np.testing.assert_allclose(column, expected[:, FIELDS.index(name)], rtol=1e-13)


def assert_layout(panel: Panel) -> None:
    """Check that empty lanes are NaN, longer histories come first, and arrays are read-only."""
    assert sorted(panel.bars.tolist(), reverse=True) == panel.bars.tolist()
    for name, tiles in panel.fields.items():
        assert tiles.dtype == np.float64
        assert tiles.flags.c_contiguous
        assert not tiles.flags.writeable
        lanes = tiles.transpose(1, 0, 2).reshape(panel.rows, -1)
        assert np.isnan(lanes[:, len(panel.symbols) :]).all()
        assert np.array_equal(lanes[:, : len(panel.symbols)], panel.matrix(name), equal_nan=True)


@pytest.mark.parametrize("seed", range(12))
def test_panels_equal_the_model(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    model = random_model(chance, chance.choice([1, 9, 40]))
    add_actions(chance, model)
    model = cleaned(model)
    with store_model(tmp_path, model, chance) as store:
        for as_of in {*chance.sample(model.days, min(3, len(model.days))), model.days[-1]}:
            known = model.until(as_of)
            for adjust in ADJUST:
                symbols = chance.sample(sorted(model.bars), chance.randint(1, len(model.bars)))
                fields = chance.sample(FIELDS, chance.randint(1, len(FIELDS)))
                depth = chance.choice([1, 2, 20, 1000])
                panel = load(store, as_of, symbols, depth, adjust, fields)
                assert sorted(panel.symbols) == sorted(symbols)
                assert set(panel.fields) == set(fields)
                assert_panel(panel, known, depth, adjust)
                assert_layout(panel)


@pytest.mark.parametrize("seed", range(4))
def test_a_past_session_sees_nothing_of_what_came_later(seed: int, tmp_path: Path) -> None:
    chance = random.Random(1000 + seed)
    model = random_model(chance, 25)
    add_actions(chance, model)
    model = cleaned(model)
    with store_model(tmp_path / "whole", model, chance) as whole:
        as_of = model.days[len(model.days) * 2 // 3]
        known = model.until(as_of)
        symbols = [symbol for symbol, bars in known.bars.items() if bars]
        known.bars = {symbol: known.bars[symbol] for symbol in symbols}
        with store_model(tmp_path / "then", known, chance) as then:
            for adjust in ADJUST:
                now, past = (load(store, as_of, symbols, 30, adjust) for store in (whole, then))
                assert now.symbols == past.symbols
                assert (now.age == past.age).all()
                for name in FIELDS:
                    assert np.array_equal(now.matrix(name), past.matrix(name), equal_nan=True)


# Actions by hand, with the arithmetic written out

FRIDAY, MONDAY = dt.date(2016, 1, 8), dt.date(2016, 1, 11)
WEEK = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 1, 15))


def flat(close: float, days: Sequence[dt.date] = WEEK) -> Model:
    """Return a model of one symbol with the same close every day."""
    bars: list[Bar] = [(day, (close, close, close, close, 100.0)) for day in days]
    return Model(list(days), {"A": bars})


def closes(path: Path, model: Model, adjust: Adjust, as_of: dt.date = WEEK[-1]) -> list[float]:
    with store_model(path, model, random.Random(0)) as store:
        column: list[float] = load(store, as_of, ["A"], 100, adjust).matrix("close")[:, 0].tolist()
        return column


@pytest.mark.parametrize(
    ("ex_date", "before"),
    [
        (WEEK[0] - DAY, 0),
        (WEEK[0], 0),
        (FRIDAY, 4),
        (FRIDAY + DAY, 5),
        (FRIDAY + 2 * DAY, 5),
        (MONDAY, 5),
        (WEEK[-1], 9),
        (WEEK[-1] + DAY, 0),
    ],
)
def test_an_ex_date_on_any_day(ex_date: dt.date, before: int, tmp_path: Path) -> None:
    model = flat(10.0)
    model.splits = [Split("A", ex_date, 1, 4)]
    assert closes(tmp_path / "split", model, "splits") == [2.5] * before + [10.0] * (10 - before)
    assert closes(tmp_path / "raw", model, "none") == [10.0] * 10
    model.splits, model.dividends = [], [Dividend("A", ex_date, 2.0)]
    assert closes(tmp_path / "paid", model, "total") == [8.0] * before + [10.0] * (10 - before)
    assert closes(tmp_path / "kept", model, "splits") == [10.0] * 10


def test_a_dividend_on_the_day_of_a_split_is_paid_on_the_new_shares(tmp_path: Path) -> None:
    model = flat(10.0)
    model.splits, model.dividends = [Split("A", FRIDAY, 1, 2)], [Dividend("A", FRIDAY, 1.0)]
    # 10 dollars became two shares of 5, of which each paid 1.
    assert closes(tmp_path, model, "total") == [4.0] * 4 + [10.0] * 6


def test_a_dividend_is_measured_at_the_last_close_before_a_hole(tmp_path: Path) -> None:
    model = flat(10.0, [*WEEK[:3], *WEEK[7:]])
    model.bars["B"] = [(day, (1.0, 1.0, 1.0, 1.0, 1.0)) for day in WEEK]
    model.dividends = [Dividend("A", WEEK[6], 5.0)]
    assert closes(tmp_path, model, "total") == [5.0] * 3 + [10.0] * 3


def test_ages_and_absence(tmp_path: Path) -> None:
    model = flat(10.0)
    model.bars["OLD"] = [(day, (1.0, 1.0, 1.0, 1.0, 1.0)) for day in WEEK[:3]]
    model.bars["NEW"] = [(day, (1.0, 1.0, 1.0, 1.0, 1.0)) for day in WEEK[8:]]
    with store_model(tmp_path, model, random.Random(0)) as store, store.snapshot() as snapshot:
        columns = np.array([snapshot.index[s] for s in ("A", "OLD", "NEW")], dtype=np.int64)
        history = History(snapshot, WEEK[-1])
        still = [10, 3, 2]  # all quotes are unchanged
        surveyed = [x.tolist() for x in history.survey(columns, 100)]
        assert surveyed == [[10, 3, 2], [0, 7, 0], still]
        surveyed = [x.tolist() for x in history.survey(columns, 100, sessions=4)]
        assert surveyed == [[4, 0, 2], [0, 10, 0], [4, 0, 2]]
        past = History(snapshot, WEEK[4])
        surveyed = [x.tolist() for x in past.survey(columns, 100)]
        assert surveyed == [[5, 3, 0], [0, 2, 5], [5, 3, 0]]
        panel = load(store, WEEK[4], ["NEW"], 100, "splits")
        assert panel.rows == 1
        assert np.isnan(panel.matrix("close")).all()
        assert history.presence(columns).T.tolist() == [
            [True] * 10,
            [True] * 3 + [False] * 7,
            [False] * 8 + [True] * 2,
        ]
        assert past.presence(columns).sum(axis=0).tolist() == [5, 3, 0]


def test_volume_grows_as_prices_fall(tmp_path: Path) -> None:
    model = flat(10.0)
    model.splits = [Split("A", MONDAY, 1, 4), Split("A", FRIDAY, 10, 1)]
    model.dividends = [Dividend("A", MONDAY, 0.5)]
    with store_model(tmp_path, model, random.Random(0)) as store:
        for adjust in ("splits", "total"):
            volume = load(store, WEEK[-1], ["A"], 100, adjust).matrix("volume")[:, 0].tolist()
            assert volume == [40.0] * 4 + [400.0] + [100.0] * 5


# Values do not depend on the length of the history

SETTLED = ("ema(20)", "ema(50)", "rsi(14)", "adx(14)", "atr(14)")


def walks(symbols: int, days: list[dt.date]) -> Model:
    """Create random walks whose last bars repeat, as those of a halted stock."""
    r = np.random.default_rng(20160104)
    bars: dict[str, list[Bar]] = {}
    for number in range(symbols):
        close = 50 * np.exp(np.cumsum(r.normal(0, 0.02, len(days))))
        high, low = close * (1 + r.uniform(0, 0.01, len(days))), close * 0.99
        frozen = len(days) - (0, 1, 2, 15, 60, 120)[number % 6]
        rows: list[Bar] = []
        for i, day in enumerate(days):
            source = min(i, frozen)
            if i == len(days) - 1 or r.random() < 0.97:
                values = (close[source], high[source], low[source], close[source], 1000.0)
                rows.append((day, tuple(map(float, values))))
        bars[f"S{number}"] = rows
    return Model(days, bars)


def scanned(path: Path, model: Model) -> dict[str, dict[str, float]]:
    store = store_model(path, model, random.Random(0))
    with Market(store) as market:
        hits = market.scan("close > 0", columns=SETTLED)
        return {match.symbol: dict(match.values) for match in hits.matches}


def test_values_do_not_depend_on_how_much_history_is_stored(tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2013, 1, 2), dt.date(2016, 12, 30))
    assert len(days) > 1000
    model = walks(12, days)
    short = Model(
        days[-750:], {s: [b for b in bars if b[0] >= days[-750]] for s, bars in model.bars.items()}
    )
    long, recent = scanned(tmp_path / "long", model), scanned(tmp_path / "short", short)
    assert set(long) == set(recent) == set(model.bars)
    for symbol, bars in model.bars.items():
        expected = by_definition(np.array([values for _, values in bars]))
        assert long[symbol] == pytest.approx(expected, rel=1e-10)
        assert recent[symbol] == pytest.approx(expected, rel=1e-10)


def by_definition(bars: NDArray[np.float64]) -> dict[str, float]:
    """Return the values over the whole history, from its first bar on."""
    _, high, low, close, _ = bars.T
    values = {
        "ema(20)": reference.ema(close, 20),
        "ema(50)": reference.ema(close, 50),
        "rsi(14)": reference.rsi(close, 14),
        "adx(14)": reference.adx(high, low, close, 14),
        "atr(14)": reference.atr(high, low, close, 14),
    }
    return {name: float(outputs[0][-1]) for name, outputs in values.items()}
