"""NVIDIA's runtime compiler by ctypes: it needs no card, and no CuPy."""

from __future__ import annotations

import ctypes
from ctypes.util import find_library
from functools import cache
from importlib.util import find_spec
from pathlib import Path

MISSING = "NVRTC is not at hand: pip install nvidia-cuda-nvrtc-cu12"


@cache
def library() -> ctypes.CDLL | None:
    """That of the pip package, or else of the system; None where there is none."""
    spec = find_spec("nvidia.cuda_nvrtc") if find_spec("nvidia") else None
    folders = spec.submodule_search_locations if spec else None
    found = [path for folder in folders or () for path in Path(folder, "lib").glob("libnvrtc.so.*")]
    name = str(found[0]) if found else find_library("nvrtc")
    return ctypes.CDLL(name) if name else None


def compiled(source: str, options: tuple[str, ...]) -> bytes:
    """A program for `--gpu-architecture` among the options: machine code for sm_.., else PTX."""
    nvrtc, program, size = library(), ctypes.c_void_p(), ctypes.c_size_t()
    assert nvrtc
    name = ctypes.byref(program)
    assert not nvrtc.nvrtcCreateProgram(name, source.encode(), b"kernels.cu", 0, None, None)
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = nvrtc.nvrtcCompileProgram(program, len(options), given)
    kind = "CUBIN" if any("=sm_" in option for option in options) else "PTX"
    what = "ProgramLog" if failed else kind
    assert not getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    assert not getattr(nvrtc, f"nvrtcGet{what}")(program, text)
    nvrtc.nvrtcDestroyProgram(name)
    assert not failed, text.value.decode()
    return text.raw
