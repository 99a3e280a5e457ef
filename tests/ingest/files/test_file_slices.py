"""Files read in slices give what they give at once: bars, how they were read, and errors."""

from __future__ import annotations

import datetime as dt
import gzip
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from marketsweep.core.calendar import sessions_in_range
from marketsweep.errors import UsageError
from marketsweep.ingest.files import Reading, cells, read_bars, read_bars_with_readings

DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 3, 31))
SYMBOLS = ("AAPL", "BRK-B", "TRUE", "NAN", "X")

Answer = tuple[pl.DataFrame, list[Reading]] | str

Pick = random.Random


def rows(pick: Pick, day: Callable[[dt.date], str], point: str = ".") -> list[list[str]]:
    """Cells of one row a symbol and day, in any order."""

    def price() -> str:
        return pick.choice(["{:.2f}", "{:.4f}", "{:.0f}"]).format(pick.uniform(1, 900))

    table = [
        [
            symbol,
            day(one),
            *(price().replace(".", point) for _ in range(4)),
            str(pick.randint(0, 9**9)),
        ]
        for symbol in SYMBOLS
        for one in DAYS[:: pick.choice([1, 3])]
    ]
    pick.shuffle(table)
    table[0][2] = f"12{point}25"
    return table


def joined(table: list[list[str]], mark: str, end: str = "\n") -> str:
    return "".join(f"{mark.join(row)}{end}" for row in table)


NAMES = ["Symbol", "Date", "Open", "High", "Low", "Close", "Volume"]


def plain(pick: Pick) -> bytes:
    forms = ("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%d-%b-%Y", "%Y-%m-%d 00:00:00-05:00")
    form = pick.choice(forms)
    table = rows(pick, lambda day: day.strftime(form))
    return joined([NAMES, *table], pick.choice(",;\t|"), pick.choice(["\n", "\r\n", "\r"])).encode()


def with_commas(pick: Pick) -> bytes:
    return joined([NAMES, *rows(pick, str, ",")], ";").encode()


def quoted(pick: Pick) -> bytes:
    def around(cell: str) -> str:
        return f'"{cell}"' if pick.random() < 0.5 else cell

    table = [
        [*NAMES, "Note"],
        *([*row, pick.choice(["a, b", "two\nlines", ""])] for row in rows(pick, str)),
    ]
    return joined([[*map(around, row[:-1]), f'"{row[-1]}"'] for row in table], ",").encode()


def holes(pick: Pick) -> bytes:
    table = rows(pick, str)
    for row in pick.sample(table, 20):
        row[pick.randint(2, 6)] = pick.choice(["", "null", "NA", "-"])
    for row in pick.sample(table, 5):
        row[1:] = [""] * 6
    return ("\n\n" + joined([NAMES, *table], ",")).encode()


def windows(pick: Pick) -> bytes:
    table = [
        [*NAMES, "Name"],
        *([*row, pick.choice(["Nestl\u00e9", "Apple"])] for row in rows(pick, str)),
    ]
    return joined(table, ",").encode("cp1252")


def wide(pick: Pick) -> bytes:
    return joined([NAMES, *rows(pick, str)], "\t").encode("utf-16")


def packed(pick: Pick) -> bytes:
    return gzip.compress(plain(pick))


def pairs(pick: Pick) -> bytes:
    fields = ["Open", "High", "Low", "Close", "Volume"]
    head = [["Price", *fields * 2], ["Ticker", *["AAPL"] * 5, *["NEW"] * 5], ["Date", *[""] * 10]]
    table = [
        [str(day), *(f"{pick.uniform(1, 9):.2f}" for _ in range(5)), *[""] * 5]
        if day.day < 9
        else [str(day), *(f"{pick.uniform(1, 9):.2f}" for _ in range(10))]
        for day in DAYS
    ]
    return joined([*head, *table], ",").encode()


KINDS = [plain, with_commas, quoted, holes, windows, wide, packed, pairs]


def read(path: Path) -> Answer:
    try:
        bars, readings = read_bars_with_readings(path)
    except UsageError as error:
        return str(error)
    return bars.with_columns(pl.col("symbol").cast(pl.String)), readings


def in_slices(monkeypatch: pytest.MonkeyPatch, path: Path, size: int) -> Answer:
    with monkeypatch.context() as patch:
        patch.setattr(cells, "_CHUNK", 64)
        patch.setattr(cells, "_BLOCK", size)
        patch.setattr(cells, "_ROWS", 7)
        return read(path)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", KINDS)
