"""Executors for contract tests."""

from __future__ import annotations

from marketsweep.engine.executors.registry import EXECUTORS

IN_PROCESS = [name for name in EXECUTORS if name != "ray"]
"""Those that take nothing but this process; `test_ray` holds the other one to the same."""
