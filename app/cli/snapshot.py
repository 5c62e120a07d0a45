"""``optout snapshot``: a database's present list in a file, with the cursor to follow on from."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .outputs import STANDARD, replacing
from .remote import ApiKey, NoAnswer, Url, remote
from .root import AsJson, app, fail, print_json

_SILENCE_SECONDS = 60


class Format(StrEnum):
    """How a snapshot is written."""

    NDJSON = "ndjson"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """The type to ask for."""
        return {"ndjson": "application/x-ndjson", "csv": "text/csv"}[self.value]


@app.command()
def snapshot(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="`-`: standard output.")],
    format: Annotated[Format, typer.Option()] = Format.NDJSON,  # noqa: A002 - the option's word
    purpose: Annotated[
        str | None, typer.Option(help="What the list is for; the registry's audit keeps it.")
    ] = None,
    url: Url = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Write what is suppressed for the database that the key is bound to.

    The file appears when it is whole, readable by its owner only, and beside it FILE.cursor, from
    which the journal goes on; one that broke off is begun again. It travels packed. On standard
    output the cursor goes to standard error, and only exit status 0 says that the list is whole.
    """
    to_output = output == STANDARD
    if to_output and as_json:
        raise typer.BadParameter("standard output is taken", param_hint="--json")
    if purpose is not None and not purpose.isprintable():
        raise typer.BadParameter("one line of text is wanted", param_hint="--purpose")
    asked = [(b"Accept", format.media_type.encode())]
    asked += [(b"Optout-Purpose", purpose.encode())] if purpose else []
    with (
        remote(url, key, as_json=as_json, seconds=_SILENCE_SECONDS) as registry,
        registry.stream("GET", "/v1/snapshot", headers=asked) as response,
    ):
        cursor = response.headers.get("journal-cursor")
        if cursor is None:
            raise NoAnswer(f"{response.url} did not answer with a snapshot.", None)
        try:
            if to_output:
                lines = _copy(response, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                lines = _write(response, output, cursor)
        except OSError as error:
            fail(f"{error.filename or output}: {error.strerror}")
    erased = int(response.headers.get("optout-erased", 0))
    if as_json:
        print_json({"lines": lines, "erased": erased, "journal_cursor": cursor})
        return
    typer.echo(f"{lines} lines; {erased} more are erased and cannot be told", err=True)
    typer.echo(f"Journal-Cursor: {cursor}", err=True)


def _write(response: httpx.Response, path: Path, cursor: str) -> int:
    with replacing(path) as file:
        lines = _copy(response, file)
    # After the list: an older cursor beside a newer list repeats entries, the reverse loses some.
    with replacing(path.with_name(f"{path.name}.cursor")) as file:
        file.write(f"{cursor}\n".encode())
    return lines


def _copy(response: httpx.Response, file: IO[bytes]) -> int:
    columns = (
        BarColumn(),
        TextColumn("{task.completed:,} lines"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    shown = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
    expected = response.headers.get("optout-lines-expected", "")
    with shown as progress:
        task = progress.add_task("snapshot", total=int(expected) if expected.isdecimal() else None)
        for chunk in response.iter_bytes():
            file.write(chunk)
            progress.advance(task, chunk.count(b"\n"))
    return int(progress.tasks[task].completed)
