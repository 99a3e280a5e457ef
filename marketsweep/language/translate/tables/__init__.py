"""The functions and codes of each tool, with their translations."""
