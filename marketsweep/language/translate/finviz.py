"""Translate Finviz: the address of a screener, or its filter codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.parsing.parser import parse
from marketsweep.language.translate.tables.finviz import (
    BARS,
    CANDLES,
    CAPS,
    COUNTRIES,
    DIVIDENDS,
    EXCHANGES,
    LISTED,
    MISSING,
    NUMBERS,
    SECTORS,
    SIGNALS,
    TYPES,
)
from marketsweep.language.tree import Node

_NUMBER: Final = r"\d+(?:\.\d+)?"


class _Code(NamedTuple):
    text: str
    column: int


class Finviz:
    """A reader of one address or list of codes."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.notes: list[str] = []

    def condition(self) -> Node:
        """Return the conditions of all codes, joined by `and`.

        Raises ConditionError that names each code that cannot be translated.
        """
        nodes: list[Node] = []
        problems: list[tuple[_Code, str]] = []
        for code in self._codes():
            choices = [choice for choice in code.text.split("|") if choice]
            prefix = choices[0].rpartition("_")[0]
            texts = []
            for choice in choices:
                full = choice if "_" in choice else f"{prefix}_{choice}"
                text = condition_of(full)
                if text is None:
                    problems.append((_Code(full, code.column), _reason(full)))
                else:
                    texts.append(text)
            if texts:
                nodes.append(tree.joined("or", [parse(text) for text in texts]))
        if problems:
            first, reason = problems[0]
            others = "".join(f"; {code.text}: {why}" for code, why in problems[1:])
            raise ConditionError(
                f"{first.text} cannot be translated: {reason}{others}",
                self.source,
                first.column,
                len(first.text),
            )
        if not nodes:
            raise ConditionError(
                "the filter is missing: write codes such as sh_price_u10,ta_rsi_os30", self.source
            )
        self._add_notes()
        return tree.joined("and", nodes)

    def _codes(self) -> Iterator[_Code]:
        """Yield the codes of the address, or of the list."""
        for begin, part in self._lists():
            for match in re.finditer(
                r"(?:[^,\s%&]|%7[cC])+", part.replace("%2C", ",  ").replace("%2c", ",  ")
            ):
                yield _Code(unquote(match[0]).lower(), begin + match.start())

    def _lists(self) -> Iterator[tuple[int, str]]:
        query = re.search(r"screener(?:\.ashx)?\?", self.source)
        if query is None and not re.search(r"(?:^|[?&])f=", self.source.strip()):
            yield 0, self.source
            return
        for match in re.finditer(r"(?:^|[?&])([fs])=([^&#\s]*)", self.source):
            yield match.start(2), match[2]

    def _add_notes(self) -> None:
        text = self.source.lower()
        order = re.search(r"[?&]o=(-?)(\w+)", text)
        if order:
            self.notes.append(f"the order {order[1]}{order[2]} was left out: add --sort")
        if "ta_candlestick_" in text:
            self.notes.append("candlestick patterns are those of TA-Lib; Finviz's may differ")
        if "ta_beta_" in text:
            self.notes.append("beta is that of 252 bars against SPY, which must be stored")
        if "vol_" in text or "relvol_" in text:
            self.notes.append("Finviz's average volume is that of three months: 63 bars here")


def _reason(code: str) -> str:
    for prefix, reason in MISSING.items():
        if code.startswith(prefix):
            return reason
    return "the code is not known"


def condition_of(code: str) -> str | None:
    """Return the condition of a code; None if it cannot be translated."""
    for pattern, condition in _RULES:
        match = re.fullmatch(pattern, code)
        if match:
            return condition(match)
    prefix, _, value = code.rpartition("_")
    if prefix in NUMBERS:
        expression, unit = NUMBERS[prefix]
        return _compared(expression, value, unit)
    tables: dict[str, Mapping[str, str]] = {
        "cap": CAPS,
        "ipodate": LISTED,
        "fa_div": DIVIDENDS,
        "ta_candlestick": CANDLES,
        "ind": TYPES,
        "exch": {key: f'exchange == "{name}"' for key, name in EXCHANGES.items()},
        "sec": {key: _sector(names) for key, names in SECTORS.items()},
        "geo": {key: f'country == "{name}"' for key, name in COUNTRIES.items()}
        | dict.fromkeys(("notusa", "foreign"), 'country != "United States"'),
    }
    return tables.get(prefix, SIGNALS).get(value if prefix in tables else code)


