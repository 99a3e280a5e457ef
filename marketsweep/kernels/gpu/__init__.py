"""The kernels for NVIDIA GPUs: `source` makes their CUDA text from the CPU's headers."""
