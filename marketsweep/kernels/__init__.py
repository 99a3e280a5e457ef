"""Native kernels: arrays in, arrays out; they know nothing of the rest."""
