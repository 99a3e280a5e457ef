"""HTTP client of network providers: rate limit, retries, and errors in plain words."""
