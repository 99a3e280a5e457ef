"""Which told splits and dividends count, for which company, and on which day.

Sources tell actions under a ticker that the company had at another time, twice, with two ratios, on
a wrong day, or of prices that are adjusted already. A told action is never changed. A *ruling* says
what becomes of it, and why:

1. It is of the company that had the ticker on the ex-date, or of the one that had it at another
   time and was traded under another ticker on that day (`Companies.of`).
2. Splits of one company and day with different ratios are alternatives: the one that prices confirm
   counts. A split and its inverse are none (`_OfCompany`).
3. A split that is told twice within ten sessions counts on the days on which the price shows it.
4. A split that the price does not show on its ex-date, but within ten bars of it, counts where the
   price shows it. One that the price does not show at all does not count (`_judged`).
5. A dividend of the price or more does not count. One that equals another of the last ten sessions
   counts, and is named: it may be the same with another day (`_near_equals`).

The user's word on a company's splits or dividends of a day outweighs all of this.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from math import exp, log
from typing import Final, NamedTuple

import numpy as np

from marketsweep.core.records import Dividend, Settled, Split
from marketsweep.store.companies.companies import Companies, Series, Window
from marketsweep.store.companies.rulings import Kind, Ruling, Verdict, said

JUDGED: Final = log(1.25)
"""Smaller splits, as of spin-offs, are lost among ordinary moves of the price, in logs."""

AROUND: Final = 10
"""Bars around an ex-date in which the price may show a split that is told for another day."""

_SAME: Final = 1e-3
"""How far apart two ratios may be that are one, in logs."""

_ROUNDED: Final = 1e-2
"""How far apart two ratios of one day may be of which one is rounded, in logs."""

_DOUBTLESS: Final = 6
"""Times the usual overnight move of the price that a split must be to be seen beyond doubt."""

_HOLE: Final = 20
"""Sessions without a bar over which the price tells nothing of a split."""


_OFTEN: Final = 2
"""A company with more equal dividends in a year that are near each other pays every week."""


class Told(NamedTuple):
    """A told split, the session that it counts from, and the company's ticker in it."""

    split: Split
    place: int
    ticker: str

    @property
    def size(self) -> float:
        """The log of what the split multiplies prices before it by."""
        return log(self.split.old / self.split.new)


def judge_splits(
    splits: Iterable[Split], companies: Companies, series: Series, words: Sequence[Settled]
) -> list[Ruling]:
    """The ruling of each told split that is not applied just as it is told."""
    spoken = _spoken(words, "split", companies)
    rulings: list[Ruling] = []
    by_company: defaultdict[int | str, list[Told]] = defaultdict(list)
    for split in splits:
        place = companies.place(split.ex_date)
        # Before the first stored session, or after the newest one, there is nothing to adjust.
        if not 0 < place < len(companies.sessions):
            continue
        choices = companies.of(split.symbol, place)
        if choices:
            ticker, company = _likeliest(split, place, choices, series)
            if (company, place) in spoken:
                rulings.append(_ruling(split, Verdict.OVERRULED, None, None, "by your word"))
            else:
                by_company[company].append(Told(split, place, ticker))
        else:
            why = _nobody(split.symbol, companies)
            rulings.append(_ruling(split, Verdict.UNPLACED, None, None, why))
    for company, told in by_company.items():
        rulings += _OfCompany(company, companies, series).rulings(told)
    return rulings


def _likeliest(
    split: Split, place: int, choices: Sequence[tuple[str, int | str]], series: Series
) -> tuple[str, int | str]:
    """The company that a split is of: the one whose price shows it, else the first."""
    size = log(split.old / split.new)
    if len(choices) > 1 and abs(size) >= JUDGED:
        shown = [one for one in choices if _shows(series.around(one[1], place), size)]
        if len(shown) == 1:
            return shown[0]
    return choices[0]


