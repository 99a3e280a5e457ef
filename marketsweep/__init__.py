"""marketsweep: sweeps the whole US stock market for technical conditions."""
