"""Provider to store: what a sync fetches, in which calls, and how it is committed.

`sync.sync` runs one; `plan` decides what is missing, `routes` which calls are the fewest, and
`receipt.SyncReceipt` says what came. `providers` are the sources, `files` reads files, `sandbox` is
a local stand-in for Massive.
"""
