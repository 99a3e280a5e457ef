"""The foundation of all other packages; it imports nothing but errors.

It has the records (`records`), the sessions of the exchange (`calendar`), the fields of a bar
(`fields`), the settings of a data folder (`settings`), tickers and their spellings, and files and
text that are safe to write and show.
"""
