"""Speed and memory, each beside a peer or a limit: `python -m benchmarks`."""
