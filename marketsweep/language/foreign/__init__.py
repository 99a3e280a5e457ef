"""Other tools' words: what a newcomer types, and the text that means the same here.

`names`, `functions` and `operators` are the table, `words` finds a row of it, and `answer` finds
such words in a text that does not parse. The package is imported only when an error is raised.
"""
