"""What followed the signals of a condition: events, returns, and how certain their means are."""
