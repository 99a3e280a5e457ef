"""Momentum: how far and how fast prices have moved."""
