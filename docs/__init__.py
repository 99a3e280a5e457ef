"""The docs, and `generate.py`, which writes the parts that the program knows best."""
