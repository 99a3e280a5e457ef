"""A process that commits to a store while others read: new sessions, corrections, new months."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import SessionBars
from marketsweep.store.store import Store

DAYS = sessions_in_range(dt.date(2015, 1, 2), dt.date(2016, 6, 30))
FIRST = 200
"""Sessions that are stored before the process begins."""

NAMES = [f"S{number}" for number in range(120)]


_STEPS = np.random.default_rng(1).normal(0, 0.015, (len(DAYS), len(NAMES)))
CLOSES = np.round(30 * np.exp(np.cumsum(_STEPS, axis=0)), 2)


def session(place: int, seed: int = 0) -> SessionBars:
    """Bars of a session; another seed gives others."""
    close = CLOSES[place] * (1 + seed / 5000)
    volume = np.full(len(NAMES), 1000.0 + place)
    values = np.stack([close * 1.01, close * 1.02, close * 0.98, close, volume])
    return SessionBars(DAYS[place], NAMES[: 100 + place % 20], values[:, : 100 + place % 20])


def commits() -> Iterator[list[SessionBars]]:
    """What is committed, one after the other."""
    for step in range(18):
        place = FIRST + step
        yield [session(place)]
        if step % 3 == 0:
            yield [session(place - 1 - step % 50, seed=step + 1)]


def main() -> None:
    """Commit to the folder that is named on the command line, once for each line of the input."""
    with Store.open(Path(sys.argv[1])) as store:
        for sessions in commits():
            sys.stdin.readline()
            with store.writer() as writer:
                writer.commit(sessions, "test")


if __name__ == "__main__":
    main()
