"""Which company had which ticker when, and which splits and dividends count for it.

`instruments` joins listings to companies, `tenures` finds the days of each ticker from the bars,
`judging` makes a ruling on each split and dividend, and `resolution` runs all three in one
transaction.
"""
