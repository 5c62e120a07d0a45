"""The two kinds of databases that a table can stand in, spoken to in the same way.

Statements are written as PostgreSQL reads them; SQLite is given ``?1`` for ``$1`` and no casts.
"""

import asyncio
import re
import sqlite3
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import asyncpg

T = TypeVar("T")
_PARAMETER = re.compile(r"\$(\d+)(?:::\w+)*")
_LOCK_SECONDS = 30
_STATEMENT_SECONDS = 600
"""Of PostgreSQL; putting a snapshot of millions in its place is one statement."""


class StoreFailed(Exception):  # noqa: N818 - what became of it
    """The table or file cannot be reached or written; later it may. It names no contact point."""


class Engine(Protocol):
    """A connection, used by one thread, that opens and ends its transactions itself."""

    def transaction(self) -> AbstractContextManager[None]:
        """Hold a write transaction for a block: committed at its end, undone if it fails.

        Raises:
            StoreFailed: the database did.
        """

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement: the rows that it returns."""

    def run_many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> list[tuple[Any, ...]]:
        """Run one statement for each row of values: all rows that they return."""

    def close(self) -> None:
        """End the connection."""


class Sqlite:
    """An SQLite file, made if there is none, readable by its owner only.

    Whoever reads it beside the follower is never locked out (write-ahead log).
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            StoreFailed: it cannot be opened, or is none.
        """
        with _told(path):
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            # What was acknowledged is on the disk, after a power cut too.
            self._connection.execute("PRAGMA synchronous = FULL")
        self._path = path

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the one write transaction of the file."""
        with _told(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement."""
        return self._connection.execute(_for_sqlite(sql), values).fetchall()

    def run_many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> list[tuple[Any, ...]]:
        """Run one statement for each row of values."""
        return [returned for row in rows for returned in self.run(sql, *row)]

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class Postgresql:
    """A PostgreSQL database by its URL; what the URL leaves out, as libpq: PGPASSWORD, .pgpass."""

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            StoreFailed: it cannot be reached.
        """
        self._runner = asyncio.Runner()
        try:
            with _told("PostgreSQL"):
                self._connection = self._wait(
                    asyncpg.connect(
                        url,
                        command_timeout=_STATEMENT_SECONDS,
                        server_settings={"application_name": "optout follow"},
                    )
                )
        except StoreFailed:
            self._runner.close()
            raise
        except ValueError as error:
            self._runner.close()
            raise StoreFailed(f"this is no address of PostgreSQL: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold a transaction."""
        with _told("PostgreSQL"):
            self._wait(self._connection.execute("BEGIN"))
            try:
                yield
                self._wait(self._connection.execute("COMMIT"))
            except BaseException:
                with suppress(*_FAILURES):
                    self._wait(self._connection.execute("ROLLBACK"))
                raise

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement."""
        return [tuple(row) for row in self._wait(self._connection.fetch(sql, *values))]

    def run_many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> list[tuple[Any, ...]]:
        """Run one statement for each row of values, without waiting for each."""
        return [tuple(row) for row in self._wait(self._connection.fetchmany(sql, list(rows)))]

    def close(self) -> None:
        """End the connection."""
        self._connection.terminate()
        self._runner.close()

    def _wait(self, coming: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coming)


_FAILURES = (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


@contextmanager
def _told(where: object) -> Iterator[None]:
    """Say in a sentence what a database refused."""
    try:
        yield
    except _FAILURES as error:
        # Its first line: PostgreSQL's details quote values.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StoreFailed(f"{where}: {reason}") from error


@lru_cache(maxsize=64)
def _for_sqlite(sql: str) -> str:
    return _PARAMETER.sub(r"?\1", sql)
