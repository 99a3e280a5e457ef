"""Names and phrases of other tools, by the text that means the same.

In a phrase, `#` stands for any number, and `{n}` in its text for that number; `{weeks}`, `{months}`
and `{years}` are as many bars. Of several texts, the first that parses is shown.
"""

from __future__ import annotations

from typing import Final

OBV: Final = ("obv()", "sum(sign(close - close[1]) * volume, 60)")
AD: Final = ("ad()", "sum((2 * close - high - low) / (high - low) * volume, 60)")
PVT: Final = ("pvt()", "sum(roc(1) / 100 * volume, 60)")
NVI: Final = ("nvi()", "sum(if(volume < volume[1], roc(1), 0), 255)")
PVI: Final = ("pvi()", "sum(if(volume > volume[1], roc(1), 0), 255)")
"""Sums from the first bar have a name of their own, or a sum over some bars stands for them."""

NAMES: Final[dict[str | tuple[str, ...], str]] = {
    "close": "c, today, daily close, last, price, px, last price, lastprice, last_price, "
    "closing price, close price, "
    "closeprice, adjclose, adj_close, adj close, current price, stock price",
    "open": "o, openprice, open_price, open price, opening price",
    "high": "h, highprice, high_price, high price, day high, dayhigh, high of day, hod",
    "low": "l, lowprice, low_price, low price, day low, daylow, low of day, lod",
    "volume": "v, vol, vol_today, shares traded, curvol, current volume",
    "dollar_volume": "turnover, dollarvolume, dollar volume, dolvol, dvol, value traded, "
    "traded value, price * vol",
    "close[1]": "yesterday, prev_close, prevclose, pclose, previous close, prev close, "
    "prior close, "
    "yesterday close, lastclose, last close, close_prev, c1",
    "open[1]": "prev_open, prevopen, previous open, prev open, o1",
    "high[1]": "prev_high, prevhigh, previous high, prev high, prior high, yesterday high, h1, "
    "prior day high, previous day high",
    "low[1]": "prev_low, prevlow, previous low, prev low, prior low, yesterday low, l1, "
    "prior day low, previous day low",
    "volume[1]": "prev_volume, prevvolume, previous volume, v1",
    "(open + close) / 2": "oc2",
    "wclprice()": "hlcc4, weighted close, weightedclose",
    "hlc3": "typical, typicalprice, typical_price, typical price, hlc",
    "hl2": "hl, medianprice, median price, midprice_bar",
    "roc(1)": "change, chg, % change, %change, change %, change%, pct_change, pctchange, pct_chg, "
    "chg_pct, chgpct, change_pct, change_percent, changepercent, percent_change, percentchange, "
    "percent change, price change, perf, daily change, netchange, net change, day change",
    "100 * (open / close[1] - 1)": "gap, gap_pct, gappct, gap_percent, gap percent, gap %, gap%, "
    "gapup, gap up, gap_up_pct, opening gap",
    "open > high[1]": "full gap up",
    "100 * (close / open - 1)": "change from open, changeopen, change_from_open, changefromopen",
    "high - low": "range, day range, dayrange, daily range, bar range, candle range",
    "abs(close - open)": "body, candle body, real body, realbody",
    "sma(volume, 20)": "avgvol, avg_vol, avgvolume, avg_volume, averagevolume, average_volume, "
    "avg vol, avg volume, average volume, volume avg, volume average, vol avg, volavg, volumeavg, "
    "volume_avg, vol_avg, vma, volma, vol_ma, volume ma, volume sma, volsma, volume_sma, sma vol, "
    "mean volume",
    "sma(dollar_volume, 20)": "adv, average dollar volume, avg dollar volume, "
    "avg_dollar_volume, liquidity",
    "rvol(20)": "relvol, rel_vol, rel volume, rel vol, relative volume, relativevolume, "
    "relative vol, vol_ratio, volratio, volume ratio, volume_ratio, volume spike, unusual volume, "
    "unusualvolume",
    "market_cap": "marketcap, market cap, mcap, mktcap, mkt_cap, mkt cap, market capitalization, "
    "capitalization, marketcapitalization",
    "shares_outstanding": "shares outstanding, sharesoutstanding, outstanding shares, sharesout",
    "dividend_yield": "dividend yield, dividendyield, div_yield, divyield, div yield, yield",
    "dividend": "dividends, ex dividend, exdividend, ex_date",
    "ipo_date": "ipo date, ipodate",
    "listing_age": "ipo age, days listed, age",
    "symbol": "ticker, sym, stock, tickerid",
    "exchange": "exch, market_exchange",
    "name": "company, companyname, company name, company_name, description",
    "type": "security type, asset type, security_type, asset_type",
    "highest(high, 252)": "52 week high, 52 wk high, 52w high, 52w_high, 52wk_high, 52wkhigh, "
    "52whigh, 52_week_high, 52weekhigh, high52, high_52w, high52w, high_52wk, high_52_week, "
    "high52week, week52high, week_52_high, yearly high, yearlyhigh, year high, yearhigh, hi52, "
    "1 year high, one year high, fiftytwoweekhigh, annual high",
    "lowest(low, 252)": "52 week low, 52 wk low, 52w low, 52w_low, 52wk_low, 52wklow, 52wlow, "
    "52_week_low, 52weeklow, low52, low_52w, low52w, low_52wk, low_52_week, low52week, "
    "week52low, week_52_low, yearly low, yearlylow, year low, yearlow, lo52, 1 year low, "
    "one year low, fiftytwoweeklow, annual low",
    "high == highest(high, 252)": "new high, newhigh, new_high, new 52 week high, new highs, "
    "at new high, new_52_week_highs",
    "low == lowest(low, 252)": "new low, newlow, new_low, new 52 week low, new lows",
    "highest(high, {n})": "# - day high, # - bar high, # day high, # bar high, # days high, "
    "# period high",
    "lowest(low, {n})": "# - day low, # - bar low, # day low, # bar low, # days low, # period low",
    "highest(high, {weeks})": "# - week high, # week high, # wk high, # weeks high",
    "lowest(low, {weeks})": "# - week low, # week low, # wk low, # weeks low",
    "highest(high, {months})": "# - month high, # month high, # months high",
    "lowest(low, {months})": "# - month low, # month low, # months low",
    "highest(high, {years})": "# year high, # years high",
    "lowest(low, {years})": "# year low, # years low",
    "sma({n})": "# - day sma, # - day ma, # - day moving average, # - day average, # day sma, "
    "# day ma, # day moving average, # day simple moving average, "
    "# sma, # ma, # dma, # period sma, # bar sma, sma #, ma #, # day average",
    "ema({n})": "# - day ema, # day ema, # ema, # period ema, # bar ema, "
    "# day exponential moving average, "
    "ema #",
    "{n}M": "# million, # mio, # mn",
    "{n}B": "# billion, # bn",
    "{n}K": "# thousand",
    "roc(1) > {n}": "up #, close up #, up more than #, up at least #, gained #, price up #",
    "roc(1) < -{n}": "down #, close down #, down more than #, lost #, price down #",
    "rising(close, {n})": "up # days, up # bars, up # days in a row, # up days, # days up, "
    "# consecutive up days, # green days",
    "falling(close, {n})": "down # days, down # bars, down # days in a row, # down days, "
    "# days down, # consecutive down days, # red days",
    "high >= highest(high, {n})": "new # day high, new # - day high, # day new high",
    "low <= lowest(low, {n})": "new # day low, new # - day low, # day new low",
    "weekly(high[1], running)": "last week high, previous week high, prior week high",
    "weekly(low[1], running)": "last week low, previous week low, prior week low",
    "monthly(high[1], running)": "last month high, previous month high, prior month high",
    "monthly(low[1], running)": "last month low, previous month low, prior month low",
    "swing_low(3, 3) > swing_low(3, 3, 1)": "higher low, higher lows",
    "swing_high(3, 3) < swing_high(3, 3, 1)": "lower high, lower highs",
    "weekly(close)": "weekly close, week close, close weekly",
    "monthly(close)": "monthly close, month close, close monthly",
    "weekly(rsi(14))": "weekly rsi",
    "weekly(high)": "weekly high",
    "weekly(low)": "weekly low",
    'type == "ETF"': "etf, etfs, is etf, isetf",
    'type == "CS"': "common stock, common stocks, stocks only, stocksonly, is stock",
    "rsi({n})": "# day rsi, # rsi, rsi #, # period rsi",
    "sma(20)": "avg, average, mean, moving average, movingaverage, moving_average, "
    "simple moving average, bb_middle, bb_mid, bbmid, bb_basis",
    "ema(20)": "exponential moving average",
    "roc(5)": "perf_week, perfweek, perf_1w, perf1w, week change, weekly change, weekly return, "
    "performance week",
    "roc(21)": "perf_month, perfmonth, perf_1m, perf1m, month change, monthly change, "
    "monthly return, performance month",
    "roc(63)": "perf_quarter, perf_3m, perf3m, quarter change, performance quarter",
    "roc(126)": "perf_half, perf_6m, perf6m, performance half year",
    "roc(252)": "perf_year, perf_1y, perf1y, year change, yearly return, performance year",
    "rsi(14)": "relative strength index, relativestrengthindex",
    "atr(14)": "average true range, averagetruerange, avgtruerange, avg true range",
    "macd(12, 26, 9).macd": "macd_line, macdline, macd line, macd value",
    "macd(12, 26, 9).signal": "macd_signal, macdsignal, macd signal, signal line, signalline, "
    "macds, macd_sig",
    "macd(12, 26, 9).hist": "macd_hist, macdhist, macd hist, macd histogram, macdhistogram, "
    "macd_histogram, macd_diff, macddiff, macdh, macd diff, histogram",
    "bbands(20, 2).upper": "bb_upper, bbupper, bb upper, bbtop, bb_top, upper_band, upperband, "
    "upper band, upper bollinger band, upper bollinger, bollinger upper, bollinger_upper, "
    "bollingerupper, bollinger_hband, bbu, upper bb, bollinger band upper, ubb",
    "bbands(20, 2).lower": "bb_lower, bblower, bb lower, bbbottom, bb_bottom, bbbot, lower_band, "
    "lowerband, lower band, lower bollinger band, lower bollinger, bollinger lower, "
    "bollinger_lower, bollingerlower, bollinger_lband, bbl, lower bb, bollinger band lower, lbb",
    "bbands(20, 2).width": "bb_width, bbwidth, bbw, bollinger width, bandwidth, "
    "bollinger bandwidth, bollinger_width",
    "bbands(20, 2).percent_b": "percentb, percent_b, % b, %b, bb_percent, bbp, pctb",
    "bbands(20, 2).middle": "bollinger, bollinger band, bollinger bands, bollingerbands, bb, "
    "bollinger_bands",
    "stoch(14, 3, 3).k": "stochastic, stochastics, stoch_k, stochk, stoch k, slowk, slow_k, "
    "%k, % k, fullk, full stochastic, slow stochastic, stochastic k, stochslowk",
    "stoch(14, 3, 3).d": "stoch_d, stochd, stoch d, slowd, slow_d, %d, % d, fulld, stochastic d, "
    "stochslowd",
    "stochf(5, 3, 0).k": "fastk, fast_k, fast stochastic, stochfastk",
    "stochf(5, 3, 0).d": "fastd, fast_d, stochfastd",
    "stochrsi(close, 14, 5, 3, 0).k": "stoch rsi, stoch_rsi, stochastic rsi",
    "adx(14).plus_di": "plusdi, di_plus, diplus, dmi_plus, dmiplus, pdi, + di, +di, di +, di+, "
    "adxpos, plus di, adx di positive",
    "adx(14).minus_di": "minusdi, di_minus, diminus, dmi_minus, dmiminus, mdi, ndi, - di, di -, "
    "adxneg, minus di, adx di negative",
    "adx(14)": "dmi, adx_14, average directional index",
    "sar(0.02, 0.2)": "sar, psar, parabolic sar, parabolicsar, parabolic, parabolic_sar",
    "willr(14)": "% r, %r, wpr, williams % r, williams %r, williamsr, williams, williams r, "
    "percentr, willr, williamspercentr",
    "mfi(14)": "money flow index, moneyflowindex, moneyflow, money flow",
    "cmf(20)": "chaikin money flow, chaikinmoneyflow, chaikin",
    "cci(20)": "commodity channel index",
    "trange()": "tr, truerange, true_range, true range",
    "keltner(20, 2, 10).upper": "kc_upper, kcupper, upper keltner, keltner upper, keltner channel",
    "keltner(20, 2, 10).lower": "kc_lower, kclower, lower keltner, keltner lower",
    "donchian(20).upper": "dc_upper, donchian upper, donchian channel, donchian_upper",
    "donchian(20).lower": "dc_lower, donchian lower, donchian_lower",
    "squeeze(20)": "ttm_squeeze, ttm squeeze, ttmsqueeze, ttm",
    "ichimoku().tenkan": "tenkan, tenkan_sen, tenkansen, conversion line, conversionline",
    "ichimoku().kijun": "kijun, kijun_sen, kijunsen, base line, baseline",
    "ichimoku().top": "cloud, kumo, cloud top, ichimoku cloud, kumo top",
    "ichimoku().bottom": "cloud bottom, kumo bottom",
    "supertrend(10, 3).line": "super trend, super_trend",
    "ha().close": "ha_close, haclose, heikin ashi, heikinashi",
    "pivots().p": "pivot, pivot point, pivotpoint, pp",
    "volatility(20)": "hv, historical volatility, historicalvolatility, hist vol, histvol, "
    "historical_volatility, volatility20",
    "stddev(close, 20)": "std, standard deviation, standarddeviation, sd",
    "er(10)": "efficiency ratio, efficiencyratio",
    'beta(symbol("SPY").close, close, 252)': "beta_spy, beta to market",
    'rs(63, "SPY")': "relative strength, relativestrength, rel_strength, rel strength, "
    "rsline, rs line, mansfield",
    "percentile(rs_score())": "rs rating, rs_rating, rsrating, rs_rank",
    "percentile(sctr_score()) by bucket(market_cap, 2B, 10B)": "sctr, technical rank",
    "percentile(ad_score())": "ad_rating, ad rating, acc dis, accdis",
    "number(close > open)": "green, green candle, bullish candle, bullish bar, white candle",
    "number(close < open)": "red, red candle, bearish candle, bearish bar, black candle",
    "high < high[1] and low > low[1]": "inside, inside bar, inside day, insidebar, inside_bar",
    "high > high[1] and low < low[1]": "outside, outside bar, outside day, outsidebar, outside_bar",
    "cdldoji() != 0": "doji",
    "cdlhammer() > 0": "hammer",
    "cdlengulfing() > 0": "bullish engulfing, engulf, bullishengulfing",
    "cdlengulfing() < 0": "bearish engulfing, bearishengulfing",
    "ytd()": "year to date, ytd_return, perf_ytd, ytd change",
    "day_of_week": "dayofweek, day of week, weekday, getdayofweek",
    "day_of_month": "dayofmonth, day of month, getday, getdayofmonth",
    "month": "monthofyear, getmonth",
    "year": "getyear",
    "date": "datenum",
    "sma(50) crosses above sma(200)": "golden cross, goldencross",
    "sma(50) crosses below sma(200)": "death cross, deathcross",
    "rsi(14) < 30": "oversold, over sold",
    "rsi(14) > 70": "overbought, over bought",
    "3.141592653589793": "pi, math . pi",
    OBV: "obv, on balance volume, onbalancevolume, on_balance_volume",
    AD: "adl, ad, accdist, acc dist, accumulation distribution, accumdist, chaikin ad",
    PVT: "pvt, price volume trend, pricevolumetrend, vpt",
    NVI: "nvi, negative volume index",
    PVI: "pvi, positive volume index",
}
"""Words and phrases, separated by commas, by the text that means the same."""

