"""What a condition can compute: `table` has the indicators, `events` what a condition did."""
