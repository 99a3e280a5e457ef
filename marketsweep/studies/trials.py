"""Count every variant that was ever tried for an outcome, in the data folder.

Who tries a thousand conditions finds a good one by chance. How good it must be depends on the
number of trials, so that they are counted over all sweeps and studies of a folder. The file
`trials.sqlite` has a line for each outcome and variant.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Final

from marketsweep.language.tree import Node
from marketsweep.universe.screen import Screen

FILE: Final = "trials.sqlite"
NOT_COUNTED: Final = (
    f"trials are not counted: {FILE} in the data folder is damaged or cannot be written; if it is "
    "damaged, remove it to count anew"
)
"""What to say if `count_trials` returns None."""
_WAIT_S: Final = 10
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS trials (outcome TEXT, variant BLOB, "
    "PRIMARY KEY (outcome, variant)) WITHOUT ROWID"
)


def key_of(condition: Node, screen: Screen, *rules: object) -> str:
    """Return what makes a variant a trial of its own: its condition, its universe and its rules."""
    names = [sorted(screen.watchlist or ()), sorted(screen.exclude)]
    return f"{condition} | {screen.parts} {names} | {rules}"


def count_trials(folder: Path, outcome: str, variants: Iterable[str]) -> int | None:
    """Add variants to those tried for an outcome, and return how many there are by now.

    One that was tried before counts once. None if the file cannot be written or is damaged.
    """
    rows = [(outcome, blake2b(text.encode(), digest_size=16).digest()) for text in variants]
    try:
        with closing(sqlite3.connect(folder / FILE, timeout=_WAIT_S)) as connection, connection:
            connection.execute(_TABLE)
            connection.executemany("INSERT OR IGNORE INTO trials VALUES (?, ?)", rows)
            query = "SELECT count(*) FROM trials WHERE outcome = ?"
            (count,) = connection.execute(query, (outcome,)).fetchone()
    except sqlite3.Error:
        return None
    return int(count)
