"""What a receiver keeps: what is suppressed for it, and how far it has applied the journal."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS suppressed (
    kind TEXT NOT NULL, value TEXT NOT NULL, brand TEXT NOT NULL,
    media TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (kind, value, brand)
);
CREATE TABLE IF NOT EXISTS progress (mark TEXT NOT NULL);
"""
# Entries may come twice and in any order: the highest version of a contact point and brand holds.
UPSERT = """
INSERT INTO suppressed VALUES (:kind, :value, :brand, :media, :version)
ON CONFLICT DO UPDATE SET media = excluded.media, version = excluded.version
    WHERE excluded.version > version
"""
EVERY_BRAND = ""

Row = tuple[str, str, str, str, int]


def rows_of(entries: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Read entries of the journal, or lines of a snapshot, as rows; erased ones tell nobody."""
    for entry in entries:
        identifier = entry["identifier"]
        if identifier["value"] is not None:
            yield (
                identifier["kind"],
                identifier["value"],
                entry["brand"] or EVERY_BRAND,
                "|".join(entry["media"]),
                entry["version"],
            )


class Table:
    """One SQLite file; every change and its mark are one transaction, and commit is the proof."""

    def __init__(self, path: Path) -> None:
        """Make the file if there is none."""
        self._path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(f"PRAGMA journal_mode = WAL; {SCHEMA}")

    @contextmanager
    def changing(self) -> Iterator["Change"]:
        """Change the table for a block: committed at its end, nothing of it if the block fails."""
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Change(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def suppressed(self) -> set[Row]:
        """Read what is suppressed now; other rows only remember their version."""
        with closing(sqlite3.connect(self._path, timeout=30)) as connection:
            return set(connection.execute("SELECT * FROM suppressed WHERE media <> ''"))


class Change:
    """What may be done inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection with a transaction begun."""
        self._connection = connection

    def mark(self) -> str | None:
        """Read how far the journal is applied; None in a new table."""
        found = self._connection.execute("SELECT mark FROM progress").fetchone()
        return None if found is None else str(found[0])

    def move_mark(self, mark: str) -> None:
        """Note how far the journal is applied."""
        self._connection.execute("DELETE FROM progress")
        self._connection.execute("INSERT INTO progress VALUES (?)", (mark,))

    def apply(self, rows: Iterable[Row]) -> None:
        """Keep each row unless a higher version of it is known."""
        self._connection.executemany(UPSERT, rows)

    def empty(self) -> None:
        """Forget every row, to begin again from a snapshot."""
        self._connection.execute("DELETE FROM suppressed")
