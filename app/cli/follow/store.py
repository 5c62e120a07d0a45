"""The list as it is kept, and how far it is: every change of both is one transaction."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from app.platform.clock import now
from app.platform.wire import wire_time

from . import statements
from .digests import Part, Sum, sum_of
from .engines import Engine
from .rows import Held, Key, Page, Row

T = TypeVar("T")
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


@dataclass(frozen=True, slots=True)
class Mended:
    """What was found in some rows: ``aside`` are set aside, for the registry does not say them.

    ``lacking`` and ``held`` count whom the registry has erased, and this list lacks or holds.
    """

    missing: int = 0
    different: int = 0
    aside: int = 0
    lacking: int = 0
    held: int = 0

    def __add__(self, other: "Mended") -> "Mended":
        """Count both."""
        return Mended(
            self.missing + other.missing,
            self.different + other.different,
            self.aside + other.aside,
            self.lacking + other.lacking,
            self.held + other.held,
        )


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

    def set_aside(self, progress: Progress, *, beyond: int) -> int:
        """Set rows aside that are not as they were kept, or lie behind the journal: how many.

        They go on blocking, and whatever comes about these people counts.

        Raises:
            Overtaken: the list is not where ``progress`` says.
        """
        count, after = 0, ("", "", "")
        while True:
            with self._at(progress):
                cells = self._engine.run(statements.ALL, *after, _CHUNK)
                rows = [*map(Held._make, cells)]
                strange = [
                    row
                    for row in rows
                    if row.position != 0 and (not row.is_intact or row.position > beyond)
                ]
                self._engine.run_many(statements.SET_ASIDE, [row.key for row in strange])
            if not rows:
                return count
            count, after = count + len(strange), rows[-1].key

    def sums(self, parts: Sequence[Part]) -> list[Sum]:
        """Sum up the rows that block, by the part of a range in which their position lies."""
        starts = [part.first for part in parts]
        counts, xors = [0] * len(parts), [0] * len(parts)
        for first in range(parts[0].first, parts[-1].last + 1, _CHUNK):
            last = min(parts[-1].last, first + _CHUNK - 1)
            with self._engine.transaction():
                rows = self._engine.run(statements.SUM, first, last)
            for position, version in rows:
                number = bisect_right(starts, position) - 1
                counts[number] += 1
                xors[number] ^= sum_of(position, version).xor
        return [Sum(*both) for both in zip(counts, xors, strict=True)]

    def mend(self, progress: Progress, parts: Sequence[Part], rows: Iterable[Row]) -> Mended:
        """Make one range agree with its digests, position by position.

        ``rows`` are the entries that the feed has in it. The list must stand where the journal
        was when it was digested, or behind: what moved meanwhile is known then.

        Raises:
            Overtaken: the list is not where ``progress`` says.
        """
        at = {part.first: part for part in parts if part.told.count or part.erased.count}
        told = {
            row.position: row
            for row in rows
            if row.position in at and at[row.position].told == sum_of(row.position, row.version)
        }
        with self._at(progress):
            cells = self._engine.run(statements.BLOCKING, parts[0].first, parts[-1].last)
            right, aside = _divide(map(Held._make, cells), lambda row: _is_said(row, at, told))
            self._engine.run_many(statements.SET_ASIDE, [row.key for row in aside])
            missing, different = self._compare(told.values())
            self._keep(statements.KEEP, missing + different)
        if missing or different:
            self._published()
        erased = sum(part.erased.count for part in at.values())
        known = sum(at[row.position].erased.count for row in right)
        return Mended(len(missing), len(different), len(aside), erased - known, known)

    def settle(self, progress: Progress, *, lacking: int) -> tuple[int, int]:
        """Remove what was set aside, now that all the rest agrees: how many, and how many stay.

        ``lacking`` counts whom the registry has erased and no row's position tells of. If they are
        more than were ever unheard of here, they may be among those set aside, who all stay then.

        Raises:
            Overtaken: the list is not where ``progress`` says.
        """
        run = self._engine.run
        with self._at(progress):
            aside = {bool(marked): count for marked, count in run(statements.COUNT_ASIDE)}
            stay, go = aside.get(True, 0), aside.get(False, 0)
            if go and lacking - stay > progress.untold:
                run(statements.HOLD_ASIDE)
                stay, go = stay + go, 0
            run(statements.REMOVE_ASIDE)
            run(statements.COUNT_UNTOLD, max(0, lacking - stay))
        if go:
            self._published()
        return go, stay

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

    @contextmanager
    def _at(self, progress: Progress) -> Iterator[None]:
        """Hold a transaction in which the cursor stands where it was read."""
        with self._engine.transaction():
            self._move(progress.cursor, progress.cursor)
            yield

    def _compare(self, rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
        """Tell which rows are missing, and which stand otherwise, in a version that is no newer."""
        rows = [*rows]
        cells = self._engine.run_many(statements.FIND, [row.key for row in rows])
        known = {row.key: row for row in map(Held._make, cells)}
        stale = [row for row in rows if _version(known, row) < row.version]
        return _divide(stale, lambda row: row.key not in known or not known[row.key].media)

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


def _is_said(row: Held, at: Mapping[int, Part], told: Mapping[int, Row]) -> bool:
    """Tell whether the registry says a row: that it is at its position, and what it is there."""
    said = told.get(row.position)
    if said is None:
        return row.position in at
    return (row.key, row.media, row.version) == (said.key, said.media, said.version)


def _divide(some: Iterable[T], holds: Callable[[T], bool]) -> tuple[list[T], list[T]]:
    """Tell apart of what something holds and of what it does not."""
    divided: tuple[list[T], list[T]] = [], []
    for one in some:
        divided[not holds(one)].append(one)
    return divided


def _version(known: Mapping[Key, Held], row: Row) -> int:
    return known[row.key].version if row.key in known else -1
