"""Parse the text of a condition into a tree.

`lexer` cuts the text into tokens, and `parser` reads operators by precedence. Below it stand the
parts that it reads: `calls` (names and calls), `dated_calls` (calls that read the calendar) and
`definitions` (lines that begin with `let` or `def`). `token_stream` moves through the tokens.
"""