class _OfCompany:
    """What becomes of the splits of one company."""

    def __init__(self, company: int | str, companies: Companies, series: Series) -> None:
        self._company = company
        self._companies = companies
        self._series = series
        self._taken: set[int] = set()
        """Sessions in which a split is applied."""

    def rulings(self, told: Iterable[Told]) -> Iterator[Ruling]:
        """The rulings of the told splits that are not applied just as they are told."""
        of_day: defaultdict[int, list[Told]] = defaultdict(list)
        for one in sorted(told, key=lambda one: (one.place, one.split)):
            of_day[one.place].append(one)
        counted: list[Told] = []
        for place, some in of_day.items():
            kept, rulings = self._of_one_day(place, some)
            yield from rulings
            if len(kept) > 1:
                # The price shows what they come to; alone it would contradict each of them.
                self._taken.add(place)
                yield from (_elsewhere(one) for one in kept if one.ticker != one.split.symbol)
            else:
                counted += kept
        for group in _near_each_other(counted):
            yield from self._of_group(group)

    def _of_one_day(self, place: int, told: Sequence[Told]) -> tuple[list[Told], list[Ruling]]:
        """The splits of a day that may count, and what becomes of the others."""
        rulings: list[Ruling] = []
        different: list[Told] = []
        for one in sorted(told, key=_roundest):
            if any(abs(one.size - other.size) < _ROUNDED for other in different):
                rulings.append(_dropped(one, Verdict.TOLD_TWICE, "told twice for that day"))
            else:
                different.append(one)
        window = self._series.around(self._company, place)
        for one, other in combinations(tuple(different), 2):
            if abs(one.size + other.size) < _SAME and one in different and other in different:
                shown = _clearly(window, one, other)
                why = "its inverse is told for the same day"
                gone = [each for each in (one, other) if each is not shown]
                different = [each for each in different if each not in gone]
                rulings += [_dropped(each, Verdict.CANCELLED, why) for each in gone]
        if len(different) < 2:
            return different, rulings
        sizes = [one.size for one in different]
        number = _fitting(window, [*sizes, sum(sizes)])
        if number == len(sizes):  # both took place
            return different, rulings
        ratios = ", ".join(said(one.split) for one in different)
        if number is None:
            why = f"told for that day: {ratios}; the price shows none of them"
            return [], rulings + [_dropped(one, Verdict.CONTRADICTED, why) for one in different]
        chosen = different.pop(number)
        why = f"told for that day: {ratios}; the price shows {said(chosen.split)}"
        return [chosen], rulings + [_dropped(one, Verdict.ALTERNATIVE, why) for one in different]

    def _of_group(self, group: Sequence[Told]) -> Iterator[Ruling]:
        """What becomes of splits of one ratio that lie within ten sessions of each other."""
        shown = {one: self._is_shown(one) for one in group}
        kept = [one for one in group if shown[one]]
        if not kept:
            # Where the price cannot tell, the last telling counts.
            kept = [one for one in group if shown[one] is None][-1:]
        for one in kept:
            self._taken.add(one.place)
            if one.ticker != one.split.symbol:
                yield _elsewhere(one)
        if kept:
            days = ", ".join(str(self._companies.sessions[one.place]) for one in kept)
            for one in group:
                if one not in kept:
                    # The price may show it a second time, near the told day.
                    again = None if shown[one] is None else self._contradicted(one)
                    if again and again.verdict is Verdict.MOVED:
                        yield again
                    else:
                        yield _dropped(one, Verdict.REPEATED, f"counted once, on {days}")
            return
        for one in group:
            yield self._contradicted(one)

    def _is_shown(self, one: Told) -> bool | None:
        if abs(one.size) < JUDGED:
            return None
        return _shows(self._series.around(self._company, one.place), one.size)

    def _contradicted(self, one: Told) -> Ruling:
        """What becomes of a split that the price does not show on its day."""
        window = self._series.around(self._company, one.place)
        gap, move = _move(window, window.at)
        seen = f"the price moved {exp(move):.4g} times"
        place = _instead(window, one.size, self._taken)
        if place is not None:
            self._taken.add(place)
            day = self._companies.sessions[place]
            pieces = self._companies.pieces(self._company)
            ticker = next(name for first, last, name in pieces if first <= place <= last)
            why = f"{seen} on {one.split.ex_date}, and as told on {day}"
            return _ruling(one.split, Verdict.MOVED, ticker, day, why)
        if min(gap / -one.size, move / -one.size) >= 0.5:
            return _dropped(one, Verdict.CONTRADICTED, f"{seen}, the other way round")
        return _dropped(one, Verdict.CONTRADICTED, f"{seen}, and not {exp(one.size):.4g}")


