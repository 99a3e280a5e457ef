"""Words of other tools: the answer, its column, and that every suggested text parses."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from marketsweep.core.suggest import names_misspelled
from marketsweep.errors import ConditionError
from marketsweep.language.foreign import functions, operators
from marketsweep.language.foreign.answer import example_of
from marketsweep.language.foreign.words import FUNCTIONS, INFIX, PHRASES, bars_of
from marketsweep.language.indicators.events import EVENTS
from marketsweep.language.indicators.table import ALIASES, INDICATORS
from marketsweep.language.parsing.parser import parse, parse_expression
from marketsweep.language.vocabulary import CALLS, WORDS


def error_of(text: str) -> ConditionError:
    with pytest.raises(ConditionError) as caught:
        parse_expression(text)
    return caught.value


def parses(text: str) -> bool:
    try:
        parse_expression(text)
    except ConditionError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "column", "answer"),
    [
        ("close > 5 and volume over 1M", 21, "'over' has no meaning here: write >"),
        ("volume > 1,000,000", 9, "'1,000,000' is not a number here: write 1000000"),
        ("volume > 1 million", 9, "'1 million' has no meaning here: write 1M"),
        (
            "close >= 52-week high",
            9,
            "'52-week high' has no meaning here: write highest(high, 252)",
        ),
        ("close > 20-day moving average", 8, "write sma(20)"),
        ("close up 5%", 0, "'close up 5%' has no meaning here: write roc(1) > 5"),
        ("close(1) > open", 0, "'close(1)' has no meaning here: write close[1]"),
        ("df['close'] > 5", 0, "write close"),
        ("df.close > 5", 0, "'df.close' has no meaning here: write close"),
        ("sma(close, 20).shift(1) > 5", 0, "write sma(close, 20)[1]"),
        ("close.pct_change(5) > 1", 0, "write roc(close, 5)"),
        ("close is within 5% of high", 6, "write > 0.95 *"),
        ("name like 'bio'", 5, "'like' has no meaning here: write contains"),
        ("weekly close > 5", 0, "'weekly close' has no meaning here: write weekly(close)"),
        ("plot scan = close > 5", 0, "'plot scan' has no meaning here: marketsweep translate"),
        ("def x = close", 4, "x has no parameter: write let x = ..."),
        ("( {cash} ( latest close > 5 ) )", 2, "'{cash}' has no meaning here: marketsweep transl"),
        ("latest close > 5", 0, "marketsweep translate writes"),
        ("sh_price_u10", 0, "marketsweep translate writes"),
        ("C > 5", 0, "'C' has no meaning here: write close"),
        ("close > O", 8, "'O' has no meaning here: write open"),
        ("H > 5", 0, "write high"),
        ("L > 5", 0, "write low"),
        ("V > 5", 0, "write volume"),
        ("MA(C,50) > 5", 3, "'C' has no meaning here: write close"),
        ("close > SMA50", 8, "'SMA50' has no meaning here: write sma(50)"),
        ("EMA20 > close", 0, "write ema(20)"),
        ("RSI14 < 30", 0, "write rsi(14)"),
        ("close > avg", 8, "sma"),
        ("average(c, 50) > 5", 0, "write sma(close, 50)"),
        ("avg(volume, 30) > 5", 0, "write sma(volume, 30)"),
        ("Ref(C,-1) < close", 0, "write close[1]"),
        ("Ref(high - low, -2) < close", 0, "write (high - low)[2]"),
        ("close[-1] < close", 6, "write [1]"),
        ("price > 5", 0, "write close"),
        ("last > 5", 0, "write close"),
        ("last price > 5", 0, "'last price' has no meaning here: write close"),
        ("close > vwap", 8, "needs its first bar"),
        ("std(close, 20) > 5", 0, "write stddev(close, 20)"),
        ("pe < 15", 0, "earnings need marketsweep sync --facts"),
        ("p/e < 15", 0, "'p/e' has no meaning here: earnings"),
        ("eps > 1", 0, "earnings need marketsweep sync --facts"),
        ("float < 20M", 0, "the float needs marketsweep sync --facts"),
        ("earnings > 1", 0, "earnings need marketsweep sync --facts"),
        ("short interest > 10%", 0, "'short interest' has no meaning here: short interest needs"),
        ("barssince(close > open) < 5", 0, "write bars_since(close > open)"),
        ("ta.sma(close, 50) > 5", 0, "write sma(close, 50)"),
        ("close > ta.rsi(close,14)", 8, "write rsi(close, 14)"),
        ("math.abs(close - open) > 1", 0, "write abs(close - open)"),
        ("nz(close[1]) > 5", 0, "write close[1]"),
        ("crossover(sma(50), sma(200))", 0, "write sma(50) crosses above sma(200)"),
        ("ta.crossover(close, ta.sma(close, 50))", 0, "write close crosses above sma(close, 50)"),
        ("cross(close, sma(50))", 0, "write close crosses above sma(50)"),
        ("Cross(C, MA(C, 50))", 0, "write close crosses above ma(close, 50)"),
        ("crossunder(close, ema(20))", 0, "write close crosses below ema(20)"),
        ("close.shift(1) < close", 0, "'close.shift(1)' has no meaning here: write close[1]"),
        ("close.rolling(20).mean() < close", 0, "write sma(close, 20)"),
        ("close > 5 && volume > 1M", 10, "write and"),
        ("close > 5 || volume > 1M", 10, "write or"),
        ("!(close > 5)", 0, "write not"),
        ("close <> open", 6, "'<>' has no meaning here: write !="),
        ("close => open", 6, "'=>' has no meaning here: write >="),
        ("close =< open", 6, "write <="),
        ("close is greater than open", 6, "'is greater than' has no meaning here: write >"),
        ("close is above sma(50)", 6, "write >"),
        ("close above sma(50)", 6, "'above' has no meaning here: write >"),
        ("close crossed above sma(50)", 6, "write crosses above"),
        ("close crosses over sma(50)", 6, "write crosses above"),
        ("%change > 5", 0, "write roc(1)"),
        ("change > 5", 0, "write roc(1)"),
        ("change % > 5", 7, "write roc(1)"),
        ("pct_change > 5", 0, "write roc(1)"),
        ("gap > 2", 0, "write 100 * (open / close[1] - 1)"),
        ("close > 52 week high", 8, "'52 week high' has no meaning here: write highest(high, 252)"),
        ("close > 52w_high", 8, "write highest(high, 252)"),
        ("close > high52", 8, "write highest(high, 252)"),
        ("new high", 0, "write high == highest(high, 252)"),
        ("close > 20 day high", 8, "write highest(high, 20)"),
        ("close > 26 week low", 8, "write lowest(low, 130)"),
        ("close > 50 day sma", 8, "write sma(50)"),
        ("volume > volume avg", 9, "'volume avg' has no meaning here: write sma(volume, 20)"),
        ("avgvol > 1M", 0, "write sma(volume, 20)"),
        ("rel volume > 2", 0, "write rvol(20)"),
        ("relvol > 2", 0, "write rvol(20)"),
        ("marketcap > 1B", 0, "write market_cap"),
        ("market cap > 1B", 0, "'market cap' has no meaning here: write market_cap"),
        ("mcap > 1B", 0, "write market_cap"),
        ("dividend yield > 2", 0, "write dividend_yield"),
        ("iff(close > open, 1, 0) > 0", 0, "write if(close > open, 1, 0)"),
        ("valuewhen(close > open, close) > 0", 0, "write value_when(close > open, close)"),
        ("valuewhen(1, close > open, close) > 0", 0, "write value_when(close > open, close)"),
        ("hhv(h, 20) > 5", 0, "write highest(high, 20)"),
        ("llv(l, 20) > 5", 0, "write lowest(low, 20)"),
        ("mov(c,50,s) > 5", 0, "write sma(close, 50)"),
        ("mov(c,50,e) > 5", 0, "write ema(close, 50)"),
        ("sum(c, 5) > 5", 4, "write close"),
        ("stochastic > 80", 0, "write stoch(14, 3, 3).k"),
        ("close > bollinger", 8, "write bbands(20, 2).middle"),
        ("close > bb_upper", 8, "write bbands(20, 2).upper"),
        ("ticker == 'AAPL'", 0, "write symbol"),
        ("MAXH20.1 < close", 0, "'MAXH20.1' has no meaning here: write highest(high, 20)[1]"),
        ("close > AVGC20.1", 8, "write sma(20)[1]"),
        ("RSI < 30", 0, "rsi needs its parameters"),
        ("RateOfChange(20) > 10", 0, "write roc(20)"),
        ("vwap(2016-06-01) < close", 0, "write anchored_vwap(2016-06-01)"),
        ("pivothigh(5, 5) < close", 0, "write swing_high(5, 5)"),
        ("argmax(high, 20) < 3", 0, "write bars_since_highest(high, 20)"),
        ('correl(close, "SPY", 60) > 1', 14, 'is symbol("SPY").close'),
        ("CHOP(14) > 5", 0, "unknown indicator or function"),
        ("down 3 days", 0, "write falling(close, 3)"),
        ("down 3", 0, "write roc(1) < -3"),
        ("up 5 days in a row", 0, "write rising(close, 5)"),
        ("new 50 day high", 0, "write high >= highest(high, 50)"),
        ("close > last week high", 8, "write weekly(high[1], running)"),
        ("close > prior day high", 8, "write high[1]"),
        ("higher lows", 0, "write swing_low(3, 3) > swing_low(3, 3, 1)"),
        ("range(15) < 10", 0, "write 100 * (highest(high, 15) / lowest(low, 15) - 1)"),
        ("Mov(C, 12, VAR) > 5", 0, "write kama(close, 12)"),
        ("[Daily Close > 5]", 0, "StockCharts' brackets and frames are left out"),
        ("HHVBars(H, 20) < 3", 0, "write bars_since_highest(high, 20)"),
        ("AroonUp(14) > 70", 0, "write aroon(14).up"),
        ("symbol == AAPL", 10, 'a text stands in quotes: write symbol == "AAPL"'),
        ("sector == Technology", 10, 'write sector == "Technology"'),
        ("SPY > 200", 0, 'write symbol("SPY").close'),
        ("close > 5 within 5 days", 10, "'within 5 days' has no meaning here: write within 5 bars"),
        ("close > open for 3 days", 13, "write for 3 bars"),
        ("close > close 1 day ago", 14, "'1 day ago' has no meaning here: write [1]"),
        ("close > AVGC50", 8, "write sma(50)"),
        ("close > XAVGC20", 8, "write ema(20)"),
        ("close > MAXH20", 8, "write highest(high, 20)"),
        ("C > C1", 0, "write close"),
        ("close > C1", 8, "write close[1]"),
        ("close > yesterday close", 8, "write close[1]"),
        ("year to date > 5", 0, "write ytd()"),
        ("vwap > 5", 0, "a mean by volume needs its first bar; possible: anchored_vwap(month)"),
        ("close > sma(50) ? 1 : 0", 16, "write if(condition, x, y)"),
        ("sp500", 0, "a list with --universe"),
        ("close > open // up", 13, "a comment begins with #"),
    ],
)
def test_the_answer_has_the_right_text(text: str, column: int, answer: str) -> None:
    error = error_of(text)
    assert answer in error.message
    assert error.column == column
    assert "\n" not in error.message


@pytest.mark.parametrize("text", ["close > open AND low > 5", "close > open Or low > 5"])
def test_words_of_the_language_are_in_any_case(text: str) -> None:
    assert parse(text)


def test_each_suggested_text_of_a_name_parses() -> None:
    for phrase, row in PHRASES.items():
        texts = [bars_of(5, text) for text in row.texts]
        assert any(map(parses, texts)), phrase
        assert parses(texts[-1]), phrase


def test_each_suggested_text_of_a_function_parses() -> None:
    for name, row in FUNCTIONS.items():
        assert parses(example_of(row.texts[-1])), name


def test_each_suggested_text_of_a_method_parses() -> None:
    for name, texts in functions.METHODS.items():
        assert all(parses(example_of(text)) for text in texts), name


def test_each_suggested_operator_parses() -> None:
    for phrase, text in INFIX.items():
        operator = bars_of(5, text)
        frames = (
            f"name {operator} 'bio'",
            f"close {operator} open",
            f"close > 1 {operator} open > 1",
            f"close > 1 {operator}",
        )
        assert any(map(parses, frames)) or parses(f"close{operator} > 1"), phrase


def test_each_suggested_text_of_a_numbered_name_parses() -> None:
    for pattern, text in operators.PATTERNS:
        assert parses(text.format(n=10)), pattern


def test_the_table_holds_foreign_words_only() -> None:
    """A word of the language is never looked up, whatever the table says."""
    for phrase in PHRASES:
        if len(phrase) == 1 and phrase[0] in WORDS - CALLS:
            pytest.fail(f"{phrase[0]} has a meaning of its own")


FOREIGN = """
pe eps peg roe roa ebitda revenue sales margin debt dividend yield payout float insider analyst
earnings short shortfloat beta_ news bid ask spread iv options premarket halted vwap poc obv adl
pvt nvi pvi ad cum c o h l v vol price last px ticker exch sym turnover adv dolvol mcap mktcap
cap change chg pct gap range body perf ytd qtd mtd ath atl avgvol relvol avg mean average ma std
variance skew kurtosis slope_ corr cov zscore_ quantile rank_ cross crossover crossunder
cross_up hhv llv hh ll ref shift lag prev delay barssince valuewhen iff iif nz na isnan fixnan
sumif cumsum tr pdi mdi dmi adx_ di stoch_k stoch_d slowk slowd fastk fastd kst_ bb bb_upper
bb_lower bbw percentb keltnerchannel donchianchannel ttm squeeze_pro zigzag peak trough fib
pivot_high swing_low support resistance trendline channel wedge flag pennant hammer_ doji engulf
inside outside nr4 gapup gapdown high52 low52 newhigh newlow sp500 index country_code etf adr_
reit ipo optionable shortable marginable volume_avg volma vma hma_ alma jma lsma vidya frama
mcginley gmma alligator jaw teeth lips gator fractal_up heikin renko kagi tick trin vix putcall
breadth mcclellan advdec newhighs sector_rs rsrating composite accdis smr group_rank zacks
piotroski altman beneish graham magic lynch canslim rvi_ rmi rsx smi_ tmf vfi vzo vwmacd
wavetrend laguerre decycler supersmoother roofing hurst entropy er_ chop psy bias emv_ mass nvt
sopr log_return returns drawdown sharpe sortino alpha treynor rsquared r_squared stderr
""".split()  # noqa: SIM905, a list of words is shorter
"""Words of other tools, with and without a row in the table."""


def test_foreign_words_get_no_nonsense() -> None:
    """A spelling is suggested only for what may be a misspelling."""
    suggested = {
        word: names_misspelled(word, sorted(WORDS))[0]
        for word in FOREIGN
        if (word,) not in PHRASES and names_misspelled(word, sorted(WORDS))
    }
    wrong = {word: near for word, near in suggested.items() if near != word.rstrip("_")}
    assert len(FOREIGN) >= 200
    assert wrong == {
        "barssince": "bars_since",
        "valuewhen": "value_when",
        "iff": "if",
        "iif": "if",
        "mass": "massi",
        "rsx": "rs",
    }


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("rsii(14) < 30", "rsi"),
        ("clos > 5", "close"),
        ("clsoe > 5", "close"),
        ("vlume > 5", "volume"),
        ("volumes > 5", "volume"),
        ("higest(high, 20) > 5", "highest"),
        ("lowset(low, 20) > 5", "lowest"),
        ("mcad(12, 26, 9) > 5", "macd"),
        ("bband(20, 2) > 5", "bbands"),
        ("smaa(20) > 5", "sma"),
        ("supertend(10, 3) > 5", "supertrend"),
        ("market_capp > 5", "market_cap"),
        ("secter == 'Energy'", "sector"),
        ("stdddev(close, 20) > 5", "stddev"),
        ("sam(14) > 5", "sma"),
        ("rsy(14) > 5", "rsi"),
    ],
)
def test_misspelled_words_are_suggested(text: str, near: str) -> None:
    assert re.search(rf"did you mean {near}\?", error_of(text).message)


@pytest.mark.parametrize(
    "name", [name for name, row in INDICATORS.items() if row.series and row.parameters]
)
def test_a_series_behind_the_numbers_is_put_first(name: str) -> None:
    row = INDICATORS[name]
    numbers = [parameter.shown for parameter in row.parameters]
    series = list(row.inputs[: row.series])
    error = error_of(f"{name}({', '.join([*numbers, *series])})")
    match = re.search(r"the series comes first: (.*)", error.message)
    assert match, error.message
    output = f".{row.outputs[0]}" if row.outputs else ""
    assert parses(match[1] + output)


@pytest.mark.parametrize("name", list(EVENTS))
def test_a_condition_behind_the_others_is_put_first(name: str) -> None:
    row = EVENTS[name]
    examples = {"condition": "close > open", "x": "close"}
    operands = [examples[operand] for operand in row.operands]
    numbers = [parameter.shown for parameter in row.parameters]
    error = error_of(f"{name}({', '.join([*numbers, *reversed(operands)])})")
    match = re.search(r"the condition comes first: (.*)", error.message)
    assert match, error.message
    assert parses(match[1])


def test_trends_name_the_right_order() -> None:
    assert "the series comes first: rising(close, 3)" in error_of("rising(3, close)").message


def test_aliases_are_looked_up_first() -> None:
    for name in ALIASES:
        assert name in WORDS


def test_a_valid_condition_loads_no_table() -> None:
    code = (
        "import sys; from marketsweep.language.parsing.parser import parse; parse('rsi(14) < 30'); "
        "print([name for name in sys.modules if 'foreign' in name or 'translate' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("close > SMA50", "close > sma(50)"),
        ("volume > 1,000,000", "volume > 1000000"),
        ("volume > 1 million", "volume > 1M"),
        ("close >= 52-week high", "close >= highest(high, 252)"),
        ("close > AAPL", 'close > symbol("AAPL").close'),
        ("rsii(14) < 30", "rsi(14) < 30"),
        ("clsoe > 5", "close > 5"),
        ("RSI < 30", "rsi(close, 14) < 30"),
        ("close > open and obv > 3", "close > open and obv() > 3"),
    ],
)
def test_the_suggestion_replaces_what_is_wrong(text: str, better: str) -> None:
    error = error_of(text)
    end = error.column + error.width
    assert text[: error.column] + error.suggestion + text[end:] == better
    assert parses(better)


@pytest.mark.parametrize("text", ["latest close > 5", "close > open // up", "xyzzy > 5"])
def test_words_that_nothing_replaces_have_no_suggestion(text: str) -> None:
    assert error_of(text).suggestion == ""
