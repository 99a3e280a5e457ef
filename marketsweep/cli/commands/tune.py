"""`marketsweep tune`: measure useful numbers of connections and threads, and save the best."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from marketsweep.cli.commands._shared import data_option, echo, write_json
from marketsweep.cli.commands._sources import limit_option, massive_source, source_options
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.core.settings import Key
    from marketsweep.ingest.providers.massive.provider import MassiveProvider


@click.command()
@source_options
@limit_option
@click.option("--executor", default="threads", show_default=True, metavar="threads|ray")
@click.option(
    "--ray-address",
    metavar="HOST:PORT|auto",
    help="Address of the Ray cluster. Default: RAY_ADDRESS, or a local one.",
)
@click.option(
    "--sandbox", "in_sandbox", is_flag=True, help="Measure with the local sandbox server."
)
@data_option
@click.option("--json", "as_json", is_flag=True, help="Write the measurements as JSON.")
def tune(
    provider: str,
    base_url: str | None,
    api_key: str | None,
    calls_per_minute: int | None,
    executor: str,
    ray_address: str | None,
    in_sandbox: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Measure the best numbers of connections and threads, and save them.

    \b
    Examples:
      marketsweep tune                       about 1,200 calls of your plan
      marketsweep tune --sandbox             against a local server with a delay of 80 ms
      marketsweep tune --provider files      the threads only
      marketsweep tune --executor ray        workers, their threads, and blocks on a Ray cluster

    The smallest numbers within 5% of the best are saved to config.toml in the data folder, where
    sync and scan read them. Fetched data is not stored.
    """
    from marketsweep.cli.tune import example_provider, report
    from marketsweep.cli.tune import tune as run_tune
    from marketsweep.core.settings import read_config
    from marketsweep.market import data_folder

    folder = data_folder(data)
    if executor == "ray":
        _tune_ray(folder, ray_address, as_json)
        return
    if executor != "threads":
        raise UsageError(f"unknown executor {executor!r}: choose threads or ray")
    if ray_address:
        raise UsageError("--ray-address needs the ray executor: add --executor ray")
    config = read_config(folder)
    limit = calls_per_minute or config.calls_per_minute
    otherwise = "add --sandbox to measure against a local server with a delay of 80 ms"

    def source(connections: int) -> MassiveProvider:
        return massive_source(base_url, api_key, None, connections, config, otherwise)

    with contextlib.ExitStack() as stack:
        make: Callable[[int], MassiveProvider] | None = None
        if in_sandbox:
            make, limit = stack.enter_context(example_provider()), None
        elif provider == "massive":
            make = source
            make(1)  # raises for invalid options before anything is measured
        elif provider != "files":
            raise UsageError(f"unknown provider {provider!r}: choose massive or files")
        tuning = run_tune(folder, make, limit, lambda line: echo(line, err=True))
    _save(folder, tuning.to_dict(), tuning.chosen, report(tuning), as_json)


def _tune_ray(folder: Path, address: str | None, as_json: bool) -> None:
    from marketsweep.cli.tune_ray import report, tune_ray
    from marketsweep.engine.executors.options import Ray

    tuning = tune_ray(folder, Ray(address), lambda line: echo(line, err=True))
    _save(folder, tuning.to_dict(), tuning.chosen, report(tuning), as_json)


def _save(
    folder: Path, measurements: dict[str, Any], chosen: dict[Key, int], text: str, as_json: bool
) -> None:
    from marketsweep.cli.tune import saved_text
    from marketsweep.core.settings import write_config

    # Shown first, as it is valid even if the folder cannot be written.
    if as_json:
        write_json(measurements)
    else:
        echo(text)
    echo(saved_text(write_config(folder, chosen), chosen), err=as_json)
