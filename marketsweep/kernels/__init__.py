"""Native kernels: they take arrays and return arrays, and import no other package."""
