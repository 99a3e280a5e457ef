"""Provider to store: what a sync fetches, in which calls, and how it is committed.

`sync.sync` runs a sync; `plan` decides what is missing, `routes` chooses the route with the fewest
calls, and `receipt.SyncReceipt` reports the result. `providers` are the sources, `files` reads
files, and `sandbox` is a local stand-in for Massive.
"""
