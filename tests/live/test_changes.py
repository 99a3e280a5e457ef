"""What is reported as entered and left."""

from __future__ import annotations

import datetime as dt

from marketsweep.live.changes import Change, Changes

START = dt.datetime(2026, 3, 2, 14, 30, tzinfo=dt.UTC)


def told(changes: Changes, *scans: str, minutes: int = 1) -> list[list[tuple[str, str]]]:
    """Return the changes of scans that come a minute apart; a scan is a text of symbols."""
    times = [START + dt.timedelta(minutes=minutes * i) for i in range(len(scans))]
    return [
        [(change.kind, change.symbol) for change in changes.take(scan.split(), at)]
        for scan, at in zip(scans, times, strict=True)
    ]


def test_the_first_scan_changes_nothing() -> None:
    changes = Changes()
    assert told(changes, "A B", "A B") == [[], []]
    assert changes.matches == {"A", "B"}


def test_symbols_enter_and_leave_in_order_of_their_names() -> None:
    changes = Changes()
    assert told(changes, "B", "C A", "") == [
        [],
        [("entered", "A"), ("left", "B"), ("entered", "C")],
        [("left", "A"), ("left", "C")],
    ]
    assert changes.take(["Z"], START) == [Change("entered", "Z")]


def test_a_change_must_last() -> None:
    changes = Changes(confirm=3)
    entered = [("entered", "A")]
    assert told(changes, "", "A", "A", "", "A", "A") == [[]] * 6
    assert told(changes, "A", "A") == [entered, []]
    assert told(changes, "", "A", "", "") == [[]] * 4
    assert told(changes, "") == [[("left", "A")]]


def test_a_symbol_is_quiet_after_it_entered() -> None:
    changes = Changes(cooldown=dt.timedelta(minutes=3))
    assert told(changes, "", "A", "", "A", "", "", "A") == [
        [],
        [("entered", "A")],  # at minute 1
        *([], []),  # it left and came back
        [("left", "A")],  # at minute 4
        [],
        [("entered", "A")],
    ]
