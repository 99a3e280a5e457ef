"""A local server that imitates the Massive API, with data from files.

It serves real HTTP with latency, refusals and paging, without a key, a plan or the Internet.
`server.serve` runs it in this process, `launch.running` in a separate one.
"""