def _sector(names: Sequence[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"sector in [{quoted}]"


def _written(number: str, unit: float = 1.0) -> str:
    value = float(number) * unit
    return f"{value:.0f}" if value == int(value) else repr(value)


def _compared(expression: str, value: str, unit: float = 1.0) -> str | None:
    """Return the comparison of a number: `o5` over 5, `u5` under 5, `5to10` between."""
    if match := re.fullmatch(rf"(o|u)({_NUMBER})", value):
        return f"{expression} {'>' if match[1] == 'o' else '<'} {_written(match[2], unit)}"
    if match := re.fullmatch(rf"({_NUMBER})to({_NUMBER})?", value):
        low, high = match[1], match[2]
        if high is None:
            return f"{expression} >= {_written(low, unit)}"
        return f"{_written(low, unit)} <= {expression} <= {_written(high, unit)}"
    if match := re.fullmatch(rf"to({_NUMBER})", value):
        return f"{expression} <= {_written(match[1], unit)}"
    return None


_Rule = tuple[str, Callable[[re.Match[str]], str | None]]


def _moved(price: str, base: str, way: str, percent: str) -> str:
    """Return a rise (`u`) or a fall (`d`) by more than some percent."""
    if way == "u":
        return f"{price} > {_times(100 + float(percent))}{base}"
    return f"{price} < {_times(100 - float(percent))}{base}"


def _performance(match: re.Match[str]) -> str:
    expression = f"roc({BARS[match['span']]})"
    if match["way"]:
        return f"{expression} {'>' if match['way'] == 'up' else '<'} 0"
    sign = ">" if match["side"] == "o" else "<"
    return f"{expression} {sign} {'-' if match['side'] == 'u' else ''}{match['n']}"


def _change(match: re.Match[str]) -> str:
    """Return a rise or a fall since the day before, or since the year began."""
    change = "roc(1)" if match["span"] == "d" else "ytd()"
    if match["way"]:
        return f"{change} {'>' if match['way'] == 'up' else '<'} 0"
    sign = "-" if match["side"] == "u" else ""
    return f"{change} {'>' if match['side'] == 'o' else '<'} {sign}{match['n']}"


def _average(match: re.Match[str]) -> str | None:
    mean, other = f"sma({match['n']})", match["other"]
    if other:
        second = f"sma({other})"
        ways = {
            "sa": f"{mean} > {second}",
            "sb": f"{mean} < {second}",
            "a": f"{mean} crosses above {second}",
            "b": f"{mean} crosses below {second}",
            "": f"{mean} crosses above {second} or {mean} crosses below {second}",
        }
        return ways[match["side"] or match["way"] or ""]
    percent = int(match["percent"] or 0)
    ways = {
        "pa": f"close > {_times(100 + percent)}{mean}",
        "pb": f"close < {_times(100 - percent)}{mean}",
        "pca": f"close crosses above {mean}",
        "pcb": f"close crosses below {mean}",
        "pc": f"close crosses above {mean} or close crosses below {mean}",
    }
    return ways[match["price"]]


def _times(percent: float) -> str:
    return "" if percent == 100 else f"{percent / 100:g} * "


def _extreme(match: re.Match[str]) -> str:
    n = {"20d": 20, "50d": 50, "52w": 252}[match["span"]]
    high, low = f"highest(high, {n})", f"lowest(low, {n})"
    if match["new"]:
        return f"high >= {high}" if match["new"] == "nh" else f"low <= {low}"
    percent, most = int(match["n"]), match["most"]
    if match["side"] == "b":
        if most:
            return f"close >= {_times(100 - int(most))}{high}"
        return f"close <= {_times(100 - percent)}{high}"
    if most:
        return f"close <= {_times(100 + int(most))}{low}"
    return f"close >= {_times(100 + percent)}{low}"


def _volatility(match: re.Match[str]) -> str:
    return f"adr_percent({5 if match['span'] == 'w' else 21}) > {match['n']}"


def _rsi(match: re.Match[str]) -> str:
    is_low = match["kind"] in ("os", "nob")
    return f"rsi(14) {'<' if is_low else '>'} {match['n']}"


_RULES: Final[tuple[_Rule, ...]] = (
    (
        rf"ta_perf2?_(?P<span>1w|4w|13w|26w|52w)(?:(?P<way>up|down)|(?P<n>{_NUMBER})(?P<side>[ou]))",
        _performance,
    ),
    (
        rf"ta_perf2?_(?P<span>d|ytd)(?:(?P<way>up|down)|(?P<n>{_NUMBER})(?P<side>[ou]))",
        _change,
    ),
    (
        r"ta_sma(?P<n>20|50|200)_(?:(?P<price>pca|pcb|pc|pa|pb)(?P<percent>\d+)?|"
        r"(?P<side>sa|sb)(?P<other>20|50|200)())",
        _average,
    ),
    (r"ta_sma(?P<n>20|50|200)_cross(?P<other>20|50|200)(?P<way>[ab])?(?P<side>)", _average),
    (
        r"ta_highlow(?P<span>20d|50d|52w)_(?:(?P<new>nh|nl)|"
        r"(?P<side>[ab])(?P<n>\d+)(?:to(?P<most>\d+))?h)",
        _extreme,
    ),
    (rf"ta_volatility_(?P<span>[wm])o(?P<n>{_NUMBER})", _volatility),
    (rf"ta_rsi_(?P<kind>ob|os|nob|nos)(?P<n>{_NUMBER})", _rsi),
    (
        rf"ta_rsi_(?P<n>{_NUMBER}to{_NUMBER})",
        lambda match: _compared("rsi(14)", match["n"]),
    ),
    (
        rf"ta_gap_(?P<way>[ud])(?P<n>{_NUMBER})?",
        lambda match: _moved("open", "close[1]", match["way"], match["n"] or "0"),
    ),
    (
        rf"ta_changeopen_(?P<way>[ud])(?P<n>{_NUMBER})?",
        lambda match: _moved("close", "open", match["way"], match["n"] or "0"),
    ),
    (
        rf"ta_change_(?P<way>[ud])(?P<n>{_NUMBER})?",
        lambda match: _moved("close", "close[1]", match["way"], match["n"] or "0"),
    ),
)
"""Patterns of codes, and what makes their conditions."""
