"""Reuse results of the last scan for the symbols whose data has not changed."""
