# cython: boundscheck=False, wraparound=False, embedsignature=True
"""Parse JSON rows of numbers into columns."""

from libc.stdint cimport uintptr_t
from libc.string cimport memcmp
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


cdef enum:
    _AHEAD = 4  # consecutive texts of `known` that may be missing


cdef extern from "Python.h":
    object PyUnicode_FromStringAndSize(const char*, Py_ssize_t)
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL


def columns_of_json(bytes body, size_t start, str text, tuple numbers, list known):
    """Parse the rows at `start`; return each row's `text`, float64 [numbers, rows], and the end.

    Missing numbers are NaN. Return None if the rows are not plain, so that the caller uses a
    general decoder. Texts in nearly the order of `known` are its own objects, which have their
    hashes computed.
    """
    cdef vector[string] keys
    keys.push_back(text.encode())
    for name in numbers:
        keys.push_back(name.encode())
    if start > <size_t> len(body):
        return None
    cdef const char* begin = body
    cdef const char* beyond = begin + len(body)
    cdef size_t length
    cdef double* out
    cdef RowReader* reader = new RowReader(keys)
    try:
        with nogil:
            length = reader.read(begin + start, beyond)
        if not length:
            return None
        texts = _texts(reader.texts, known)
        values = np.empty((len(numbers), len(texts)))
        out = <double*> <uintptr_t> values.ctypes.data
        with nogil:
            reader.transpose(out)
        return texts, values, start + length
    finally:
        del reader


cdef list _texts(const vector[string_view]& views, list known):
    cdef list found = []
    cdef Py_ssize_t place = 0, ahead, size, count = len(known)
    cdef const char* text
    cdef size_t row
    cdef object one
    for row in range(views.size()):
        for ahead in range(place, min(place + _AHEAD, count)):
            one = known[ahead]
            text = PyUnicode_AsUTF8AndSize(one, &size)
            if <size_t> size == views[row].size() and not memcmp(text, views[row].data(), size):
                place = ahead + 1
                break
        else:
            one = PyUnicode_FromStringAndSize(views[row].data(), views[row].size())
        found.append(one)
    return found