def _roundest(one: Told) -> tuple[bool, float]:
    """Return a sort key that puts the roundest of nearly equal ratios first."""
    old, new = one.split.old, one.split.new
    return not (float(old).is_integer() and float(new).is_integer()), old + new


def _near_each_other(told: Sequence[Told]) -> Iterable[list[Told]]:
    """Groups of splits of one ratio that follow each other within ten sessions."""
    groups: list[list[Told]] = []
    for one in sorted(told, key=lambda one: one.place):
        for group in reversed(groups):
            last = group[-1]
            if abs(one.size - last.size) < _SAME and one.place - last.place <= AROUND:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _shows(window: Window, size: float) -> bool | None:
    """Whether the price moves by a split in the first bar of a window; None if it cannot tell."""
    at = _traded(window)
    if at is None:
        return None
    gap, move = _move(window, at)
    # Half of the way is nearer to a split than to none.
    return max(gap / size, move / size) >= 0.5


def _traded(window: Window) -> int | None:
    """The first bar on or after the ex-date in which the share was traded; None if it is far."""
    at = window.at
    if at == 0 or at >= len(window.places):
        return None
    if window.places[at] - window.places[at - 1] > _HOLE:
        return None
    for place in range(at, min(at + AROUND, len(window.places))):
        still = window.volume[place] <= 0 and window.close[place] == window.close[at - 1]
        if not still:
            return place
    return None


def _move(window: Window, at: int) -> tuple[float, float]:
    """Logs of open and close of a bar over the close before."""
    if not 0 < at < len(window.places):
        return 0.0, 0.0
    before = window.close[at - 1]
    return log(window.open[at] / before), log(window.close[at] / before)


def _instead(window: Window, size: float, taken: set[int]) -> int | None:
    """The session of the bar near the ex-date in which the price moves as told; None for none."""
    found = []
    for at in range(max(1, window.at - AROUND), min(len(window.places), window.at + AROUND + 1)):
        gap, move = _move(window, at)
        place = int(window.places[at])
        if place not in taken and abs(gap / size - 1) < 0.25 and abs(move / size - 1) < 0.4:
            found.append((abs(at - window.at), place))
    return min(found)[1] if found else None


def _clearly(window: Window, one: Told, other: Told) -> Told | None:
    """The one of two inverse splits that the price shows beyond doubt; None for neither."""
    at = _traded(window)
    if at is None:
        return None
    gap, _ = _move(window, at)
    usual = [_move(window, near)[0] for near in range(1, len(window.places)) if near != at]
    noise = 1.4826 * float(np.median(np.abs(usual))) if usual else np.inf
    chosen = one if gap * one.size > 0 else other
    fits = abs(gap - chosen.size) < abs(chosen.size) / 4
    return chosen if fits and abs(chosen.size) > _DOUBTLESS * noise else None


def _fitting(window: Window, sizes: Sequence[float]) -> int | None:
    """The number of the size that the price shows; None for none."""
    at = _traded(window)
    if at is None:
        return None
    gap, move = _move(window, at)
    off = [min(abs(gap - size), abs(move - size)) for size in sizes]
    best = int(np.argmin(off))
    none = min(abs(gap), abs(move))
    return best if off[best] < none else None


