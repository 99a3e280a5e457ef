"""Run tests with the sanitized kernels of `make check-native`: sanitized.py FOLDER TEST..."""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    # The finder of the editable installation would come first.
    sys.meta_path = [f for f in sys.meta_path if not type(f).__module__.startswith("_editable")]
    folder = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(folder))
    from marketsweep.kernels import cpu, places, rows

    for module in (cpu, places, rows):
        file = Path(module.__file__)
        if folder not in file.parents or b"__asan_init" not in file.read_bytes():
            sys.exit(f"{file} is not built with sanitizers")
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[2:]]))
