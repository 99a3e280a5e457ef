"""Gather stored bars into matrices, adjusted as of a session: `panel.Panel`.

`adjustments` are splits, dividends and earlier tickers, `vintages` the sessions over which the
known past does not change, and `facts` the reference data of a day.
"""