def test_good_files(
    kind: Callable[[Pick], bytes], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pick = random.Random(seed)
    (tmp_path / "bars.csv").write_bytes(kind(pick))
    whole = read(tmp_path / "bars.csv")
    assert not isinstance(whole, str), whole
    assert whole[0].height > 80
    # A row of two lines must fit into a slice.
    sliced = in_slices(monkeypatch, tmp_path / "bars.csv", pick.choice([300, 555, 2000]))
    assert not isinstance(sliced, str), sliced
    assert_frame_equal(sliced[0], whole[0], check_exact=True)
    assert sliced[1] == whole[1]


@pytest.mark.parametrize("seed", range(40))
def test_faults_are_named_by_their_row(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pick = random.Random(seed)
    kind = pick.choice([plain, quoted, holes, wide, packed])
    content = kind(pick)
    text = gzip.decompress(content) if kind is packed else content
    text = text.decode("utf-16" if kind is wide else "utf-8").encode()
    fault = pick.choice([b"six", b"2016-13-45", b"1e999x", b'"'])
    places = [place for place in range(len(text)) if text[place : place + 1].isdigit()]
    place = pick.choice(places[200:])
    text = text[:place] + fault + text[place:]
    (tmp_path / "bars.csv").write_bytes(text)
    whole = read(tmp_path / "bars.csv")
    sliced = in_slices(monkeypatch, tmp_path / "bars.csv", 555)
    if isinstance(whole, str):
        assert isinstance(sliced, str)
        # Where quotes are not paired, it depends on the slice what is said of them.
        assert sliced == whole or fault == b'"'
    else:
        assert not isinstance(sliced, str), sliced
        assert_frame_equal(sliced[0], whole[0], check_exact=True)


@pytest.mark.parametrize("typed", [True, False])
def test_parquet(typed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dated = typed_bars(rows(random.Random(1), str))
    table = dated if typed else dated.with_columns(pl.col("date").cast(pl.String))
    table.write_parquet(tmp_path / "bars.parquet", row_group_size=50)
    whole, sliced = (
        read(tmp_path / "bars.parquet"),
        in_slices(monkeypatch, tmp_path / "bars.parquet", 1),
    )
    assert not isinstance(whole, str)
    assert not isinstance(sliced, str)
    assert_frame_equal(sliced[0], whole[0], check_exact=True)
    assert whole[0].height == table.height
    assert_frame_equal(
        read_bars(tmp_path / "bars.parquet"),
        dated.sort("symbol", "date"),
    )


def typed_bars(table: list[list[str]]) -> pl.DataFrame:
    names = [name.lower() for name in NAMES]
    columns = dict(zip(names, zip(*table, strict=True), strict=True))
    texts = pl.DataFrame({name: list(cells) for name, cells in columns.items()})
    fields = pl.col("open", "high", "low", "close", "volume").cast(pl.Float64)
    symbols = pl.col("symbol").str.replace("-", ".", literal=True)
    return texts.with_columns(fields, symbols, pl.col("date").str.to_date())


def test_quotes_that_are_not_paired(tmp_path: Path) -> None:
    table = [*rows(random.Random(1), str)]
    table[3][0] = 'A "B'
    table[5][0] = '"C'
    (tmp_path / "bars.csv").write_text(joined([NAMES, *table], ","))
    with pytest.raises(UsageError, match=r"quotes are not paired; the first line .* is line 5"):
        read_bars(tmp_path / "bars.csv")


def test_a_line_longer_than_a_slice_is_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bars.csv").write_text("symbol,date" + "x" * 3_000_000)
    monkeypatch.setattr(cells, "_BLOCK", 2**20)
    with pytest.raises(UsageError, match=r"bars\.csv: cannot be read: a line has more than 1 MB"):
        read_bars(tmp_path / "bars.csv")


def test_what_only_a_later_slice_shows_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
    lines = [f"{day},1,2,0.5,1.5,100,{0.5 * (day == DAYS[-1])},0\n" for day in DAYS]
    (tmp_path / "MSFT.csv").write_text(head + "".join(lines))
    monkeypatch.setattr(cells, "_BLOCK", 1000)
    _, (reading,) = read_bars_with_readings(tmp_path / "MSFT.csv")
    assert [note for note in reading.notes if "dividends" in note]
    assert len(set(reading.notes)) == len(reading.notes)
