"""thinkScript: scans that users post, their meaning, and what is refused."""

from __future__ import annotations

import pytest

from marketsweep.errors import ConditionError, UsageError
from marketsweep.language.translate.translate import guess_language, translate
from marketsweep.market import Market
from tests.helpers.translations import assert_same_meaning

SCANS = {
    "on-balance volume": (
        """
        def rises = OnBalanceVolume() > ExpAverage(OnBalanceVolume(), 21);
        plot scan = rises and close > 50 and GetMonth() == 12;
        """,
        "obv() > ema(obv(), 21) and close > 50",
    ),
    "52-week high": (
        "#hint: scan for stocks with a new high\nplot scan = close >= highest(high, 252) * 0.98;",
        "close >= 0.98 * highest(high, 252)",
    ),
    "top of the range": (
        """
        input range = 252;#hint range:Number of trading days in a year
        input price = close;
        def hi = highest(high,range);
        def lo = lowest(low,range);
        def x = (price - lo) / (hi - lo) * 100;
        plot scan = x > 90;
        """,
        "(close - lowest(low, 252)) / (highest(high, 252) - lowest(low, 252)) > 0.9",
    ),
    "cross of averages": (
        """
        def MA = average(close,10); #10 bar MA
        def EMA = expaverage(close,20); # 20-Bar EMA
        plot cross = MA[1]<EMA[1] && MA>EMA;
        """,
        "sma(10)[1] < ema(20)[1] and sma(10) > ema(20)",
    ),
    "MACD lines": (
        """
        Input Bars = 3;#hint bars:The consecutive number of agg-bars being evaluated.
        def mcda = MACD().Avg;
        def mcdv = MACD();
        def div = sum(mcda > mcda[1],Bars) == Bars ;
        def div2 = sum(mcdv < mcdv[1],Bars) == Bars;
        plot scan = div and div2;
        """,
        "rising(macd().signal, 3) and falling(macd().macd, 3)",
    ),
    "MACD of simple averages": (
        'Plot scan = Crosses( MACD( 12, 26, 9, "SMA" ).Avg, 0, CrossingDirection.Below )',
        "sma(sma(12) - sma(26), 9) crosses below 0",
    ),
    "decline for bars": (
        "input Bars = 5;\nplot decline = sum(close < close[1],Bars) ==  Bars;\n#end",
        "falling(close, 5)",
    ),
    "gap": (
        """
        input price1 = low;
        input percentage = 2.0;#hint percentage: Percent increase in price
        input price2 = high;
        def x = 1+percentage/100;
        def term = x*price2[1];
        plot scan = price1 >= term;# The current low is 2% above the previous high
        scan.SetpaintingStrategy(paintingStrategy.BOOLEAN_ARROW_DOWN);
        """,
        "low >= 1.02 * high[1]",
    ),
    "DMI oscillator": (
        """
        def length = 2;# The numbers of agg-bars DMI is climbing
        def x =DMI_Oscillator();
        def up = x > x[1];
        Plot Scan = x > 10 && sum(up,length) >= length;
        """,
        "plus_di(10) - minus_di(10) > 10 and rising(plus_di(10) - minus_di(10), 2)",
    ),
    "a wizard's words": (
        'close is greater than SimpleMovingAvg("length" = 50)."SMA" and RSI()."RSI" is less than '
        "45 and volume is greater than 100000",
        "close > sma(50) and rsi(14) < 45 and volume > 100K",
    ),
    "RSI of Connors": (
        "Plot Scan =(RSIWilder(length = 3) < 20 && Close > SimpleMovingAvg(length = 200))",
        "rsi(3) < 20 and close > sma(200)",
    ),
    "any cross of the average": (
        "def SMA = SimpleMovingAvg( close, 200, 0 );\n"
        "plot SmaScan = crosses( close, SMA, CrossingDirection.Any );",
        "close crosses above sma(200) or close crosses below sma(200)",
    ),
    "ADX by its quoted line": (
        'ADX()."ADX" > 40 && DIPlus()."DI+" > DIMinus()."DI-"',
        "adx(14) > 40 and plus_di(14) > minus_di(14)",
    ),
    "average of ranges, and moves": (
        """
        def atr14 = Average(TrueRange(high, close, low), 14);
        def rangeToday = high - low;
        def avgVol20 = Average(volume, 20);
        def atrExpansion = rangeToday > atr14 * 1.2;
        def volSpike = volume > avgVol20 * 1.5;
        def pctMove = AbsValue((close / close[1] - 1) * 100) >= 1.5;
        plot scan = atrExpansion and volSpike or pctMove and atrExpansion;
        """,
        "let wide = high - low > 1.2 * sma(trange(), 14); "
        "wide and (volume > 1.5 * sma(volume, 20) or abs(roc(1)) >= 1.5)",
    ),
    "a cross within bars": (
        "plot scan = MovingAverage(AverageType.EXPONENTIAL, close, 9) crosses above "
        "MovingAverage(AverageType.EXPONENTIAL, close, 21) within 3 bars and close between 5 and "
        "50;",
        "ema(9) crosses above ema(21) within 3 bars and close between 5 and 50",
    ),
    "weekly trend": (
        "def w = close(period = AggregationPeriod.WEEK);\n"
        "plot scan = w > Average(w, 10) and close > open;",
        "weekly(close, running) > weekly(sma(10), running) and close > open",
    ),
    "choice of two": (
        "def up = if close > open then 1 else 0;\nplot scan = up == 1 and !(close < close[1]);",
        "close > open and not close < close[1]",
    ),
    "bands": (
        "plot scan = close < BollingerBands(length = 20).LowerBand and RSI(14) < 35 and "
        "StochasticSlow(kPeriod = 14, dPeriod = 3).SlowK < 30;",
        "close < bbands(20, 2).lower and rsi(14) < 35 and stoch(14, 3, 3).k < 30",
    ),
    "a plot without a value": (
        "plot scan = if close crosses above Average(close, 50) then low else Double.NaN;",
        "close crosses above sma(50)",
    ),
}


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_has_the_meaning_of_its_condition(name: str, market: Market) -> None:
    text, expected = SCANS[name]
    assert_same_meaning(market, text, "thinkscript", expected)
    assert guess_language(text) == "thinkscript"


