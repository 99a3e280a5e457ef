"""Files that are not tables, and files that are too large."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import socket
import threading
import tracemalloc
import zlib
from pathlib import Path

import polars as pl
import pytest

from marketsweep.errors import UsageError
from marketsweep.ingest.files import read_bars
from tests.helpers.command import refused, run
from tests.ingest.files.test_file_layouts import (
    MONDAY,
    of,
)
from tests.ingest.files.test_files import HEADER, ROW

OTHERS = {
    "book.xlsx": (b"PK\x03\x04\x14\x00", "Excel workbook"),
    "book.csv": (b"PK\x03\x04\x14\x00", "Excel workbook"),
    "old.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook"),
    "page.csv": (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "bars.json": (b'{"results": []}', "JSON"),
    "paper.pdf": (b"%PDF-1.7 ...", "a PDF"),
    "bars.csv.xz": (b"\xfd7zXZ\x00\x00", "packed with xz"),
    "bars.csv.zst": (b"(\xb5/\xfd\x04\x58", "packed with zstd"),
    "bars.db": (b"SQLite format 3\x00" + b"\0" * 80, "SQLite database"),
    "marked.csv": (b"\xef\xbb\xbf<!DOCTYPE html><html>", "web page"),
    "rows.xls": (b"<table><tr><td>1</td></tr></table>", "web page"),
    "wide.json": ('{"results": []}'.encode("utf-16"), "JSON"),
    "lines.csv": (b'{"a": 1}\n{"a": 2}\n', "JSON"),
    "list.csv": (b"[1, 2]", "JSON"),
    "bars.csv.bz2": (b"BZh91AY&SY", "packed with bzip2"),
    "old.feather": (b"FEA1....", "Feather file of version 1"),
    "book.csv.gz": (gzip.compress(b"PK\x03\x04\x14\x00"), "Excel workbook"),
    "twice.csv.gz": (gzip.compress(gzip.compress(b"symbol,date\n")), "damaged or not text"),
    "wide.csv": ("symbol,date\n".encode("utf-32"), "damaged or not text"),
    "bars.h5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "damaged or not text"),
    "bars.tar": (b"bars.csv" + b"\0" * 92 + b"0000644\0" + b"\0" * 400, "damaged or not text"),
    "image.png": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "damaged or not text"),
    "stream.arrow": (b"\xff\xff\xff\xff" + b"\0" * 60, "its name says arrow"),
    "odd.csv": ("symbol\n".encode("utf-16") + b"\n", "not text"),
    "marks.csv": (b"\xff\xfe", "it is empty"),
    "nothing.csv.gz": (gzip.compress(b""), "it is empty"),
    "prose.csv": (b"Too many requests, try again later\n", "missing column symbol"),
    "open.csv": (b'a,b\n"x,1\n', "quotes are not paired; the first line .* is line 2"),
    "noise.csv": (bytes(range(32)) * 40, "damaged or not text"),
    "bars.parquet": (b"symbol,date", "its name says parquet"),
    "short.parquet": (b"PAR1 cut off", "cannot be read"),
    "cut.csv.gz": (gzip.compress(b"symbol" * 1000)[:-20], "cannot be read"),
    "empty.csv": (b"", "it is empty"),
    "blank.csv": (b" \r\n\r\n", "it is empty"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_table_is_said(name: str, tmp_path: Path) -> None:
    content, says = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        read_bars(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "bars"
    os.mkfifo(pipe)
    content = gzip.compress((HEADER + ROW).encode())
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    try:
        assert of(pipe) == [("A", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]
    finally:
        writer.join()


def test_a_pipe_with_parquet_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    pl.DataFrame({"symbol": ["A"]}).write_parquet(tmp_path / "bars.parquet")
    pipe = tmp_path / "bars"
    os.mkfifo(pipe)
    content = (tmp_path / "bars.parquet").read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    try:
        with pytest.raises(UsageError, match="a pipe holds text only"):
            read_bars(pipe)
    finally:
        writer.join()


def test_what_is_neither_file_nor_pipe_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "door"))
        with pytest.raises(UsageError, match="neither a file nor a pipe"):
            read_bars(tmp_path / "door")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no such file"):
        read_bars(tmp_path / "gone.csv")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    line = b"A,2016-01-04,1,2,0.5,1.5,100\n" * 40_000
    parts = [packer.compress(HEADER.encode()), *(packer.compress(line) for _ in range(400))]
    (tmp_path / "bars.csv.gz").write_bytes(b"".join([*parts, packer.flush()]))
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="unpacks to more than 50 times its size"):
            read_bars(tmp_path / "bars.csv.gz")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # 465 MB unpacked; 128 MB are read whatever the size, and a growing buffer is copied.
    assert most < 330 * 2**20


def test_a_bomb_below_the_limit_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress((HEADER + ROW * 80_000).encode()))
    with pytest.raises(UsageError, match=r"more than 1 MB unpacked.*MARKETSWEEP_MAX_FILE_MB"):
        read_bars(tmp_path / "bars.csv.gz", most_mb=1)
    assert read_bars(tmp_path / "bars.csv.gz", most_mb=3).height == 80_000


def constant_rows(rows: int) -> pl.DataFrame:
    names = ("open", "high", "low", "close", "volume")
    return pl.select(
        pl.repeat("A", rows).alias("symbol"),
        pl.repeat(MONDAY, rows).alias("date"),
        *(pl.repeat(1.0, rows).alias(name) for name in names),
    )


def test_a_bomb_of_parquet_is_not_unpacked(tmp_path: Path) -> None:
    constant_rows(3_000_000).write_parquet(tmp_path / "bars.parquet")
    assert (tmp_path / "bars.parquet").stat().st_size < 300_000
    with pytest.raises(UsageError, match="3,000,000 rows, more than 1,024 MB unpacked"):
        read_bars(tmp_path / "bars.parquet")


def test_parquet_beyond_the_limit_names_the_setting(tmp_path: Path) -> None:
    constant_rows(40_000).write_parquet(tmp_path / "bars.parquet")
    with pytest.raises(UsageError, match=r"40,000 rows, more than 1 MB.*max_file_mb in \[sync\]"):
        read_bars(tmp_path / "bars.parquet", most_mb=1)


def test_many_files_together_have_a_limit(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(HEADER + ROW * 30_000)
    with pytest.raises(UsageError, match=r"more than 2 MB unpacked: give fewer files at a time"):
        read_bars(tmp_path, most_mb=2)
    assert read_bars(tmp_path / "0.csv", most_mb=2).height == 30_000


def test_files_beyond_the_limit_name_the_setting(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW * 80_000)
    with pytest.raises(UsageError, match=r"more than 1 MB unpacked.*max_file_mb in \[sync\]"):
        read_bars(tmp_path / "bars.csv", most_mb=1)
    assert read_bars(tmp_path / "bars.csv", most_mb=3).height == 80_000


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW * 80_000)
    call: list[str | Path] = ["sync", "--provider", "files", "--path", tmp_path / "bars.csv"]
    call += ["--data", tmp_path / "data", "--dry-run"]
    refused(2, *call, says="more than 1 MB unpacked", MARKETSWEEP_MAX_FILE_MB="1")
    assert run(*call, MARKETSWEEP_MAX_FILE_MB="3").returncode == 0
