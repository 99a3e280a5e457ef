"""A day that is replayed: its minutes, the clock, and the stream of the protocol."""
