"""Segments: the immutable files of bars, each for a month or a part of one.

`files.Segment` is one of them, checked and mapped into memory; `labels.Label` is what a segment
says about itself, so that a lost catalog can be rebuilt.
"""
