"""Which reported splits and dividends count, for which company, and on which day.

Sources report actions under a ticker that the company had at another time, twice, with two ratios,
on a wrong day, or for prices that are adjusted already. A reported action is never changed. A
*ruling* records the decision and its reason:

1. The action belongs to the company that had the ticker on the ex-date, or to one that had it at
   another time and was traded under another ticker on that day (`Companies.candidates`).
2. Splits of one company and day with different ratios are alternatives: the one that prices confirm
   counts. A split and its inverse cancel each other (`_CompanySplits`).
3. A split reported twice within ten sessions counts on the days on which the price shows it.
4. A split that the price shows only within ten bars of its ex-date counts on that day. A split that
   the price does not show at all does not count (`_judge_unshown`).
5. A dividend of the price or more does not count. One that equals another of the last ten sessions
   counts and is named: it may be the same one with another day (`_near_equals`).

The user's override for a company and day takes precedence over all of this.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from math import exp, log
from typing import Final, NamedTuple

import numpy as np

from marketsweep.core.records import ActionOverride, Dividend, Split
from marketsweep.store.companies.companies import Companies, Series, Window
from marketsweep.store.companies.rulings import Kind, Ruling, Verdict, action_text

MIN_SIZE: Final = log(1.25)
"""Log of the smallest split that is judged; smaller ones look like ordinary price moves."""

NEARBY: Final = 10
"""Bars before and after an ex-date in which the price may show a split with a wrong day."""

_EQUAL_SIZE: Final = 1e-3
"""Two ratios closer than this, in logs, are equal."""

_ROUNDING: Final = 1e-2
"""Two ratios of one day closer than this, in logs, are one ratio that was rounded once."""

_CLEAR_MOVE_RATIO: Final = 6
"""A split is clearly shown if it is this many times the usual overnight move of the price."""

_MAX_GAP: Final = 20
"""Sessions without a bar, beyond which the price says nothing about a split."""


_MAX_NEAR_EQUALS: Final = 2
"""A company with more pairs of near, equal dividends in a year than this pays every week."""


class PlacedSplit(NamedTuple):
    """A reported split, the place of its session, and the company's ticker in that session."""

    split: Split
    place: int
    ticker: str

    @property
    def size(self) -> float:
        """The log of the factor by which the split multiplies earlier prices."""
        return log(self.split.old / self.split.new)


def judge_splits(
    splits: Iterable[Split],
    companies: Companies,
    series: Series,
    overrides: Sequence[ActionOverride],
) -> list[Ruling]:
    """Return rulings for the reported splits that are not applied exactly as reported."""
    overridden = _overridden_keys(overrides, "split", companies)
    rulings: list[Ruling] = []
    by_company: defaultdict[int | str, list[PlacedSplit]] = defaultdict(list)
    for split in splits:
        place = companies.place(split.ex_date)
        # Before the first stored session, or after the newest one, there is nothing to adjust.
        if not 0 < place < len(companies.sessions):
            continue
        candidates = companies.candidates(split.symbol, place)
        if candidates:
            ticker, company = _likeliest(split, place, candidates, series)
            if (company, place) in overridden:
                rulings.append(_make_ruling(split, Verdict.OVERRULED, None, None, "by your word"))
            else:
                by_company[company].append(PlacedSplit(split, place, ticker))
        else:
            reason = _unplaced_reason(split.symbol, companies)
            rulings.append(_make_ruling(split, Verdict.UNPLACED, None, None, reason))
    for company, company_splits in by_company.items():
        rulings += _CompanySplits(company, companies, series).rulings(company_splits)
    return rulings


def _likeliest(
    split: Split, place: int, candidates: Sequence[tuple[str, int | str]], series: Series
) -> tuple[str, int | str]:
    """Return the candidate whose price shows the split, else the first one."""
    size = log(split.old / split.new)
    if len(candidates) > 1 and abs(size) >= MIN_SIZE:
        shown = [
            choice for choice in candidates if _shows_split(series.around(choice[1], place), size)
        ]
        if len(shown) == 1:
            return shown[0]
    return candidates[0]


