"""Segments: the immutable files that hold the bars, a month or a part of one each.

`files.Segment` is one of them, checked and mapped into memory; `labels.Label` is what a segment
says of itself, so that a lost catalog can be made again.
"""
