"""`marketsweep token`: create, list and remove the tokens of the server."""

from __future__ import annotations

from pathlib import Path

import click

from marketsweep.cli.commands._shared import data_option, echo, json_option, write_json
from marketsweep.errors import UsageError
from marketsweep.serve.scopes import MOST_PER_MINUTE, PER_MINUTE, SCOPES, Scope


@click.group()
def token() -> None:
    """Create, list and remove the tokens that marketsweep serve asks for.

    \b
    Examples:
      marketsweep token create --scope scan --name alice
      marketsweep token list
      marketsweep token remove alice

    A server that other machines can reach needs a token for each request. The scope read allows
    stored data, scan also conditions, studies and sweeps, admin also changes and syncs.
    """


@token.command()
@click.option("--scope", required=True, type=click.Choice(SCOPES), help="What it allows.")
@click.option("--name", metavar="NAME", help="Name of the token. Default: its scope.")
@click.option(
    "--per-minute",
    default=PER_MINUTE,
    show_default=True,
    type=click.IntRange(1, MOST_PER_MINUTE),
    help="The most requests a minute.",
)
@data_option
@json_option
def create(
    scope: Scope, name: str | None, per_minute: int, data: Path | None, as_json: bool
) -> None:
    """Create a token, and print it. It is not shown again: the data folder has only its hash.

    \b
    Examples:
      marketsweep token create --scope read
      marketsweep token create --scope scan --name dashboard --per-minute 60
    """
    from marketsweep.market import data_folder
    from marketsweep.serve.tokens import create_token

    folder = data_folder(data)
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}: run marketsweep sync, or create it, or name another "
            "one with --data"
        )
    created, secret = create_token(folder, scope, name, per_minute)
    if as_json:
        write_json({"name": created.name, "scope": created.scope, "token": secret})
        return
    echo(
        f"marketsweep: the token {created.name} of scope {scope}; keep it, it is shown once",
        err=True,
    )
    echo(secret)


@token.command("list")
@data_option
@json_option
def list_(data: Path | None, as_json: bool) -> None:
    """List the tokens: name, scope, requests a minute, date. The secrets are not stored.

    \b
    Examples:
      marketsweep token list
    """
    from marketsweep.market import data_folder
    from marketsweep.serve.tokens import read_tokens

    tokens = read_tokens(data_folder(data))
    if as_json:
        shown = ("name", "scope", "per_minute", "created")
        write_json([{name: getattr(token, name) for name in shown} for token in tokens])
    elif tokens:
        width = max(len(token.name) for token in tokens)
        for token in tokens:
            limit = f"{token.per_minute:,} a minute"
            echo(f"{token.name:{width}}  {token.scope:5}  {limit:>16}  {token.created:%Y-%m-%d}")
    else:
        echo("there are no tokens: marketsweep token create --scope scan makes one")


@token.command()
@click.argument("name")
@data_option
def remove(name: str, data: Path | None) -> None:
    """Remove a token: the server refuses it from the next request on.

    \b
    Examples:
      marketsweep token remove dashboard
    """
    from marketsweep.market import data_folder
    from marketsweep.serve.tokens import remove_token

    remove_token(data_folder(data), name)
    echo(f"the token {name} is removed")
