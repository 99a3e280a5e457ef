"""A Ray cluster: `cluster` connects, `blocks` of a panel travel, `task` is a worker's work."""
