"""The catalog of a data folder, in SQLite: `catalog.Catalog` joins the tables of the other modules.

Everything that decides an answer is kept in checksummed `packs`; `rows` are the records in them.
"""
