"""The kernels for an NVIDIA GPU: `source` is their CUDA text, from the headers of the CPU."""
