"""Serve a data folder over HTTP: the API under /api/v1, and the page that uses it."""
