"""ChartInk: clauses that users post, their meaning, and what is refused."""

from __future__ import annotations

import pytest

from marketsweep.errors import ConditionError
from marketsweep.language.translate.translate import guess_language, translate
from marketsweep.market import Market
from tests.helpers.translations import assert_same_meaning

CLAUSES = {
    "average and volume": (
        "( {cash} ( latest close > latest sma( close,50 ) and 1 day ago volume < latest volume ) )",
        "close > sma(50) and volume[1] < volume",
    ),
    "EMA and RSI": (
        "( {cash} ( latest close > latest ema( close, 61 ) and latest rsi( 14 ) > 60 and latest "
        "rsi( 14 ) < 70 and latest sma( volume,10 ) > 100000 ) )",
        "close > ema(61) and 60 < rsi(14) < 70 and sma(volume, 10) > 100K",
    ),
    "momentum": (
        "( {cash} ( latest close > latest open and latest close >= latest high * 0.97 and latest "
        "close > 1 day ago close * 1.02 and latest volume > latest sma( volume, 50 ) * 2 and "
        "latest ema( close, 20 ) > latest ema( close, 50 ) ) )",
        "close > open and close >= high * 0.97 and close > close[1] * 1.02 and "
        "volume > 2 * sma(volume, 50) and ema(20) > ema(50)",
    ),
    "golden cross": (
        "( {cash} ( latest sma( latest close , 50 ) > latest sma( latest close , 200 ) and 1 day "
        "ago sma( latest close , 50 ) <= 1 day ago sma( latest close , 200 ) ) )",
        "sma(50) crosses above sma(200)",
    ),
    "average of RSI": (
        "( {cash} ( latest rsi( 9 ) > latest wma( latest rsi( 9 ) , 21 ) and 1 day ago  rsi( 9 ) "
        "<= 1 day ago  wma( 1 day ago rsi( 9 ) , 21 ) ) )",
        "rsi(9) crosses above wma(rsi(9), 21)",
    ),
    "on-balance volume": (
        "( {cash} ( latest obv > latest sma( latest obv , 20 ) and latest close > 100 ) )",
        "obv() > sma(obv(), 20) and close > 100",
    ),
    "52-week breakout": (
        "( {cash} ( latest close > 1 day ago max( 120 , latest high ) ) )",
        "close > highest(high, 120)[1]",
    ),
    "MACD cross": (
        "( {cash} ( latest macd line( 26 , 12 , 9 ) > latest macd signal( 26 , 12 , 9 ) and 1 day "
        "ago macd line( 26 , 12 , 9 ) <= 1 day ago macd signal( 26 , 12 , 9 ) ) )",
        "macd(12, 26, 9).macd crosses above macd(12, 26, 9).signal",
    ),
    "weekly and monthly": (
        "( {cash} ( weekly close > weekly sma( weekly close , 20 ) and monthly "
        "close > 1 month ago close and 1 week ago close < latest close ) )",
        "weekly(close, running) > weekly(sma(20), running) and "
        "monthly(close, running) > monthly(close[1], running) and "
        "weekly(close[1], running) < close",
    ),
    "52 weeks": (
        "( {cash} ( latest close >= weekly max( 52 , weekly high ) * 0.95 ) )",
        "close >= 0.95 * weekly(highest(high, 52), running)",
    ),
    "narrow range": (
        "( {cash} ( latest high - latest low < 1 day ago high - 1 day ago low and latest high - "
        "latest low < 2 days ago high - 2 days ago low and latest high - latest low < 3 days ago "
        "high - 3 days ago low ) )",
        "high - low < lowest(high - low, 3)[1]",
    ),
    "nested groups": (
        "( {cash} ( ( {cash} ( latest cci( 20 ) < -100 or latest williams %r( 14 ) < -90 ) ) and "
        "( {cash} not( latest close < 5 ) ) ) )",
        "(cci(20) < -100 or willr(14) < -90) and not close < 5",
    ),
    "bands and ADX": (
        "latest close crossed above latest upper bollinger band( 20,2 ) and latest adx( 14 ) > 20 "
        "and latest adx di positive( 14 ) > latest adx di negative( 14 )",
        "close crosses above bbands(20, 2).upper and adx(14) > 20 and plus_di(14) > minus_di(14)",
    ),
    "stochastic": (
        "( {cash} ( latest slow stochastic %k( 14,3 ) >= latest slow stochastic %d( 14,3 ) and "
        "latest fast stochastic %k( 14 , 3 ) > 80 and latest % change > 2 ) )",
        "stoch(14, 3, 3).k >= stoch(14, 3, 3).d and stochf(14, 3, 0).k > 80 and roc(1) > 2",
    ),
    "the change in quotes": (
        '( {cash} ( latest "close - 1 candle ago close / 1 candle ago close * 100" >= 5 and '
        "latest close >= 5 days ago close * 1.15 ) )",
        "roc(1) >= 5 and close >= 1.15 * close[5]",
    ),
    "count": (
        "( {cash} ( count( 5, 1 where latest close > latest open ) >= 4 and "
        "latest supertrend( 7,3 ) < latest close and [0] weekly volume > 0 ) )",
        "count(close > open, 5) >= 4 and supertrend(7, 3).line < close",
    ),
    "formula of the user": (
        '( {cash} ( latest {custom_indicator_1_start}"sma(  volume , 50 ) *  close / 1000000"'
        "{custom_indicator_1_end} >= 500 ) )",
        "sma(volume, 50) * close / 1M >= 500",
    ),
}


@pytest.mark.parametrize("name", CLAUSES)
def test_a_clause_has_the_meaning_of_its_condition(name: str, market: Market) -> None:
    text, expected = CLAUSES[name]
    assert_same_meaning(market, text, "chartink", expected)
    assert guess_language(text) == "chartink"


@pytest.mark.parametrize(
    ("text", "reason", "part"),
    [
        (
            "( {cash} ( [0] 15 minute close > [0] 15 minute vwap ) )",
            "bars of the unit minute are not stored",
            "[0] 15 minute",
        ),
        ("( {cash} ( market cap > 500 ) )", "in crores of rupees", "market cap"),
        ("( {cash} ( latest close > latest vwap ) )", "daily bars only", "vwap"),
        ("( {cash} ( quarterly net sales > 5 ) )", "the unit quarterly", "quarterly"),
        ("( {cash} ( latest magic line( 5 ) > 5 ) )", "magic line cannot be translated", "magic"),
        ("( {cash} ( latest close > ) )", "expected a value", ") )"),
        (
            "( {cash} ( weekly sma( 1 month ago close , 5 ) > 5 ) )",
            "this offset within another one",
            "1 month ago",
        ),
        ("( {cash} ( 1 year ago close > 5 ) )", "bars of the unit year", "1 year"),
        ("( {cash} ( latest rsi( 14 , 5 ) > 5 ) )", "with 2 arguments", "rsi( 14 , 5 )"),
    ],
)
def test_a_refusal_shows_the_part(text: str, reason: str, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        translate(text, "chartink")
    assert reason in caught.value.message
    assert caught.value.source[caught.value.column :].startswith(part)


def test_a_group_of_indian_stocks_is_noted() -> None:
    translation = translate("( {33489} ( latest close > 20 ) )")
    assert translation.condition == "close > 20"
    assert translation.notes == ("the group {33489} of Indian stocks was left out",)
