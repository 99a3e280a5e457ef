"""One session: a condition to ranked matches, with a receipt of what they cover.

Read `scan.run_together` first. `query` makes one plan of condition, sort keys and columns, `loader`
keeps what scans of one data version share, `results.Hits` is the answer.
"""
