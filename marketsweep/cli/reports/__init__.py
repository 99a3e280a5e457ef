"""What people read: receipts, status, quality, universes. Plain text, no colour."""
