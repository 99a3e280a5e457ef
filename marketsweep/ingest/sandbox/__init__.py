"""A local server that speaks the Massive protocol over a bar file.

Real HTTP, latency, refusals and paging without a key, a plan or the Internet: `server.serve` runs
it in this process, `launch.running` in one of its own.
"""
