"""Massive, formerly Polygon.io: `provider` asks, `bodies` decodes what comes."""
