"""Fixtures that cost something, made once a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from marketsweep.engine.executors.gpu import executor as gpu
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.sync import sync
from marketsweep.market import Market
from marketsweep.store.store import Store
from tests.helpers.markets import EXAMPLE, example_bars, store_of
from tests.helpers.processor_card import COMPILER, ProcessorCard
from tests.helpers.two_months import Files, two_months

# A machine that stands still for a second is no fault of a test.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def example_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the whole example market; only to be read."""
    path = tmp_path_factory.mktemp("us-2016")
    store_of(path, example_bars()).close()
    return path


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example market with its splits, dividends and listings; only to be read."""
    path = tmp_path_factory.mktemp("real")
    names = ("bars", "actions", "symbols")
    with Store.create(path) as store:
        sync(store, FilesProvider(*(EXAMPLE / f"{name}.parquet" for name in names)))
    return path


@pytest.fixture
def market(example_data: Path) -> Iterator[Market]:
    """The example market, opened."""
    from marketsweep.market import open_market

    with open_market(example_data) as opened:
        yield opened


@pytest.fixture(scope="session")
def processor_card(tmp_path_factory: pytest.TempPathFactory) -> ProcessorCard:
    """A processor that runs what a GPU would."""
    if not COMPILER:
        pytest.skip("there is no C++ compiler")
    return ProcessorCard(tmp_path_factory.mktemp("card"))


@pytest.fixture
def processor_as_gpu(
    processor_card: ProcessorCard, monkeypatch: pytest.MonkeyPatch
) -> ProcessorCard:
    """`--executor gpu` uses it."""
    monkeypatch.setattr(gpu, "card", lambda: processor_card)
    return processor_card


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A small market as files; only to be read."""
    return two_months(tmp_path_factory.mktemp("files"))
