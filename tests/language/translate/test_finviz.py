"""Finviz: addresses and codes that users post, their meaning, and what is refused."""

from __future__ import annotations

import pytest

from marketsweep.errors import ConditionError
from marketsweep.language.parsing.parser import parse
from marketsweep.language.translate.finviz import condition_of
from marketsweep.language.translate.tables import finviz as codes
from marketsweep.language.translate.translate import guess_language, translate
from marketsweep.market import Market
from tests.helpers.translations import assert_same_meaning

SCREENS = {
    "crosses": (
        "https://finviz.com/screener.ashx?v=111&f=ta_changeopen_u,ta_sma20_cross200a&ft=3&o=-volume",
        "close > open and sma(20) crosses above sma(200)",
    ),
    "price and averages": (
        "sh_price_u10,ta_sma50_pa,sh_avgvol_o100",
        "close < 10 and close > sma(50) and sma(volume, 63) > 100K",
    ),
    "oversold": (
        "sh_avgvol_o500,sh_price_o10,ta_rsi_os40",
        ("sma(volume, 63) > 500K and close > 10 and rsi(14) < 40"),
    ),
    "near the high": (
        "https://finviz.com/screener?v=111&f=sh_price_o7%2Cta_highlow52w_b0to10h%2Cta_sma20_pa"
        "%2Cta_sma200_pa&ft=3&o=-marketcap",
        "close > 7 and close >= 0.9 * highest(high, 252) and close > sma(20) and close > sma(200)",
    ),
    "new high": (
        "f=sh_avgvol_o1000,sh_price_o10,ta_highlow52w_nh",
        "sma(volume, 63) > 1M and close > 10 and high >= highest(high, 252)",
    ),
    "week": (
        "sh_avgvol_o1000,sh_price_o3,ta_perf_1w10o,ta_volatility_wo4",
        "sma(volume, 63) > 1M and close > 3 and roc(5) > 10 and adr_percent(5) > 4",
    ),
    "gap on volume": (
        "ta_gap_u2,sh_relvol_o2",
        "open > 1.02 * close[1] and volume / sma(volume, 63) > 2",
    ),
    "averages in order": (
        "ta_sma20_sa50,ta_sma50_sa200,ta_sma20_pa,ta_sma200_pa10",
        "sma(20) > sma(50) and sma(50) > sma(200) and close > sma(20) and close > 1.1 * sma(200)",
    ),
    "below the low": (
        "ta_highlow52w_a0to5h,ta_perf_4wdown,sh_price_1to20",
        "close <= 1.05 * lowest(low, 252) and roc(21) < 0 and 1 <= close <= 20",
    ),
    "price crosses": (
        "ta_sma50_pca,sh_curvol_o500",
        ("close crosses above sma(50) and volume > 500K"),
    ),
    "down and not oversold": (
        "ta_change_d2,ta_rsi_nos50,ta_perf2_26wup",
        "roc(1) < -2 and rsi(14) > 50 and roc(126) > 0",
    ),
    "range and ATR": (
        "sh_price_10to50,ta_averagetruerange_o1.5,sh_avgvol_o1000",
        "10 <= close <= 50 and atr(14) > 1.5 and sma(volume, 63) > 1M",
    ),
    "hammer": ("ta_candlestick_h,sh_price_o5", "cdlhammer() > 0 and close > 5"),
    "signal": (
        "https://finviz.com/screener.ashx?v=111&s=ta_oversold&f=sh_price_o5",
        ("rsi(14) < 30 and close > 5"),
    ),
    "two choices": ("ta_perf_1w20o|1w10o,sh_price_o1", "roc(5) > 10 and close > 1"),
    "day": ("ta_perf_d5o,sh_avgvol_o200", "roc(1) > 5 and sma(volume, 63) > 200K"),
}


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_has_the_meaning_of_its_condition(name: str, market: Market) -> None:
    text, expected = SCREENS[name]
    assert_same_meaning(market, text, "finviz", expected)
    assert guess_language(text) == "finviz"


@pytest.mark.parametrize(
    ("code", "condition"),
    [
        ("cap_midover", "market_cap >= 2B"),
        ("cap_small", "300M <= market_cap < 2B"),
        ("exch_nasd", 'exchange == "NASDAQ"'),
        ("sec_technology", 'sector in ["Technology"]'),
        ("geo_usa", 'country == "United States"'),
        ("geo_notusa", 'country != "United States"'),
        ("ipodate_prev2yrs", "listing_age <= 731"),
        ("ipodate_more1", "listing_age > 365"),
        ("ind_stocksonly", 'not type in ["ETF", "ETN", "ETV", "FUND"]'),
        ("sh_outstanding_u50", "shares_outstanding < 50M"),
        ("fa_div_o3", "dividend_yield > 3"),
        ("fa_div_pos,fa_div_veryhigh", "dividend_yield > 0 and dividend_yield > 10"),
        ("ta_perf_ytdup", "ytd() > 0"),
        ("ta_perf_ytd20o", "ytd() > 20"),
        ("ta_perf2_ytd10u", "ytd() < -10"),
        ("ta_beta_o1", 'beta(symbol("SPY").close, close, 252) > 1'),
    ],
)
def test_codes_of_stored_facts(code: str, condition: str) -> None:
    assert parse(translate(code, "finviz").condition) == parse(condition)


