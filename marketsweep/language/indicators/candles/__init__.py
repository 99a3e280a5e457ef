"""The candlestick patterns of TA-Lib, with its candle settings, as formulas.

A pattern is 100 where it is bullish, -100 where it is bearish, and 0 elsewhere (80 and 200 where
TA-Lib has them). The averages of the settings are those of the bars before each bar.
"""
