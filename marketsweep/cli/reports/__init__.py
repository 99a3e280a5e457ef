"""Texts for people: receipts, status, quality, universes. Plain text without colour."""
