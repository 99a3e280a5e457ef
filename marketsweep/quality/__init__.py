"""Suspicious bars: they are found and reported, never repaired.

`rules` is the table of rules, `inspection` runs them over a store, `suspects` marks matches,
`warnings` says what is doubtful in a scan's data. `overrides` are the user's own splits and
dividends.
"""