class _CompanySplits:
    """Judges the splits of one company."""

    def __init__(self, company: int | str, companies: Companies, series: Series) -> None:
        self._company = company
        self._companies = companies
        self._series = series
        self._applied_places: set[int] = set()
        """Sessions in which a split is applied."""

    def rulings(self, splits: Iterable[PlacedSplit]) -> Iterator[Ruling]:
        """Yield rulings for the reported splits that are not applied exactly as reported."""
        by_day: defaultdict[int, list[PlacedSplit]] = defaultdict(list)
        for placed in sorted(splits, key=lambda placed: (placed.place, placed.split)):
            by_day[placed.place].append(placed)
        single_splits: list[PlacedSplit] = []
        for place, day_splits in by_day.items():
            remaining, rulings = self._judge_day(place, day_splits)
            yield from rulings
            if len(remaining) > 1:
                # The price shows the combined move; judged alone, each split would be contradicted.
                self._applied_places.add(place)
                yield from (
                    _moved_ticker(placed)
                    for placed in remaining
                    if placed.ticker != placed.split.symbol
                )
            else:
                single_splits += remaining
        for group in _group_nearby(single_splits):
            yield from self._judge_group(group)

    def _judge_day(
        self, place: int, splits: Sequence[PlacedSplit]
    ) -> tuple[list[PlacedSplit], list[Ruling]]:
        """Return the splits of a day that may count, and rulings for the others."""
        rulings: list[Ruling] = []
        valid: list[PlacedSplit] = []
        for placed in sorted(splits, key=_roundness_key):
            if any(abs(placed.size - other.size) < _ROUNDING for other in valid):
                rulings.append(_rejection(placed, Verdict.TOLD_TWICE, "told twice for that day"))
            else:
                valid.append(placed)
        window = self._series.around(self._company, place)
        for placed, other in combinations(tuple(valid), 2):
            if abs(placed.size + other.size) < _EQUAL_SIZE and placed in valid and other in valid:
                shown = _clearly_shown(window, placed, other)
                reason = "its inverse is told for the same day"
                cancelled = [split for split in (placed, other) if split is not shown]
                valid = [split for split in valid if split not in cancelled]
                rulings += [_rejection(split, Verdict.CANCELLED, reason) for split in cancelled]
        if len(valid) < 2:
            return valid, rulings
        sizes = [placed.size for placed in valid]
        best = _best_fit(window, [*sizes, sum(sizes)])
        if best == len(sizes):  # both happened
            return valid, rulings
        ratios = ", ".join(action_text(placed.split) for placed in valid)
        if best is None:
            reason = f"told for that day: {ratios}; the price shows none of them"
            return [], rulings + [
                _rejection(placed, Verdict.CONTRADICTED, reason) for placed in valid
            ]
        chosen = valid.pop(best)
        reason = f"told for that day: {ratios}; the price shows {action_text(chosen.split)}"
        return [chosen], rulings + [
            _rejection(placed, Verdict.ALTERNATIVE, reason) for placed in valid
        ]

    def _judge_group(self, group: Sequence[PlacedSplit]) -> Iterator[Ruling]:
        """Yield rulings for splits of one ratio that lie within ten sessions of each other."""
        shown = {placed: self._is_shown(placed) for placed in group}
        counted = [placed for placed in group if shown[placed]]
        if not counted:
            # If the price is unclear, the last report counts.
            counted = [placed for placed in group if shown[placed] is None][-1:]
        for placed in counted:
            self._applied_places.add(placed.place)
            if placed.ticker != placed.split.symbol:
                yield _moved_ticker(placed)
        if counted:
            days = ", ".join(str(self._companies.sessions[placed.place]) for placed in counted)
            for placed in group:
                if placed not in counted:
                    # The price may show the split a second time, near the reported day.
                    moved = None if shown[placed] is None else self._judge_unshown(placed)
                    if moved and moved.verdict is Verdict.MOVED:
                        yield moved
                    else:
                        yield _rejection(placed, Verdict.REPEATED, f"counted once, on {days}")
            return
        for placed in group:
            yield self._judge_unshown(placed)

    def _is_shown(self, placed: PlacedSplit) -> bool | None:
        if abs(placed.size) < MIN_SIZE:
            return None
        return _shows_split(self._series.around(self._company, placed.place), placed.size)

    def _judge_unshown(self, placed: PlacedSplit) -> Ruling:
        """Return the ruling for a split that the price does not show on its day."""
        window = self._series.around(self._company, placed.place)
        gap, move = _move(window, window.at)
        observed = f"the price moved {exp(move):.4g} times"
        place = _other_session(window, placed.size, self._applied_places)
        if place is not None:
            self._applied_places.add(place)
            day = self._companies.sessions[place]
            pieces = self._companies.pieces(self._company)
            ticker = next(ticker for first, last, ticker in pieces if first <= place <= last)
            reason = f"{observed} on {placed.split.ex_date}, and as told on {day}"
            return _make_ruling(placed.split, Verdict.MOVED, ticker, day, reason)
        if min(gap / -placed.size, move / -placed.size) >= 0.5:
            return _rejection(placed, Verdict.CONTRADICTED, f"{observed}, the other way round")
        return _rejection(
            placed, Verdict.CONTRADICTED, f"{observed}, and not {exp(placed.size):.4g}"
        )


