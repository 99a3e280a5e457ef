"""Evaluate on a Ray cluster: `cluster` connects, `blocks` stores blocks, workers run `task`."""
