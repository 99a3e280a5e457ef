"""`marketsweep audit`: check whether a condition sees the future."""

from __future__ import annotations

from pathlib import Path

import click

from marketsweep.cli.commands._completion import complete_condition
from marketsweep.cli.commands._shared import (
    data_option,
    echo,
    json_option,
    progress_line,
    where_option,
    write_json,
)


@click.command()
@click.argument("condition", shell_complete=complete_condition)
@where_option
@click.option("--sessions", default=5, show_default=True, type=click.IntRange(1), metavar="N")
@click.option(
    "--study",
    is_flag=True,
    help="Also compare the positions of `marketsweep study` that ended by each session.",
)
@data_option
@json_option
def audit(
    condition: str,
    where: str | None,
    sessions: int,
    study: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Check on N past sessions that CONDITION does not use future data.

    Each session is scanned twice: on all of the data, and on a copy that ends there, with the
    splits and listings known then. The results must be equal, values included. With --study, so
    must the returns of the positions that ended by then.

    \b
    Examples:
      marketsweep audit minervini_trend_template
      marketsweep audit golden_cross --study
      marketsweep audit 'weekly(rsi(14)) > 70 and rank(roc(63)) <= 50' --sessions 20
    """
    from marketsweep.errors import MarketsweepError
    from marketsweep.market import data_folder, open_market

    with open_market(data_folder(data)) as market, progress_line("auditing", "matches") as progress:
        result = market.audit(
            condition, where=where, sessions=sessions, study=study, progress=progress
        )
    if as_json:
        write_json(result.to_dict())
    else:
        echo(str(result))
    if not result.agrees:
        raise MarketsweepError("the audit failed: a past result depends on later data")
