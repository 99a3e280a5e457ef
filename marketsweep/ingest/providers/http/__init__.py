"""The HTTP client of providers on a network: pace, retries, and errors in plain words."""