def judge_dividends(
    dividends: Iterable[Dividend],
    companies: Companies,
    close_before: Callable[[str, int], float],
    words: Sequence[Settled],
) -> list[Ruling]:
    """The ruling of each told dividend that is not applied just as it is told.

    `close_before` is the raw close of a ticker in the last bar before a session, by its place.
    """
    spoken = _spoken(words, "dividend", companies)
    told: dict[tuple[int | str, dt.date, float], str] = {}
    counted: defaultdict[int | str, list[tuple[int, Dividend, str]]] = defaultdict(list)
    rulings: list[Ruling] = []
    for dividend in dividends:
        symbol, day, cash = dividend
        place = companies.place(day)
        if not 0 < place < len(companies.sessions):
            continue
        choices = companies.of(symbol, place)
        if not choices:
            why = _nobody(symbol, companies)
            rulings.append(_ruling(dividend, Verdict.UNPLACED, None, None, why))
            continue
        closes = [close_before(ticker, place) for ticker, _ in choices]
        number = next((n for n, close in enumerate(closes) if close > cash), 0)
        ticker, company = choices[number]
        if (company, place) in spoken:
            rulings.append(_ruling(dividend, Verdict.OVERRULED, None, None, "by your word"))
        elif closes[number] <= cash:
            why = f"the close before was {closes[number]:,.4g}"
            rulings.append(_ruling(dividend, Verdict.TOO_LARGE, None, None, why))
        elif (first := told.setdefault((company, day, cash), symbol)) != symbol:
            why = f"told under {first} as well"
            rulings.append(_ruling(dividend, Verdict.TOLD_TWICE, None, None, why))
        else:
            counted[company].append((place, dividend, ticker))
            if ticker != symbol:
                why = f"{symbol} was {ticker} on that day"
                rulings.append(_ruling(dividend, Verdict.OTHER_TICKER, ticker, day, why))
    near = [one for some in counted.values() for one in _near_equals(some)]
    return [*rulings, *near]


def _near_equals(paid: Iterable[tuple[int, Dividend, str]]) -> Iterable[Ruling]:
    """Dividends of one company that may be told twice: the other has the same amount and is near.

    `paid` has the session, the dividend and the company's ticker in it.
    """
    pairs = [
        (before, one, ticker)
        for (place, before, _), (other, one, ticker) in pairwise(sorted(paid))
        if one.cash == before.cash and one.symbol == ticker and 0 < other - place <= AROUND
    ]
    if len(pairs) > _OFTEN:
        return
    for before, one, ticker in pairs:
        why = f"{before.cash:g} is told for {before.ex_date} as well"
        yield _ruling(one, Verdict.NEAR, ticker, one.ex_date, why)


def _spoken(
    words: Iterable[Settled], kind: Kind, companies: Companies
) -> set[tuple[int | str, int]]:
    """Companies and sessions on whose actions of a kind the user gave his word."""
    found: set[tuple[int | str, int]] = set()
    for word in words:
        place = companies.place(word.ex_date)
        if word.kind == kind and (choices := companies.of(word.symbol, place)):
            found.add((choices[0][1], place))
    return found


def _nobody(symbol: str, companies: Companies) -> str:
    if not companies.is_shared(symbol):
        return f"no bars of {symbol} are stored"
    return f"no company that had the ticker {symbol} was traded on that day"


def _ruling(
    action: Split | Dividend,
    verdict: Verdict,
    ticker: str | None,
    day: dt.date | None,
    evidence: str,
) -> Ruling:
    symbol, ex_date = action.symbol, action.ex_date
    if isinstance(action, Split):
        ratio = action.old, action.new
        return Ruling("split", symbol, ex_date, *ratio, verdict, ticker, day, evidence)
    return Ruling("dividend", symbol, ex_date, action.cash, 0.0, verdict, ticker, day, evidence)


def _elsewhere(one: Told) -> Ruling:
    why = f"{one.split.symbol} was {one.ticker} on that day"
    return _ruling(one.split, Verdict.OTHER_TICKER, one.ticker, one.split.ex_date, why)


def _dropped(one: Told, verdict: Verdict, evidence: str) -> Ruling:
    return _ruling(one.split, verdict, None, None, evidence)
