"""Ways to run a plan over a panel, one contract and one answer to the bit: see `registry`."""
