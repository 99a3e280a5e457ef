"""Live: scan the running session again and again, and tell what entered and left."""
