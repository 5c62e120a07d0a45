"""A CSV file for diallers that load one: written whole beside itself, then put in its place.

The truth is an SQLite file beside it, ``NAME.sqlite``, which knows versions and the cursor.
"""

import csv
import io
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .engines import Sqlite, StoreFailed
from .store import Store

_COLUMNS = ("kind", "value", "brand", "media", "version", "position", "since")
"""Those of ``optout snapshot --format csv``."""
_SECRET = 0o600


@dataclass(frozen=True, slots=True)
class CsvFile:
    """The file to keep; its mode stays as it is, and is 0600 when it is new."""

    path: Path

    def open(self) -> Store:
        """Open what it is written from, and write it.

        Raises:
            StoreFailed: one of both cannot be written.
        """
        return Store(Sqlite(self.path.with_name(f"{self.path.name}.sqlite")), self.write)

    def write(self, store: Store) -> None:
        """Put the list in the file's place: whole, or not at all.

        Before the first snapshot there is nothing to write: an empty file would say that
        everybody may be contacted.

        Raises:
            StoreFailed: it cannot be written.
        """
        if store.progress() is None:
            return
        written = self.path.with_name(f".{self.path.name}.new")
        try:
            with suppress(FileNotFoundError):
                written.unlink()
            with open(
                written, "wb", opener=lambda name, flags: os.open(name, flags, _SECRET)
            ) as file:
                with suppress(FileNotFoundError):
                    os.fchmod(file.fileno(), self.path.stat().st_mode & 0o7777)
                file.write(_lines([_COLUMNS]))
                file.writelines(_lines(rows) for rows in store.pages())
                file.flush()
                os.fsync(file.fileno())
            written.replace(self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise StoreFailed(f"{self.path}: {error.strerror}") from error


def _lines(rows: list[tuple[object, ...]]) -> bytes:
    # Never altered for spreadsheets: it is for programs.
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _sync(folder: Path) -> None:
    """Let the new name outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
