"""Charts of symbols: candles, volume, indicators, and the bars on which a condition held.

1. `panes` decides from the trees of a condition and of indicators what is drawn where.
2. `drawing` evaluates them over the newest bars, by the plan and the kernels of a scan.
3. `page` makes one page of one symbol, which moves; `sheet` one of many, which stands still.
4. `folder` writes the pages of a scan's matches.
"""
