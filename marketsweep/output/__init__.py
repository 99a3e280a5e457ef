"""Show results: `formats` of files and tables, and `charts`."""
