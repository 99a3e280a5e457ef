"""The API and the page over HTTP: checks, threads, formats and errors."""
