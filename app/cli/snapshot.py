"""``optout snapshot``: a database's present list in a file, with the cursor to follow on from."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .broken_off import Held, hold, note_of, write_note
from .outputs import STANDARD, replacing
from .remote import ApiKey, NoAnswer, Refused, Registry, Url, remote
from .root import AsJson, app, fail, print_json

_SILENCE_SECONDS = 60
_LEADS_NOWHERE = (
    "/problems/journal-forked",
    "/problems/cursor-expired",
    "/problems/bad-cursor",
)
"""What is answered when what is held is no beginning of the present list."""


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
    which the journal goes on. One that broke off is gone on with when the same is asked again. It
    travels packed. On standard output the cursor goes to standard error, and only exit status 0
    says that the list is whole.
    """
    to_output = output == STANDARD
    if to_output and as_json:
        raise typer.BadParameter("standard output is taken", param_hint="--json")
    if purpose is not None and not purpose.isprintable():
        raise typer.BadParameter("one line of text is wanted", param_hint="--purpose")
    asked = [(b"Accept", format.media_type.encode())]
    asked += [(b"Optout-Purpose", purpose.encode())] if purpose else []
    with remote(url, key, as_json=as_json, seconds=_SILENCE_SECONDS) as registry:
        asking = _Asking(registry, asked, format)
        try:
            taken = asking.copy() if to_output else asking.write(output)
        except OSError as error:
            fail(f"{error.filename or output}: {error.strerror}")
    if as_json:
        print_json(asdict(taken))
        return
    typer.echo(f"{taken.lines} lines; {taken.erased} more are erased and cannot be told", err=True)
    typer.echo(f"Journal-Cursor: {taken.journal_cursor}", err=True)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A whole list: its lines, what it leaves out, and where the journal goes on."""

    lines: int
    erased: int
    journal_cursor: str


@dataclass(frozen=True, slots=True)
class _Asking:
    """Whom to ask for the list, and how."""

    registry: Registry
    headers: Sequence[tuple[bytes, bytes]]
    format: Format

    def copy(self) -> _Taken:
        """Copy the list to standard output."""
        with self._begun(None) as (response, taken):
            lines = _copy(response, sys.stdout.buffer, 0)
            sys.stdout.buffer.flush()
        return replace(taken, lines=lines)

    def write(self, path: Path) -> _Taken:
        """Write the list in the place of a file, and its cursor beside it."""
        note, source = note_of(path), f"{self.registry.name} {self.format}"
        with replacing(path, kept=True) as file:
            held = hold(file, note, source=source, is_csv=self.format is Format.CSV)
            try:
                taken = self._rest(file, note, source, held)
            except NoAnswer:
                if file.tell():
                    typer.echo("What came is kept: the same command goes on behind it.", err=True)
                raise
            except Refused as refused:
                if held is None or refused.document.get("type") not in _LEADS_NOWHERE:
                    raise
                file.seek(0)
                file.truncate()
                taken = self._rest(file, note, source, None)
        # After the list: an older cursor beside a newer list repeats entries, the reverse loses
        # some.
        with replacing(path.with_name(f"{path.name}.cursor")) as file:
            file.write(f"{taken.journal_cursor}\n".encode())
        note.unlink()
        return taken

    def _rest(self, file: IO[bytes], note: Path, source: str, held: Held | None) -> _Taken:
        with self._begun(held) as (response, taken):
            with replacing(note) as noted:
                write_note(noted, taken.journal_cursor, source)
            lines = _copy(response, file, 0 if held is None else held.lines)
        return replace(taken, lines=lines)

    @contextmanager
    def _begun(self, held: Held | None) -> Iterator[tuple[httpx.Response, _Taken]]:
        query = None if held is None else held.query
        with self.registry.stream(
            "GET", "/v1/snapshot", headers=self.headers, params=query
        ) as response:
            cursor = response.headers.get("journal-cursor")
            if cursor is None:
                raise NoAnswer(f"{response.url} did not answer with a snapshot.", None)
            yield response, _Taken(0, int(response.headers.get("optout-erased", 0)), cursor)


def _copy(response: httpx.Response, file: IO[bytes], held: int) -> int:
    """Copy what comes behind so many lines, and tell how many there are then."""
    columns = (
        BarColumn(),
        TextColumn("{task.completed:,} lines"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    shown = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
    expected = response.headers.get("optout-lines-expected", "")
    total = int(expected) if expected.isdecimal() else None
    with shown as progress:
        task = progress.add_task("snapshot", total=total, completed=held)
        for chunk in response.iter_bytes():
            file.write(chunk)
            progress.advance(task, chunk.count(b"\n"))
    return int(progress.tasks[task].completed)
