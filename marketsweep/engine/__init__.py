"""Tree and bars to columns of values: the same numbers by every executor.

`plan` orders the operations and finds the history that they need, `panel` gathers adjusted bars,
`lowering` makes a native program of the plan, `executors` run it. `derived` works out what single
symbols cannot tell: longer bars, other symbols, cross-sections.
"""