MISSING: Final[dict[tuple[str, str], str]] = {
    (
        "earnings need marketsweep sync --facts, or a column in a symbols file",
        "market_cap > 1B",
    ): "pe, p/e, p e, "
    "pe_ratio, pe ratio, peratio, trailing_pe, forward pe, forward_pe, forwardpe, fpe, peg, "
    "peg_ratio, eps, eps_growth, eps growth, earnings per share, earnings, earnings growth, "
    "earnings date, earningsdate, earnings_date, hasearnings, days to earnings, next earnings, "
    "net income, netincome, net_income, ebitda, ebit, earnings yield, earnings surprise, "
    "price to earnings, price earnings",
    (
        "figures of accounts need marketsweep sync --facts, or a column in a symbols file",
        "market_cap > 1B",
    ): "revenue, sales, "
    "revenue growth, sales growth, sales_growth, roe, roa, roic, roi, margin, gross margin, "
    "gross_margin, net margin, profit margin, profit_margin, operating margin, debt, "
    "debt equity, debt to equity, debt/equity, d/e, current ratio, current_ratio, quick ratio, "
    "book value, book_value, bookvalue, pb, p/b, p b, price to book, ps, p/s, p s, "
    "price to sales, pcf, fcf, free cash flow, cash flow, cashflow, cash, enterprise value, ev, "
    "employees, piotroski, altman, payout, payout ratio, payout_ratio",
    (
        "the float needs marketsweep sync --facts, or a column in a symbols file; this is the "
        "number of all shares",
        "shares_outstanding",
    ): "float, "
    "shares float, share float, floatshares, float_shares, sharesfloat, free float, freefloat, "
    "low float, lowfloat",
    (
        "short interest needs marketsweep sync --facts, or a column in a symbols file",
        "market_cap / close",
    ): "short interest, shortinterest, "
    "short_percent_of_float, days_to_cover, short_interest, short float, shortfloat, "
    "short_float, short ratio, short_ratio, days to cover, daystocover, si, short percent, "
    "borrow fee",
    (
        "owners need a column in a symbols file",
        "market_cap > 1B",
    ): "insider, insiders, insider buying, "
    "insider_own, insiderown, institutional, institutions, inst own, inst_own, instown, "
    "institutional ownership, institutional holdings, promoter",
    (
        "opinions need a column in a symbols file",
        "close > 0.9 * highest(high, 252)",
    ): "analyst, "
    "analysts, recommendation, recom, target price, targetprice, price target, target_price, "
    "upgrade, downgrade, rating",
    ("options are not stored; this is the volatility of the past bars", "volatility(20)"): (
        "iv, implied volatility, impliedvolatility, imp_volatility, implied_volatility, iv rank, "
        "iv_rank, ivrank, iv percentile, put call, put call ratio, options, option volume, "
        "optionable, open interest, openinterest, open_interest"
    ),
    ("a mean by volume needs its first bar", "anchored_vwap(month)"): (
        "vwap, vwap_day, anchored vwap, anchoredvwap, avwap"
    ),
    ("there are daily bars only, without quotes", "open / close[1] - 1 > 2%"): "bid, ask, spread, "
    "bid ask, premarket, pre market, premarket volume, pre_market, afterhours, after hours, "
    "postmarket, after_hours, intraday, minute, hourly, # minute, # min, # hour, tick, ticks, "
    "trades, level2, halted, halt",
    ("news and events are not stored", "rvol(20) > 3"): "news, catalyst, headline, headlines, "
    "press release, sentiment, social, fda",
    (
        "the members of an index need a column in a symbols file, or a list with --universe",
        "market_cap > 10B",
    ): (
        "sp500, spx members, index, indexes, nasdaq100, russell2000, dow30, in index, constituents"
    ),
    (
        "a condition does not know the stored history's start; a year has 252 bars",
        ("highest(high, 252)"),
    ): "all time high, alltimehigh, all_time_high, ath, all time low, atl, alltimelow, "
    "highestall, lowestall, all_time_low",
    ("there are daily bars only", "day_of_week == 5"): "time, hour, timenum",
    ("a sum needs its start", "cumulative(volume, month)"): "mtd, month to date",
    ("a quarter is a start of sums", "cumulative(volume, quarter)"): "qtd, quarter to date",
    ("bars have no number of their own", "first_bar(month) within 3 bars"): "barnum, barnumber, "
    "bar_index, barindex, bar index, n bars",
    (
        "a score of several conditions is a sum of numbers",
        "number(close > sma(50)) + number(rsi(14) > 50) >= 2",
    ): "score, technical rating, zacks",
    ("the volume at each price needs intraday bars", "vwma(20)"): "poc, volume profile, "
    "volumeprofile, vpvr, vah, val, value area",
    (
        "chart patterns are not computed, but swing points are",
        "swing_low(3, 3) > swing_low(3, 3, 1)",
    ): "zigzag, zig, peak, trough, cup and handle, head and shoulders, double top, "
    "double bottom, wedge, triangle, flag, pennant, trendline, trend line, channel up, "
    "channel down, support, resistance",
    ("a comment begins with #", "close > open"): "/ /, / *",
    (
        "marketsweep translate writes such filters as conditions",
        "close > sma(50)",
    ): "def, plot, plot scan, input, declare, latest, alertcondition, plotshape, study, indicator, "
    "{cash}, finviz",
    (
        "StockCharts' brackets and frames are left out",
        "close > sma(200) and volume > sma(volume, 20)",
    ): "[ daily, [ daily close, [ type, [ group, [ exchange, [ sma, [ rsi, daily close, daily sma",
    ("a condition is true or false by itself", "close > open"): "true, false, yes, no",
    ("bars are daily without a word", "close > open"): "daily, 1d, day",
    ("a condition has no state of its own", "streak(close > close[1]) >= 3"): "rec, compoundvalue, "
    "compound value, position, entry, buy, sell, strategy, exit",
}
"""Words for what is not stored: the reason, and an example of what is possible instead."""
