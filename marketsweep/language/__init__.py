"""The condition language: turn text or Python expressions into a tree (`tree.Node`).

`parsing` builds the tree from a text, and `builder` builds the same tree from Python operators.
`indicators` are the tables of what a condition can compute, `presets` are conditions by name, and
`templates` are conditions with values to sweep. `foreign` knows words of other tools, and
`translate` their filters.
"""
