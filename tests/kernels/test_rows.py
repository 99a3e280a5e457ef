"""The reader of JSON rows against a general decoder: it returns the same rows, or None."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketsweep.kernels.rows import columns_of_json
from tests.helpers.markets import example_bars

NUMBERS = ("o", "v")


class Row(msgspec.Struct):
    T: str | None = None
    o: float | None = None
    v: float | None = None


DECODER = msgspec.json.Decoder(list[Row])


def general(text: bytes) -> tuple[list[str], list[list[float]]]:
    rows = DECODER.decode(text)
    columns = [[math.nan if n is None else n for n in (row.o, row.v)] for row in rows]
    return [row.T or "" for row in rows], columns


def agrees(text: bytes, before: bytes = b"", after: bytes = b"") -> bool:
    """Return whether the reader took all rows; check them against the general decoder."""
    result = columns_of_json(before + text + after, len(before), "T", NUMBERS, [])
    if result is None:
        return False
    symbols, values, end = result
    part = (before + text + after)[len(before) : end]
    expected, columns = general(part)
    assert symbols == expected
    assert values.shape == (2, len(symbols))
    # The bits are equal, except for the sign of zero.
    np.testing.assert_array_equal(values.T, np.array(columns).reshape(-1, 2))
    return part.strip() == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        " [ ] ",
        "[{}]",
        '[{"T":"KO","o":41.2,"v":7.0790813e+07}]',
        ' [ { "T" : "KO" , "o" : 41.2 } , {"v": 1, "o": null, "T": null} ] ',
        '[{"T":"A","t":1482958800000,"otc":true,"n":null,"x":"y","z":false}, {"T":"B"}]',
        '[{"T":"A","T":"B","o":1,"o":2},{"T":"C","T":null,"o":3,"o":null}]',
        '[{"o":0,"v":-0},{"o":-1.5E3,"v":1e-9},{"o":0.1,"v":123456789012345678}]',
        '[{"o":9007199254740993,"v":0.1234567890123456789},{"o":1e308,"v":4.9e-324}]',
        '[{"o":179769313486231570000000000000000000000,"v":99999999.99999999}]',
        '[{"T":"","o":1},{"o":2,"T":"TRUE"},{"v":3,"T":"BRK.B"},{"T":"KIMpL"}]',
    ],
)
def test_plain_rows_are_read(text: str) -> None:
    assert agrees(text.encode())
    assert agrees(text.encode(), b'{"results":', b',"status":"OK"}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[",
        "[{",
        "[{}",
        "[{},]",
        '[{"T":"A",}]',
        '[{"T":"A" "o":1}]',
        '[{"T"}]',
        '[{"o":1.}]',
        '[{"o":.5}]',
        '[{"o":01}]',
        '[{"o":+1}]',
        '[{"o":1e}]',
        '[{"o":-}]',
        '[{"o":1e999}]',
        '[{"o":NaN}]',
        '[{"o":Infinity}]',
        '[{"o":nul}]',
        '[{"o":"1"}]',
        '[{"o":true}]',
        '[{"T":1}]',
        '[{"T":"\\u0041"}]',
        '[{"T":"a\nb"}]',
        '[{"T":"É"}]',
        '[{"x":[1]}]',
        '[{"x":{}}]',
        '[{"x":tru}]',
        "[1]",
        "[null]",
        '[{"T":"A"]',
        '[{"T":"A"}',
        '[{"T":"A\x00"}]',
        '[{"T":"A',
        '[{"o":12345678',
    ],
)
def test_other_bodies_are_not_read(text: str) -> None:
    assert not agrees(text.encode())


numbers = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70)
    | st.decimals(-(10**9), 10**9, places=4).map(float)
)
words = st.text('aZ. {}[]:,0"\\\n\t\x00\x7fé€', max_size=8) | st.text("ABC.", max_size=6)
values = numbers | words | st.none() | st.booleans()
plain_rows = st.lists(
    st.fixed_dictionaries(
        {}, optional={"T": words, "o": numbers, "v": numbers | st.none(), "t": values, "w": values}
    ),
    max_size=6,
)


@given(plain_rows, st.sampled_from([None, 1]), st.booleans())
def test_rows_of_all_kinds(rows: list[dict[str, Any]], indent: int | None, ascii: bool) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii).encode()
    is_read = agrees(text)
    if all(value.isascii() for row in rows for value in row.values() if isinstance(value, str)):
        assert is_read or b"\\" in text or b"\x7f" in text


@given(st.integers(0, 10**21), st.integers(0, 25), st.integers(-40, 40))
@example(2**53, 0, 0)
@example(2**53 + 1, 22, 0)
@example(10**19 - 1, 19, 22)
def test_decimals_are_rounded_as_python_rounds_them(digits: int, places: int, power: int) -> None:
    padded = f"{digits:0{places + 1}d}"
    number = (
        f"{padded[: len(padded) - places]}{'.' if places else ''}{padded[len(padded) - places :]}"
    )
    text = f"{number}e{power}"
    result = columns_of_json(f'[{{"o":{text},"v":-{number}}}]'.encode(), 0, "T", NUMBERS, [])
    assert result is not None
    assert result[1][:, 0].tolist() == [float(text), -float(number)]


@given(
    st.integers(0, 10**12),
    st.integers(0, 9),
    st.booleans(),
    st.sampled_from(["", " ", "e0", "E1"]),
    st.integers(0, 9),
)
@example(0, 0, False, "", 0)
@example(12345678, 0, False, "", 0)
@example(12345678, 1, False, "", 0)
@example(1234567, 6, False, "", 0)
@example(10**12, 9, True, "", 0)
def test_plain_decimals_are_read_wherever_they_end(
    digits: int, places: int, negative: bool, end: str, room: int
) -> None:
    padded = f"{digits:0{places + 1}d}"
    number = (
        f"{padded[: len(padded) - places]}{'.' if places else ''}{padded[len(padded) - places :]}"
    )
    number = f"{'-' if negative else ''}{number}{end}"
    # The last one has fewer than eight or sixteen characters after it.
    body = f'[{{"o":{number},"x":{number},"v":{number}}},{{"x":{number}}}]{" " * room}'.encode()
    result = columns_of_json(body, 0, "T", NUMBERS, [])
    assert result is not None
    np.testing.assert_array_equal(result[1], [[float(number), math.nan]] * 2)


def test_names_may_come_in_another_order_in_each_row() -> None:
    chance = random.Random(3)
    names = ["T", "o", "v", "x", "much longer than others"]
    rows = []
    for number in range(300):
        chance.shuffle(names)
        used = names[: chance.randrange(6)]
        rows.append({name: f"S{number}" if name == "T" else number / 4 for name in used})
    assert agrees(json.dumps(rows, separators=(",", ":")).encode())
    assert agrees(json.dumps(rows).encode())


def test_a_mutated_body_is_never_misread() -> None:
    chance = random.Random(5)
    day = example_bars().filter(date=dt.date(2016, 12, 30)).head(40)
    rows = [
        {"T": symbol, "v": volume, "o": opened, "t": 1482958800000, "n": None}
        for symbol, opened, volume in day.select("symbol", "open", "volume").iter_rows()
    ]
    original = json.dumps(rows, separators=(",", ":")).encode()
    count = 0
    for _ in range(4000):
        body = bytearray(original)
        for _ in range(chance.randrange(1, 3)):
            start = chance.randrange(len(body))
            match chance.randrange(3):
                case 0:
                    body[start] = chance.choice(b'0123456789.,:{}[]"eE+-\\ntAZ \x00\xc3')
                case 1:
                    del body[start : start + chance.randrange(1, 9)]
                case _:
                    body[start:start] = chance.choice(
                        [b"0", b",", b'"', b"{}", b"null", b"1e5", b" "]
                    )
        count += agrees(bytes(body))
    assert 100 < count < 3900


texts = st.lists(st.sampled_from(["", "A", "AA", "B", "BRK.B", "KIMpL", "Z"]), max_size=12)


@given(texts, texts)
def test_known_texts_are_shared_and_change_nothing(known: list[str], texts: list[str]) -> None:
    known = [f"{text}!"[:-1] for text in known]  # new objects, equal to the literals
    body = json.dumps([{"T": text} for text in texts]).encode()
    result = columns_of_json(body, 0, "T", NUMBERS, known)
    assert result is not None
    assert result[0] == texts


def test_tickers_of_two_days_are_the_same_objects() -> None:
    first = [f"T{n}" for n in range(50)]
    second = first[:10] + first[12:30] + ["NEW"] + first[30:]
    body = json.dumps([{"T": text} for text in second]).encode()
    result = columns_of_json(body, 0, "T", NUMBERS, first)
    assert result is not None
    first_ids = set(map(id, first))
    assert [text for text in result[0] if id(text) not in first_ids] == ["NEW"]


def test_a_start_beyond_the_body_is_no_rows() -> None:
    assert columns_of_json(b"[]", 2, "T", NUMBERS, []) is None
    assert columns_of_json(b"[]", 99, "T", NUMBERS, []) is None
