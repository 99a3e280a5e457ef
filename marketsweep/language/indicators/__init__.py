"""What a condition can compute: `table` has the indicators, `events` the event functions."""
