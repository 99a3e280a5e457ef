# cython: boundscheck=False, wraparound=False, embedsignature=True
"""Find the positions of texts in a list: a hash table that is faster than a dictionary here."""

from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport memcmp
from libcpp.vector cimport vector

import numpy as np


cdef extern from "Python.h":
    void* PyList_GetItem(object, Py_ssize_t) except NULL  # borrowed
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL


cdef enum:
    _AHEAD = 4  # consecutive texts that may have been removed


cdef struct Text:
    const char* data
    Py_ssize_t size


cdef class Places:
    """The positions of the texts of a list that grows at its end; each text occurs once."""

    cdef list texts  # keeps the memory of `views` alive
    cdef vector[Text] views
    cdef vector[int] slots  # size is a power of two; a text's position + 1, or 0 if free

    def __init__(self, list texts):
        self.texts = []
        self._rebuild()
        self.extend(texts)

    def extend(self, list texts):
        """Append texts."""
        cdef Py_ssize_t first = self.views.size()
        self.texts += texts
        for text in texts:
            self.views.push_back(_view(text))
        if self.slots.size() < 2 * self.views.size():
            self._rebuild()
        else:
            self._insert(first)

    def cut(self, Py_ssize_t length):
        """Remove the texts from position `length` on."""
        del self.texts[length:]
        self.views.resize(length)
        self._rebuild()

    def find(self, list texts):
        """Return the position of each text, intp [texts]; -1 if it is missing."""
        found = np.empty(len(texts), np.intp)
        cdef Py_ssize_t* places = <Py_ssize_t*> <uintptr_t> found.ctypes.data
        cdef Py_ssize_t row
        cdef Text view
        for row in range(len(texts)):
            try:
                view = _view(texts[row])
            except UnicodeEncodeError:  # a lone surrogate, which no stored text has
                places[row] = -1
                continue
            places[row] = self.slots[self._slot(view)] - 1
        return found

    cdef _rebuild(self):
        cdef size_t size = 16
        while size < 4 * self.views.size():
            size *= 2
        self.slots.assign(size, 0)
        self._insert(0)

    cdef _insert(self, Py_ssize_t first):
        cdef Py_ssize_t place
        for place in range(first, <Py_ssize_t> self.views.size()):
            self.slots[self._slot(self.views[place])] = place + 1

    cdef size_t _slot(self, Text text) noexcept nogil:
        """Return the slot of a text, or the free slot where it belongs."""
        cdef size_t mask = self.slots.size() - 1
        cdef size_t slot = _hash(text) & mask
        cdef Text* there
        while self.slots[slot]:
            there = &self.views[self.slots[slot] - 1]
            if there.size == text.size and not memcmp(there.data, text.data, text.size):
                break
            slot = (slot + 1) & mask
        return slot


cdef Text _view(text) except *:
    cdef Text view
    view.data = PyUnicode_AsUTF8AndSize(text, &view.size)
    return view


cdef uint64_t _hash(Text text) noexcept nogil:
    """Return the FNV-1a hash, with its high bits mixed into the low ones."""
    cdef uint64_t found = 0xCBF29CE484222325u
    cdef Py_ssize_t i
    for i in range(text.size):
        found = (found ^ <unsigned char> text.data[i]) * 0x100000001B3u
    return found ^ (found >> 32)


def places_near(list texts, list known):
    """Return the position in `known` of each text, intp [texts]; -1 if it is not near the last one.

    Both lists hold mostly the same objects in the same order, so only addresses are compared.
    """
    found = np.empty(len(texts), np.intp)
    cdef Py_ssize_t* places = <Py_ssize_t*> <uintptr_t> found.ctypes.data
    cdef Py_ssize_t row, ahead, place = 0, count = len(known)
    cdef void* one
    for row in range(len(texts)):
        one = PyList_GetItem(texts, row)
        places[row] = -1
        for ahead in range(place, min(place + _AHEAD, count)):
            if PyList_GetItem(known, ahead) == one:
                places[row] = ahead
                place = ahead + 1
                break
    return found