def test_a_constant_is_not_a_condition() -> None:
    for text in ("1", "plot scan = yes;", "plot scan = 1 and yes;"):
        with pytest.raises(UsageError, match="the same for every symbol"):
            translate(text, "thinkscript")


def test_names_that_grow_are_refused_soon() -> None:
    lines = [f"def a{n} = a{n - 1} + a{n - 1};" for n in range(1, 25)]
    with pytest.raises(ConditionError, match="too large with its names written out"):
        translate("\n".join(["def a0 = close;", *lines, "plot scan = a24 > 1;"]), "thinkscript")
    with pytest.raises(UsageError):
        translate("plot scan = " + "1+" * 9000 + "1 > 0;", "thinkscript")
    with pytest.raises(ConditionError, match="nested too deeply"):
        translate("plot scan = " + "(" * 5000 + "close" + ")" * 5000 + " > 0;", "thinkscript")


def test_a_plot_without_a_value_is_unknown_in_arithmetic() -> None:
    text = "def x = if close > open then close else Double.NaN;\nplot scan = x > 5;"
    assert translate(text).condition == "if(close > open, close, 0 / 0) > 5"


@pytest.mark.parametrize(
    ("text", "reason", "part"),
    [
        ("plot scan = VWAP() > close;", "daily bars only", "VWAP"),
        ("plot scan = close > HighestAll(high);", "a fixed number of bars", "HighestAll"),
        (
            "def n = fold i = 0 to 10 with p do p + close[i];\nplot scan = n > 5;",
            "a loop has no counterpart",
            "fold",
        ),
        ("rec x = x[1] + 1;\nplot scan = x > 5;", "no state", "x > 5"),
        (
            "def above20 = if close >= open then above20[1] + 1 else 0;\nplot scan = above20 > 5;",
            "computed from its own earlier value",
            "above20[1]",
        ),
        ("plot scan = IsAscending(close, 5);", "use rising, falling or slope", "IsAscending"),
        ("plot scan = HasEarnings();", "earnings and accounts are not stored", "HasEarnings"),
        ("plot scan = close[-1] > close;", "into the future", "close[-1]"),
        ("plot scan = MagicTrend() > 0;", "the function MagicTrend cannot be translated", "Magic"),
        ("plot scan = RSI(14).Signal > 0;", "has no line Signal", "Signal"),
        (
            "plot scan = close(period = AggregationPeriod.HOUR) > 5;",
            "bars other than daily, weekly or monthly",
            "close(period",
        ),
        ("plot a = close > 5;\nplot b = close > 6;", "several plots", "b = close > 6"),
        ("def x = close > 5;", "the script has no plot", ""),
        ("plot scan = close > ;", "expected a value", ";"),
        ("plot scan = SecondsFromTime(930) > 0;", "the time of day", "SecondsFromTime"),
        (
            "plot scan;\nif close > open { scan = 1; } else { scan = 0; }",
            "a block in braces",
            "if close",
        ),
        ("plot scan = RSI(length = 14, averageType = AverageType.HULL) > 5;", "averagetype", "RSI"),
    ],
)
def test_a_refusal_shows_the_part(text: str, reason: str, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        translate(text, "thinkscript")
    assert reason in caught.value.message
    assert caught.value.source[caught.value.column :].startswith(part)
