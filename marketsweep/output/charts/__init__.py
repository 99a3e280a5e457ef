"""Draw charts of symbols: candles, volume, indicators, and the bars on which a condition held.

1. `panes` decides from the trees of a condition and of indicators where each line is drawn.
2. `drawing` evaluates them over the newest bars, with the plan and the kernels of a scan.
3. `page` makes an interactive page of one symbol, `sheet` a static page of many.
4. `folder` writes the pages of a scan's matches.
"""