def all_codes() -> list[str]:
    """Codes of each kind, as Finviz has them."""
    means = [
        f"ta_sma{n}_{end}"
        for n, others in ((20, (50, 200)), (50, (20, 200)), (200, (20, 50)))
        for end in (
            *("pa", "pb", "pc", "pca", "pcb", "pa10", "pa50", "pb10", "pb50"),
            *(f"{way}{other}" for way in ("sa", "sb") for other in others),
            *(f"cross{other}{way}" for way in ("", "a", "b") for other in others),
        )
    ]
    extremes = [
        f"ta_highlow{span}_{end}"
        for span in ("20d", "50d", "52w")
        for end in ("nh", "nl", "b5h", "b50h", "b0to3h", "b0to10h", "a5h", "a50h", "a0to3h")
    ]
    performance = [
        f"ta_{name}_{end}"
        for name in ("perf", "perf2")
        for end in (
            *("dup", "ddown", "d5o", "d5u", "d15o", "1wup", "1wdown", "1w10o", "1w20u", "4w50o"),
            *("13wup", "13w50o", "26w100o", "26wdown", "52w300o", "52w75u"),
        )
    ]
    others = [
        *("ta_rsi_ob90", "ta_rsi_ob60", "ta_rsi_os10", "ta_rsi_nob60", "ta_rsi_nos50"),
        *("ta_gap_u", "ta_gap_d", "ta_gap_u20", "ta_gap_d5", "ta_change_u", "ta_change_d10"),
        *("ta_changeopen_u5", "ta_changeopen_d", "ta_volatility_wo15", "ta_volatility_mo3"),
        *("ta_averagetruerange_o0.25", "ta_averagetruerange_u5", "ta_beta_u0.5", "ta_beta_0to1"),
        *("sh_avgvol_u50", "sh_avgvol_100to500", "sh_relvol_o0.25", "sh_relvol_u2"),
        *("sh_curvol_o0", "sh_curvol_u1000", "sh_price_u1", "sh_price_50to100", "sh_price_5to"),
        *(f"cap_{name}" for name in codes.CAPS),
        *(f"exch_{name}" for name in codes.EXCHANGES),
        *(f"sec_{name}" for name in codes.SECTORS),
        *(f"geo_{name}" for name in codes.COUNTRIES),
        *(f"ipodate_{name}" for name in codes.LISTED),
        *(f"ind_{name}" for name in codes.TYPES),
        *(f"ta_candlestick_{name}" for name in codes.CANDLES),
        *codes.SIGNALS,
    ]
    return [*means, *extremes, *performance, *others]


@pytest.mark.parametrize("code", all_codes())
def test_each_code_has_a_condition(code: str) -> None:
    condition = condition_of(code)
    assert condition, code
    assert parse(condition)


@pytest.mark.parametrize(
    ("text", "reason", "part"),
    [
        (
            "cap_midover,fa_pe_u20",
            "fa_pe_u20 cannot be translated: figures of a company's",
            "fa_pe",
        ),
        ("sh_short_o10", "short interest is not stored", "sh_short_o10"),
        ("sh_float_u20", "the float is not stored", "sh_float_u20"),
        ("earningsdate_nextweek", "dates of earnings are not stored", "earningsdate"),
        ("idx_sp500", "members of an index are not stored", "idx_sp500"),
        ("an_recom_buybetter", "analysts' opinions are not stored", "an_recom"),
        ("sh_instown_o50", "who owns the shares is not stored", "sh_instown"),
        ("sh_opt_option", "options are not stored", "sh_opt"),
        ("ta_pattern_channelup", "chart patterns are not computed", "ta_pattern"),
        ("ta_alltime_nh", "does not know the first bar", "ta_alltime"),
        ("ta_candlestick_lls", "does not publish", "ta_candlestick"),
        ("ta_foo_bar", "the code is not known", "ta_foo"),
        ("targetprice_above", "analysts' opinions", "targetprice"),
        ("https://finviz.com/screener.ashx?v=111", "the filter is missing", ""),
    ],
)
def test_a_refusal_shows_the_part(text: str, reason: str, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        translate(text, "finviz")
    assert reason in caught.value.message
    assert caught.value.source[caught.value.column :].startswith(part)


def test_every_code_that_cannot_be_translated_is_named() -> None:
    with pytest.raises(ConditionError) as caught:
        translate("fa_pe_u20,sh_price_o5,sh_short_o10", "finviz")
    assert "fa_pe_u20 cannot be translated" in caught.value.message
    assert "sh_short_o10: short interest is not stored" in caught.value.message


def test_notes_tell_what_was_left_out() -> None:
    translation = translate(SCREENS["crosses"][0])
    assert translation.notes == ("the order -volume was left out: add --sort",)