def _roundness_key(placed: PlacedSplit) -> tuple[bool, float]:
    """Return a sort key that puts the roundest of nearly equal ratios first."""
    old, new = placed.split.old, placed.split.new
    return not (float(old).is_integer() and float(new).is_integer()), old + new


def _group_nearby(splits: Sequence[PlacedSplit]) -> Iterable[list[PlacedSplit]]:
    """Group splits of one ratio that follow each other within ten sessions."""
    groups: list[list[PlacedSplit]] = []
    for placed in sorted(splits, key=lambda placed: placed.place):
        for group in reversed(groups):
            last = group[-1]
            if abs(placed.size - last.size) < _EQUAL_SIZE and placed.place - last.place <= NEARBY:
                group.append(placed)
                break
        else:
            groups.append([placed])
    return groups


def _shows_split(window: Window, size: float) -> bool | None:
    """Return whether the price moves by a split in the first bar of a window; None if unclear."""
    at = _first_traded_bar(window)
    if at is None:
        return None
    gap, move = _move(window, at)
    # Half of the move is nearer to a split than to none.
    return max(gap / size, move / size) >= 0.5


def _first_traded_bar(window: Window) -> int | None:
    """Return the first bar on or after the ex-date with a trade; None if there is none nearby."""
    at = window.at
    if at == 0 or at >= len(window.places):
        return None
    if window.places[at] - window.places[at - 1] > _MAX_GAP:
        return None
    for place in range(at, min(at + NEARBY, len(window.places))):
        still = window.volume[place] <= 0 and window.close[place] == window.close[at - 1]
        if not still:
            return place
    return None


def _move(window: Window, at: int) -> tuple[float, float]:
    """Return the logs of a bar's open and close over the close before."""
    if not 0 < at < len(window.places):
        return 0.0, 0.0
    before = window.close[at - 1]
    return log(window.open[at] / before), log(window.close[at] / before)


def _other_session(window: Window, size: float, taken: set[int]) -> int | None:
    """Return the nearest session in which the price moves by the split; None if none does."""
    matches = []
    for i in range(max(1, window.at - NEARBY), min(len(window.places), window.at + NEARBY + 1)):
        gap, move = _move(window, i)
        place = int(window.places[i])
        if place not in taken and abs(gap / size - 1) < 0.25 and abs(move / size - 1) < 0.4:
            matches.append((abs(i - window.at), place))
    return min(matches)[1] if matches else None


def _clearly_shown(window: Window, first: PlacedSplit, second: PlacedSplit) -> PlacedSplit | None:
    """Return the one of two inverse splits that the price shows clearly; None for neither."""
    at = _first_traded_bar(window)
    if at is None:
        return None
    gap, _ = _move(window, at)
    usual = [_move(window, i)[0] for i in range(1, len(window.places)) if i != at]
    noise = 1.4826 * float(np.median(np.abs(usual))) if usual else np.inf
    candidate = first if gap * first.size > 0 else second
    fits = abs(gap - candidate.size) < abs(candidate.size) / 4
    return candidate if fits and abs(candidate.size) > _CLEAR_MOVE_RATIO * noise else None


def _best_fit(window: Window, sizes: Sequence[float]) -> int | None:
    """Return the index of the size that the price shows; None for none."""
    at = _first_traded_bar(window)
    if at is None:
        return None
    gap, move = _move(window, at)
    distances = [min(abs(gap - size), abs(move - size)) for size in sizes]
    best = int(np.argmin(distances))
    unmoved = min(abs(gap), abs(move))
    return best if distances[best] < unmoved else None


