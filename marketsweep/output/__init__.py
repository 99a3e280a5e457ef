"""What an answer becomes: `formats` of files and tables, and `charts`."""
