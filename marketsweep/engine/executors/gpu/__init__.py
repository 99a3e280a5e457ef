"""Evaluate on one NVIDIA GPU through CuPy: `launches` of a plan, `run` on a card, cached fields."""
