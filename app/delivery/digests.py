"""Digests of ranges of the journal, by which a database proves that it kept what it was told.

The range is read in slices, each its own short transaction: one long one would pin every old
version of the journal's head. A state that changes meanwhile leaves its slice for a position
beyond the head that was read first, so that it is counted once or not at all.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from uuid import UUID

from app.journal import Cursor, cursor_at, read_head, resolve
from app.platform.db import Database
from app.platform.problems import FieldError, Problem
from app.platform.refusals import InvalidRequest
from app.registry import PartDigest, digest_states

from .feed import SNAPSHOT, read_follower

MOST_PARTS = 1_000
MOST_POSITIONS = 2_000_000
"""A range of so many takes some seconds; a longer journal is asked about range by range."""
_SLICE = 50_000

Of = Literal["all", "own"]


class BeyondTheJournal(Problem):
    """The range ends behind the journal's last position, `head`.

    If you were told an entry at that position, the journal was restored to an older state: take
    the snapshot that `snapshot` names, and make your list equal to it.
    """

    type = "beyond-the-journal"
    title = "The journal does not reach that position"
    status = 409


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be digested; ``to`` is the head where it is None, ``cursor`` must not be forked.

    ``of``: everything that is suppressed or was, or only what is suppressed for the database.
    """

    first: int
    to: int | None
    parts: int
    of: Of
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a range, both bounds included, and its digests."""

    first: int
    last: int
    digest: PartDigest


@dataclass(frozen=True, slots=True)
class Survey:
    """The digests of a range; ``head`` was read last, ``cursor`` leads to the range's entries."""

    journal: UUID
    head: int
    cursor: str
    parts: Sequence[Part]


async def survey(database: Database, follower: int, asked: Asked) -> Survey:
    """Digest a range part by part; no transaction is longer than a slice of it takes.

    Raises:
        JournalForked, CursorExpired, BadCursor: the cursor leads nowhere.
        BeyondTheJournal: the range ends behind the head.
        InvalidRequest: the range ends before it begins, or is too long.
        NotFound: the database was deleted.
    """
    async with database.reading() as session:
        state = await read_follower(session, follower)
        if asked.cursor is None:
            head = await read_head(session)
        else:
            cursor = Cursor.parse(asked.cursor)
            _, head = await resolve(session, cursor, generation=state.generation, snapshot=SNAPSHOT)
        last = _last(asked, head.position)
        begins = await cursor_at(session, head, state.generation, asked.first - 1)
    parts = _parts(asked.first, last, asked.parts)
    starts = [first for first, _ in parts]
    found: defaultdict[int, PartDigest] = defaultdict(PartDigest)
    for first in range(asked.first, last + 1, _SLICE):
        async with database.reading() as session:
            digests = await digest_states(
                session,
                starts,
                first=first,
                last=min(last, first + _SLICE - 1),
                scope=state.scope if asked.of == "own" else None,
            )
        for part, digest in digests.items():
            found[part] += digest
    async with database.reading() as session:
        # Read last: whoever has applied everything up to here knows why a state is counted no more.
        after = await read_head(session)
    counted = [Part(*bounds, found[number]) for number, bounds in enumerate(parts)]
    return Survey(head.journal, after.position, str(begins), counted)


def _last(asked: Asked, head: int) -> int:
    """Tell where the range ends, once it is known to lie within the journal."""
    last = head if asked.to is None else asked.to
    if last > head or asked.first > head + 1:
        raise BeyondTheJournal(
            f"The journal's last position is {head}.", extra={"head": head, "snapshot": SNAPSHOT}
        )
    if last < asked.first - 1:
        raise InvalidRequest(
            "The range ends before it begins.",
            errors=[FieldError("/query/to", "lies before `from`")],
        )
    if last - asked.first >= MOST_POSITIONS:
        raise InvalidRequest(
            "The range is too long for one request.",
            errors=[FieldError("/query/to", f"ends a range of more than {MOST_POSITIONS}")],
        )
    return last


def _parts(first: int, last: int, parts: int) -> list[tuple[int, int]]:
    """Cut a range into parts that differ by one position at most; none is empty."""
    length = last - first + 1
    parts = min(parts, length)
    starts: Iterator[int] = (first + number * length // parts for number in range(parts + 1))
    return [(start, following - 1) for start, following in pairwise(starts)] if parts else []
