"""Evaluate conditions: a tree and stored bars become columns of values.

`plan` orders the operations and finds how much history they need, `panel` gathers adjusted bars,
`lowering` turns the plan into a native program, and `executors` run it. Every executor returns the
same bits. `derived` computes fields that need more than one symbol's daily bars: weekly and monthly
bars, other symbols, cross-sections.
"""
