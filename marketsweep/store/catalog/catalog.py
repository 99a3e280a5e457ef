"""The catalog of a data folder: its tables, and typed queries, those of its folder.

It knows nothing of the segments' contents and takes its values as they come; what the rows mean
is `store`'s. A commit is one transaction here: before it nothing has happened, after it all has.
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
    """What is stored, as typed rows."""

    JOURNALS = ("set_aside", "revisions", "sync_log")
    UPGRADES = UPGRADES

    def _make_tables(self) -> None:
        self._execute_all(JOURNALS)
        super()._make_tables()

    def _upgrade_from(self, found: int) -> None:
        if found != 4:
            super()._upgrade_from(found)
            return
        # Format 4 kept rows where packs are now.
        version, packs = packs_of_rows(self._rows)
        super()._upgrade_from(found)
        super()._make_tables()
        self.fill(version, packs)
