# cython: boundscheck=False, wraparound=False, embedsignature=True
"""JSON rows of numbers into columns."""

from libc.stdint cimport uintptr_t
from libcpp.string cimport string
from libcpp.vector cimport vector

import numpy as np


cdef extern from "<string_view>" namespace "std" nogil:
    cppclass string_view:
        const char* data()
        size_t size()


cdef extern from "rows.hpp" namespace "marketsweep" nogil:
    cppclass RowReader:
        RowReader(vector[string])
        vector[string_view] texts
        size_t read(const char*, const char*)
        void transpose(double*)


cdef extern from "Python.h":
    object PyUnicode_FromStringAndSize(const char*, Py_ssize_t)


def columns_of_json(bytes body, size_t start, str text, tuple numbers):
    """The rows at `start`: the `text` of each, float64 [numbers, rows], NaN for none, and the end.

    None where they are not the plain case: a general decoder is to say what they are then.
    """
    cdef vector[string] keys
    keys.push_back(text.encode())
    for name in numbers:
        keys.push_back(name.encode())
    if start > <size_t> len(body):
        return None
    cdef const char* begin = body
    cdef const char* beyond = begin + len(body)
    cdef size_t length, row
    cdef double* out
    cdef RowReader* reader = new RowReader(keys)
    try:
        with nogil:
            length = reader.read(begin + start, beyond)
        if not length:
            return None
        texts = [
            PyUnicode_FromStringAndSize(reader.texts[row].data(), reader.texts[row].size())
            for row in range(reader.texts.size())
        ]
        values = np.empty((len(numbers), len(texts)))
        out = <double*> <uintptr_t> values.ctypes.data
        with nogil:
            reader.transpose(out)
        return texts, values, start + length
    finally:
        del reader
