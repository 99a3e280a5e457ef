"""The condition language: text or Python to a tree (`tree.Node`).

`lexer` cuts the text, `parser` and `calls` build the tree, `builder` builds the same one from
Python's operators. `indicators` are the tables of what a condition can compute; `presets` are
conditions by name, and `templates` conditions with values to sweep.
"""
