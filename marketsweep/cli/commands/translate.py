"""`marketsweep translate`: write a filter of another tool as a condition."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from marketsweep.cli.commands._shared import FILE, echo, json_option, write_json
from marketsweep.errors import UsageError

_LANGUAGES = ("thinkscript", "pine", "chartink", "finviz")
_MAX_BYTES = 1_000_000


@click.command()
@click.argument("text", required=False)
@click.option("--file", type=FILE, metavar="FILE", help="Read the text from a file.")
@click.option(
    "--from",
    "language",
    type=click.Choice(_LANGUAGES),
    metavar="|".join(_LANGUAGES),
    help="The language of the text. Default: guessed.",
)
@json_option
def translate(text: str | None, file: Path | None, language: str | None, as_json: bool) -> None:
    """Write TEXT, a filter of another tool, as a condition.

    The text is thinkScript, Pine Script, a clause of ChartInk, or the address or the codes of a
    screener of Finviz. Without TEXT and --file, it is read from standard input. A part that cannot
    be translated is an error, which shows the part.

    \b
    Examples:
      marketsweep translate 'plot scan = close crosses above Average(close, 50);'
      marketsweep translate 'ta.crossover(close, ta.sma(close, 50)) and ta.rsi(close, 14) > 50'
      marketsweep translate '( {cash} ( latest close > latest sma( close,50 ) ) )'
      marketsweep translate 'sh_price_u10,ta_sma50_pa,ta_rsi_os30'
      marketsweep translate --file scan.pine --json
    """
    from marketsweep.language.translate.translate import translate as translate_text

    translation = translate_text(_text_of(text, file), language)
    if as_json:
        write_json(translation._asdict())
        return
    echo(translation.condition)
    for note in translation.notes:
        echo(f"marketsweep: {note}", err=True)


def _text_of(text: str | None, file: Path | None) -> str:
    """Return the text to translate: the argument, the file, or standard input."""
    if text is not None and file is not None:
        raise UsageError("give the text or --file, not both")
    if text is not None:
        return text
    if file is None and sys.stdin.isatty():
        raise UsageError("the text is missing: give it as an argument, with --file or on stdin")
    try:
        if file is None:
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with file.open("rb") as stream:
                content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file or 'stdin'}: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise UsageError(f"the text is longer than {_MAX_BYTES:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file or 'stdin'} is not a text in UTF-8") from error
