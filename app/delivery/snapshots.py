"""The snapshot: what is suppressed now, as a database is shown it, in pages of short transactions.

Entries are whole states with a version, so that a page read later may be newer than one read
before: together with the journal from the cursor, which is taken first, it converges. One long
transaction instead would pin every old version of the journal's head.

While a page is written the next is read. Pages are written in pieces of a few milliseconds, of
which one process writes one at a time, so that checks wait for no list.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import (
    EVERY_BRAND,
    Cursor,
    FollowerState,
    Scope,
    concerned_at,
    cursor_at,
    read_head,
    resolve,
)
from app.parties import Directory
from app.platform.db import Database, Unavailable, driver_of
from app.platform.pages import BadCursor
from app.points import PointKeys

from .codings import Coding, packer
from .endpoints import find_endpoint
from .feed import SNAPSHOT, read_follower
from .lines import Ending, Lines, SnapshotFormat
from .rendering import PLAN_ANEW, Form, brand_slugs

if TYPE_CHECKING:
    from asyncpg import Record

_PAGE = 5_000
_PIECE = 200
"""Rows that are written in one turn of the loop, in half a millisecond: what is read of the next
page meanwhile, and checks, have the turns between."""
_PIECES = 5
"""Pieces that are sent together."""
_AT_ONCE = 16
"""Lists that one process sends at a time; each holds two pages, some 5 MB."""

# A page is cut before anything is left out: a scope that matches nobody in ten million moves on
# all the same, and knows where it stands. The bound on the right lets both tables be walked side
# by side, which takes half the time of a look-up for each row.
_READ = """
WITH s AS MATERIALIZED (
    SELECT point, brand, media & $4 AS media, version, position, since FROM suppressions
    WHERE (point, brand) > ($1, $2) ORDER BY point, brand LIMIT $3
)
SELECT s.point, s.brand, p.kind, p.digest, p.sealed,
       CASE WHEN p.sealed IS NOT NULL THEN convert_to(
           ($7::text[])[s.media + 1] || s.version || $8 || s.position || $9
           || to_char(s.since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || $10, 'UTF8'
       ) END AS ending
FROM s LEFT JOIN contact_points p
    ON p.id = s.point AND p.id BETWEEN $1 AND (SELECT max(point) FROM s)
   AND s.media <> 0 AND p.kind = ANY($5::int2[])
   AND ($6::int2[] IS NULL OR s.brand = 0 OR s.brand = ANY($6)) AND p.sealed IS NOT NULL
ORDER BY s.point, s.brand
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A list that broke off: the cursor it came with, and the position in its last whole line."""

    cursor: Cursor
    position: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is about to be read: where the journal goes on from, and what it leaves out.

    ``erased`` counts contact points and brands that are suppressed and can be told no more;
    ``expected`` is about how many lines there are at most, for a bar of progress. ``after`` is the
    contact point and brand behind which it begins, None at its beginning.
    """

    cursor: str
    erased: int
    expected: int
    follower: FollowerState
    form: Form
    after: tuple[int, int] | None = None


@dataclass(slots=True)
class Sending:
    """How many lines of a list are written so far."""

    lines: int = 0


class Snapshots:
    """The snapshots that one process sends."""

    def __init__(self, database: Database, keys: PointKeys, directory: Directory) -> None:
        """Take what is needed to read states and show contact points."""
        self._database = database
        self._keys = keys
        self._directory = directory
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._turn = asyncio.Lock()

    async def begin(self, follower: int, held: Held | None = None) -> Snapshot:
        """Take the cursor from which the journal goes on; with ``held`` go on behind its last line.

        The list is in the order of contact points, which never changes, and an entry of the
        journal names its own for ever. What changed in front of that line stands in the journal
        after the cursor of the first time, which is therefore the one that counts.

        Raises:
            JournalForked, CursorExpired: what is held is no beginning of this list.
            BadCursor: no line ever held that position.
            NotFound: the database was deleted.
            Unavailable: this process sends as many lists as it can.
        """
        if self._slots.locked():
            raise Unavailable(
                f"{_AT_ONCE} lists are being sent; ask again.", headers={"Retry-After": "30"}
            )
        async with self._database.reading() as session:
            state = await read_follower(session, follower)
            endpoint = await find_endpoint(session, self._keys.vault, follower)
            after = None
            if held is None:
                head = await read_head(session)
                cursor = await cursor_at(session, head, state.generation, head.position)
            else:
                cursor = held.cursor
                await resolve(session, cursor, generation=state.generation, snapshot=SNAPSHOT)
                after = await concerned_at(session, held.position)
                if after is None:
                    raise BadCursor
            erased, expected = await _count(session, state.scope)
        form = Form(endpoint.way.identifier_format, endpoint.identifier_key)
        return Snapshot(str(cursor), erased, expected, state, form, after)

    async def stream(
        self, snapshot: Snapshot, written_as: SnapshotFormat, coding: Coding, sending: Sending
    ) -> AsyncGenerator[bytes]:
        """Write the present list, piece by piece; memory stays that of two pages.

        A list that breaks off is never ended: neither its coding nor the transfer is closed.
        """
        packed = packer(coding)
        async with aclosing(self._pieces(snapshot, written_as, sending)) as pieces:
            async for piece in pieces:
                ready = piece if packed is None else packed.compress(piece)
                if ready:
                    yield ready
        if packed is not None:
            yield packed.flush()

    async def _pieces(
        self, snapshot: Snapshot, written_as: SnapshotFormat, sending: Sending
    ) -> AsyncGenerator[bytes]:
        lines = Lines(self._keys.vault, snapshot.form, written_as)
        after = snapshot.after
        if after is None:
            yield lines.first
            after = (0, EVERY_BRAND - 1)
        async with self._pages(after, snapshot.follower.scope, lines.ending) as pages:
            async for page in pages:
                brands = await brand_slugs(self._directory, {row["brand"] for row in page})
                written: list[bytes] = []
                for begin in range(0, len(page), _PIECE):
                    async with self._turn:
                        piece, count = lines.write(page[begin : begin + _PIECE], brands)
                        await asyncio.sleep(0)
                    sending.lines += count
                    written.append(piece)
                    if len(written) == _PIECES:
                        yield b"".join(written)
                        written.clear()
                if written:
                    yield b"".join(written)

    @asynccontextmanager
    async def _pages(
        self, after: tuple[int, int], scope: Scope, ending: Ending
    ) -> AsyncIterator[AsyncIterator[Sequence["Record"]]]:
        """Read the pages in order, each while the one before it is in use."""
        async with self._slots:
            ahead = asyncio.create_task(self._read(after, scope, ending))

            async def pages() -> AsyncIterator[Sequence["Record"]]:
                nonlocal ahead
                while page := await ahead:
                    last = (page[-1]["point"], page[-1]["brand"])
                    ahead = asyncio.create_task(self._read(last, scope, ending))
                    yield page

            try:
                yield pages()
            finally:
                ahead.cancel()

    async def _read(
        self, after: tuple[int, int], scope: Scope, ending: Ending
    ) -> Sequence["Record"]:
        async with self._database.reading() as session:
            await session.execute(PLAN_ANEW)
            driver = await driver_of(session)
            rows: Sequence[Record] = await driver.fetch(
                _READ,
                *after,
                _PAGE,
                int(scope.media),
                [int(kind) for kind in scope.kinds],
                None if scope.brands is None else [*scope.brands],
                ending.media,
                ending.position,
                ending.since,
                ending.last,
            )
            return rows


async def _count(session: AsyncSession, scope: Scope) -> tuple[int, int]:
    """Count what was erased of what a database would be told, and guess how long the list is."""
    row = (
        await session.execute(
            text("""
                SELECT count(s.point) AS erased,
                       (SELECT greatest(reltuples, 0)::int8 FROM pg_class
                        WHERE oid = 'suppressions'::regclass) AS expected
                FROM contact_points p
                JOIN suppressions s ON s.point = p.id AND s.media & :media <> 0
                WHERE p.sealed IS NULL AND p.kind = ANY(CAST(:kinds AS int2[]))
                  AND (CAST(:brands AS int2[]) IS NULL OR s.brand = 0 OR s.brand = ANY(:brands))
            """),
            {
                "media": int(scope.media),
                "kinds": [int(kind) for kind in scope.kinds],
                "brands": None if scope.brands is None else [*scope.brands],
            },
        )
    ).one()
    return row.erased, row.expected
