"""Scan one session: turn a condition into ranked matches, with a receipt of the coverage.

Read `scan.run_together` first. `query` makes one plan of the condition, sort keys and columns,
`loader` caches what the scans of one data version share, and `results.Hits` is the result.
"""
