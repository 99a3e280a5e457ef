"""The command line: `main` runs one of `commands`, and `reports` makes the texts."""
