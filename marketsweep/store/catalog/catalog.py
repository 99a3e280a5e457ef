"""The catalog of a data folder: its tables, and typed queries.

It does not read segments and stores values as given; `store` gives the rows their meaning. A commit
is one transaction here: it happens whole or not at all.
"""

from __future__ import annotations

from marketsweep.store.catalog.actions import Actions
from marketsweep.store.catalog.bars import Bars
from marketsweep.store.catalog.journal import Journal
from marketsweep.store.catalog.listings import Listings
from marketsweep.store.catalog.low_volume import LowVolumeList
from marketsweep.store.catalog.schema import JOURNALS, UPGRADES
from marketsweep.store.catalog.upgrade import packs_of_rows


class Catalog(Bars, Actions, Listings, LowVolumeList, Journal):
    """The stored data as typed rows."""

    JOURNALS = ("set_aside", "revisions", "sync_log")
    UPGRADES = UPGRADES

    def _make_tables(self) -> None:
        self._execute_all(JOURNALS)
        super()._make_tables()

    def _upgrade_from(self, number: int) -> None:
        if number != 4:
            super()._upgrade_from(number)
            return
        # Format 4 had rows instead of packs.
        version, packs = packs_of_rows(self._rows)
        super()._upgrade_from(number)
        super()._make_tables()
        self.fill(version, packs)
