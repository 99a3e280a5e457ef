"""Suspicious bars: they are found and named, never repaired.

`rules` is the table of rules, `inspection` runs them over a store, `suspects` marks matches,
`warnings` is what a scan says of its data. `overrides` are the user's own splits and dividends.
"""
