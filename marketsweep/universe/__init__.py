"""Who is in the market on a session, and who passes the screen.

`market_day` tells who is expected and how fresh their bars are, `screen.Screen` says who is looked
at, `prescreen` applies it, `named` reads universe.toml, `low_volume` keeps its list.
"""
