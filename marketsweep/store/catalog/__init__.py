"""The catalog of a data folder, in SQLite: `catalog.Catalog` joins the tables of the other modules.

Everything that affects an answer is stored in checksummed `packs`; `rows` are the records in them.
"""
