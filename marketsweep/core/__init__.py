"""What everything else rests on, and imports nothing but errors.

Records (`records`), the sessions of the exchange (`calendar`), the fields of a bar (`fields`),
settings of a data folder (`settings`), tickers and their spellings, files and text that is safe to
show.
"""
