"""The command line: `main` runs one of `commands`, `reports` are the texts that people read."""
