"""The list as it is kept, and how far it is: every change of both is one transaction."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from app.platform.clock import now
from app.platform.wire import wire_time

from . import statements
from .engines import Engine
from .rows import Page, Row

_CHUNK = 10_000


class Overtaken(Exception):  # noqa: N818 - what became of it
    """Another process moved the cursor of the same table; nothing was written."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the list is.

    ``outcomes`` are those of the last page, by position, kept until the next: a crash between the
    commit and the report loses none. ``untold`` counts what the registry blocks, cannot tell any
    more, and this list does not hold.
    """

    cursor: str
    outcomes: dict[int, str]
    untold: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How a list differed from a snapshot; ``held``: unlisted, and kept all the same."""

    missing: int
    different: int
    unlisted: int
    held: int


class Store:
    """Two tables, ``suppressions`` and ``cursor``, made if they are not there."""

    def __init__(self, engine: Engine, publish: Callable[["Store"], None] | None = None) -> None:
        """Take an engine, which ``close`` closes; ``publish`` is called after each change.

        Raises:
            StoreFailed: the tables cannot be made.
        """
        self._engine = engine
        self._publish = publish
        with engine.transaction():
            for statement in statements.SCHEMA:
                engine.run(statement)
        # A crash may have come between a commit and this.
        self._published()

    def close(self) -> None:
        """End the connection."""
        self._engine.close()

    def progress(self) -> Progress | None:
        """Read how far the list is; None before the first snapshot is in it."""
        with self._engine.transaction():
            rows = self._engine.run(statements.READ_CURSOR)
        if not rows:
            return None
        ((cursor, outcomes, untold),) = rows
        return Progress(cursor, dict(json.loads(outcomes)), untold)

    def apply(self, progress: Progress, page: Page) -> dict[int, str]:
        """Keep a page of the feed and move the cursor behind it: the outcomes by position.

        Raises:
            Overtaken: the list is not where ``progress`` says.
        """
        with self._engine.transaction():
            self._move(progress.cursor, page.next_cursor)
            changed = {position for (position,) in self._keep(statements.KEEP, page.rows)}
            erased = [(row.kind, row.value, row.brand) for row in page.rows if row.erased]
            self._engine.run_many(statements.FORGET, erased)
            outcomes = {
                row.position: "applied" if row.position in changed else "already"
                for row in page.rows
            } | dict.fromkeys(page.untold, "not_found")
            if outcomes:
                self._engine.run(statements.NOTE_OUTCOMES, json.dumps([*outcomes.items()]))
            if not page.has_more:
                self._engine.run(statements.NOTE_CURRENT, wire_time(now()))
        if changed:
            self._published()
        return outcomes

    def empty_fresh(self) -> None:
        """Begin to take a snapshot, beside what stands."""
        with self._engine.transaction():
            self._engine.run(statements.EMPTY_FRESH)

    def add_fresh(self, rows: Iterable[Row]) -> None:
        """Add rows to the snapshot: its lines, or entries that came while it was read."""
        with self._engine.transaction():
            self._keep(statements.KEEP_FRESH, rows)

    def adopt(self, progress: Progress | None, cursor: str, *, erased: int) -> Difference:
        """Make the list equal to the snapshot that was added, and move the cursor to its.

        Two kinds of rows stay though no snapshot lists them, for those people are still to be
        blocked: those told to be erased, and, where ``erased`` says that the registry can tell of
        more than these and the ones never heard of here, all others too, for nobody can say
        which they are.

        Raises:
            Overtaken: the list is not where ``progress`` says.
        """
        run = self._engine.run
        with self._engine.transaction():
            if progress is None:
                began = run(statements.BEGIN_CURSOR, cursor, erased, wire_time(now()))
                self._require(began)
            else:
                self._move(progress.cursor, cursor)
            ((missing,),) = run(statements.COUNT_MISSING)
            ((different,),) = run(statements.COUNT_DIFFERENT)
            unlisted = {bool(marked): count for marked, count in run(statements.COUNT_UNLISTED)}
            held, others = unlisted.get(True, 0), unlisted.get(False, 0)
            if erased - held > (0 if progress is None else progress.untold):
                run(statements.HOLD)
                held, others = held + others, 0
            run(statements.REMOVE)
            run(statements.YIELD)
            run(statements.ADOPT)
            run(statements.NOTE_UNTOLD, max(0, erased - held))
            run(statements.EMPTY_FRESH)
        self._published()
        return Difference(missing, different, others, held)

    def count(self) -> int:
        """Count what is suppressed."""
        with self._engine.transaction():
            return int(self._engine.run(statements.COUNT)[0][0])

    def pages(self) -> Iterator[list[tuple[Any, ...]]]:
        """List what is suppressed in the order of its key, as cells in the order of a snapshot."""
        after: tuple[Any, ...] = ("", "", "")
        while True:
            with self._engine.transaction():
                rows = self._engine.run(statements.LIST, *after, _CHUNK)
            if not rows:
                return
            yield rows
            after = rows[-1][:3]

    def _move(self, before: str, after: str) -> None:
        self._require(self._engine.run(statements.MOVE_CURSOR, before, after))

    def _require(self, moved: list[tuple[Any, ...]]) -> None:
        if not moved:
            raise Overtaken("another process follows into the same list")

    def _keep(self, sql: str, rows: Iterable[Row]) -> list[tuple[Any, ...]]:
        return self._engine.run_many(sql, [row.cells for row in rows])

    def _published(self) -> None:
        if self._publish is not None:
            self._publish(self)
