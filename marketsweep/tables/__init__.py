"""The tables of the catalog, a module for those of a kind; `rows` are the records in them."""
