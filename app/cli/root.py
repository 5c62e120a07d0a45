"""What all commands share: the tree they hang on, exit statuses, and how they speak.

Answers go to standard output, everything else to standard error.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

REFUSED = 1
UNREACHABLE = 3

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's own way
    if wanted:
        typer.echo(version("optout-registry"))
        raise typer.Exit


@app.callback()
def optout(
    *,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Know who said 'stop contacting me', and tell every database."""


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


Campaign = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help='What for, as {"object": "..."}; looked at where the law is asked.',
    ),
]


def fail(message: str, status: int = REFUSED) -> NoReturn:
    """End the command with a message and an exit status."""
    typer.echo(message, err=True)
    raise typer.Exit(status)


def print_json(value: object) -> None:
    """Print a value as JSON on one line, times as the API writes them."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        from app.platform.wire import wire_time  # noqa: PLC0415 - most commands print no time

        return wire_time(value)
    return str(value)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on a terminal; elsewhere a line per row, with tabs between."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich import box  # noqa: PLC0415 - a server draws no table
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        # Names are the operators' own: brackets in them are not markup.
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)
