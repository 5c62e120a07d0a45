"""Files that a registry works on: sent as they are read, waited for, and taken up again.

How far it is stands on standard error: a bar on a terminal, now and then a line elsewhere.
"""

import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from .outputs import STANDARD, replacing
from .remote import WAITS, Failed, Refused, Registry, until_answered
from .root import fail

SILENCE_SECONDS = 60
INTERRUPTED = 130
"""Exit status of what is ended by Ctrl-C, as shells have it."""

_PIECE_BYTES = 262_144
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_PATIENCE_SECONDS = 120.0
"""How long a registry may be away while a job is waited for."""
_LINE_SECONDS = 10.0


class _Shown:
    """How far something is, of a whole that may not be known."""

    def __init__(self, what: str, *columns: ProgressColumn) -> None:
        self._what = what
        self._written = time.monotonic()
        self._last = ""
        self._bar = Progress(
            TextColumn(what),
            BarColumn(),
            *columns,
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(what, total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, done: int, total: int | None, unit: str) -> None:
        """Say how far it is; elsewhere than on a terminal not too often."""
        self._bar.update(self._task, completed=done, total=total)
        if not self._bar.disable or time.monotonic() < self._written + _LINE_SECONDS:
            return
        self._written = time.monotonic()
        line = f"{self._what}: {done:,} {unit}" + (f" of {total:,}" if total else "")
        if line != self._last:
            typer.echo(line, err=True)
        self._last = line


def send_file(
    registry: Registry, path: str, file: Path, query: Mapping[str, object]
) -> dict[str, Any]:
    """Send a file, or standard input, and give the job that the registry made of it.

    A file is sent again where that may help: by its ``Idempotency-Key`` it makes one job only.

    Raises:
        NoAnswer: there was none; nothing is kept of a file that was not sent whole.
        Refused: the registry refuses the file, or what is asked.
    """
    said = {name: value for name, value in query.items() if value is not None}
    if file == STANDARD:
        return _send(registry, path, sys.stdin.buffer, None, said)
    try:
        with file.open("rb") as source:
            found = file.stat()
            size = found.st_size if stat.S_ISREG(found.st_mode) else None
            return _send(registry, path, source, size, said | {"filename": file.name})
    except OSError as error:
        raise typer.BadParameter(f"{error.filename or file}: {error.strerror}") from None


def _send(
    registry: Registry, path: str, source: IO[bytes], size: int | None, said: Mapping[str, object]
) -> dict[str, Any]:
    once, waits = str(uuid4()), () if size is None else WAITS

    def pieces() -> Iterator[bytes]:
        done = 0
        if size is not None:
            source.seek(0)
        while piece := source.read(_PIECE_BYTES):
            yield piece
            done += len(piece)
            shown.tell(done, size, "bytes")

    try:
        with _Shown("sending", DownloadColumn()) as shown:
            return until_answered(
                lambda: registry.send(path, pieces(), query=said, size=size, once=once), waits
            )
    except KeyboardInterrupt:
        fail("Broken off: nothing was kept of the file.", INTERRUPTED)


def await_job(registry: Registry, path: str, *, again: str) -> dict[str, Any]:
    """Wait until a job has ended, and give it; ``again`` is the command that waits for it.

    Raises:
        NoAnswer: the registry is away for two minutes; the job goes on when it is back.
        Refused: there is no such job, or not for this key.
    """
    try:
        with _Shown("working", MofNCompleteColumn(), TextColumn("rows")) as shown:
            for job in _states(registry, path):
                shown.tell(job["done_rows"], job["rows"] or _expected(job), "rows")
    except KeyboardInterrupt:
        fail(f"The registry goes on with it. To wait for it again:\n  {again}", INTERRUPTED)
    except Failed as failed:
        if not isinstance(failed, Refused):
            typer.echo(f"The registry goes on with it. To wait for it again:\n  {again}", err=True)
        raise
    else:
        return job


def _expected(job: Mapping[str, Any]) -> int | None:
    """Guess how many rows there are, by how much of the file those that are done took."""
    done, size = job.get("done_bytes", 0), job.get("size", 0)
    return int(job["done_rows"] * size / done) if 0 < done < size else None


def _states(registry: Registry, path: str) -> Iterator[dict[str, Any]]:
    """Ask for a job until it has ended, less and less often."""
    pause = _FIRST_PAUSE
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            job = registry.get(path, {})
        except Failed as failed:
            if not failed.passes_soon or time.monotonic() > deadline:
                raise
            time.sleep(max(_LONGEST_PAUSE, failed.retry_after or 0))
            continue
        deadline = time.monotonic() + _PATIENCE_SECONDS
        yield job
        if job["state"] not in {"queued", "running"}:
            return
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, 1.5 * pause)


def fetch_file(registry: Registry, path: str, output: Path, *, again: str) -> None:
    """Write what a registry made into a file, whole or not at all, or to standard output.

    Raises:
        NoAnswer: it broke off; it can be fetched again.
        Refused: there is nothing to be had.
    """
    with _again(again), registry.stream("GET", path) as response:
        size = response.headers.get("content-length")
        total = int(size) if size and size.isdigit() else None
        try:
            with _Shown("receiving", DownloadColumn()) as shown, _opened(output) as file:
                for piece in response.iter_bytes():
                    file.write(piece)
                    shown.tell(response.num_bytes_downloaded, total, "bytes")
        except OSError as error:
            fail(f"{error.filename or output}: {error.strerror}. Again:\n  {again}")


@contextmanager
def _again(again: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        fail(f"Broken off. Again:\n  {again}", INTERRUPTED)
    except Failed:
        typer.echo(f"To try again:\n  {again}", err=True)
        raise


@contextmanager
def _opened(output: Path) -> Iterator[IO[bytes]]:
    if output != STANDARD:
        with replacing(output) as file:
            yield file
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
