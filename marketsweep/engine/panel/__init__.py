"""Stored bars as matrices, adjusted as of a session: `panel.Panel`.

`adjustments` are splits, dividends and tickers of earlier bars, `vintages` the intervals over which
what was known does not change, `facts` the reference data of a day.
"""
