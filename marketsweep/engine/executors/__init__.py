"""Executors evaluate a plan over a panel. They share one interface, and return the same bits."""
