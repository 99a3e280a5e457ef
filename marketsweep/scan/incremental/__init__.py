"""Results of the last scan, taken over for symbols whose data has not changed."""
