"""Decide which symbols are in the market in a session, and which of them pass the screen.

`market_day` finds the expected symbols and the age of their bars, `screen.Screen` describes a
pre-screen, `prescreen` applies it, `named` reads universe.toml, `low_volume` maintains its list.
"""
