"""One NVIDIA GPU through CuPy: `launches` of a plan, `run` on a device, fields kept there."""
