"""Translate filters of other tools into conditions: thinkScript, Pine Script, ChartInk, Finviz.

`reader` parses what the three infix languages share and builds the tree of the language from it.
Each language has a module for its syntax and, but for Finviz, a table of its functions. `translate`
chooses the language. The package is imported only by `marketsweep translate`.
"""