def judge_dividends(
    dividends: Iterable[Dividend],
    companies: Companies,
    close_before: Callable[[str, int], float],
    overrides: Sequence[ActionOverride],
) -> list[Ruling]:
    """Return rulings for the reported dividends that are not applied exactly as reported.

    `close_before` returns the raw close of a ticker in the last bar before a place.
    """
    overridden = _overridden_keys(overrides, "dividend", companies)
    reported: dict[tuple[int | str, dt.date, float], str] = {}
    counted: defaultdict[int | str, list[tuple[int, Dividend, str]]] = defaultdict(list)
    rulings: list[Ruling] = []
    for dividend in dividends:
        symbol, day, cash = dividend
        place = companies.place(day)
        if not 0 < place < len(companies.sessions):
            continue
        candidates = companies.candidates(symbol, place)
        if not candidates:
            reason = _unplaced_reason(symbol, companies)
            rulings.append(_make_ruling(dividend, Verdict.UNPLACED, None, None, reason))
            continue
        closes = [close_before(ticker, place) for ticker, _ in candidates]
        choice = next((i for i, close in enumerate(closes) if close > cash), 0)
        ticker, company = candidates[choice]
        if (company, place) in overridden:
            rulings.append(_make_ruling(dividend, Verdict.OVERRULED, None, None, "by your word"))
        elif closes[choice] <= cash:
            reason = f"the close before was {closes[choice]:,.4g}"
            rulings.append(_make_ruling(dividend, Verdict.TOO_LARGE, None, None, reason))
        elif (first_symbol := reported.setdefault((company, day, cash), symbol)) != symbol:
            reason = f"told under {first_symbol} as well"
            rulings.append(_make_ruling(dividend, Verdict.TOLD_TWICE, None, None, reason))
        else:
            counted[company].append((place, dividend, ticker))
            if ticker != symbol:
                reason = f"{symbol} was {ticker} on that day"
                rulings.append(_make_ruling(dividend, Verdict.OTHER_TICKER, ticker, day, reason))
    near_equals = [ruling for paid in counted.values() for ruling in _near_equals(paid)]
    return [*rulings, *near_equals]


def _near_equals(paid: Iterable[tuple[int, Dividend, str]]) -> Iterable[Ruling]:
    """Yield rulings for dividends that may be reported twice: an equal one of the company is near.

    `paid` has the session, the dividend and the company's ticker in that session.
    """
    pairs = [
        (earlier, later, ticker)
        for (place, earlier, _), (next_place, later, ticker) in pairwise(sorted(paid))
        if later.cash == earlier.cash
        and later.symbol == ticker
        and 0 < next_place - place <= NEARBY
    ]
    if len(pairs) > _MAX_NEAR_EQUALS:
        return
    for earlier, later, ticker in pairs:
        reason = f"{earlier.cash:g} is told for {earlier.ex_date} as well"
        yield _make_ruling(later, Verdict.NEAR, ticker, later.ex_date, reason)


def _overridden_keys(
    overrides: Iterable[ActionOverride], kind: Kind, companies: Companies
) -> set[tuple[int | str, int]]:
    """Return companies and sessions whose actions of a kind the user has overridden."""
    keys: set[tuple[int | str, int]] = set()
    for override in overrides:
        place = companies.place(override.ex_date)
        if override.kind == kind and (candidates := companies.candidates(override.symbol, place)):
            keys.add((candidates[0][1], place))
    return keys


def _unplaced_reason(symbol: str, companies: Companies) -> str:
    if not companies.is_shared(symbol):
        return f"no bars of {symbol} are stored"
    return f"no company that had the ticker {symbol} was traded on that day"


def _make_ruling(
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


def _moved_ticker(placed: PlacedSplit) -> Ruling:
    reason = f"{placed.split.symbol} was {placed.ticker} on that day"
    return _make_ruling(
        placed.split, Verdict.OTHER_TICKER, placed.ticker, placed.split.ex_date, reason
    )


def _rejection(placed: PlacedSplit, verdict: Verdict, evidence: str) -> Ruling:
    return _make_ruling(placed.split, verdict, None, None, evidence)
