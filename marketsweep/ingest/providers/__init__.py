"""Providers: the sources of prices, corporate actions and reference data."""
