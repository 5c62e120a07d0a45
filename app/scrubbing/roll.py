"""The roll: everybody who is suppressed for one medium, read once and compared with a file.

Looking ten thousand up by index costs as much as reading three hundred thousand in their order, so
that a file which is large beside the registry is better compared with all of it, in memory: part by
part, where it is a large one.
"""

from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from app.journal import Media
from app.platform.db import Database, driver_of

from .answers import BLOCK, DECISION, DUPLICATE, UNUSABLE, Block
from .ordered import in_order

_PAGE = 262_144
_READERS = 2
"""Pages that are read at a time."""
PART = 2_097_152
"""Contact points of one roll: it takes 24 bytes for each, and as much in the making."""
_WORTH = 16
"""How many are read in the time of one look-up."""
_2000 = 946_684_800_000_000
"""Microseconds from 1970 to when PostgreSQL begins to count."""
_NEVER = np.iinfo(np.int64).max
Page = tuple[bytes, bytes]
"""Digests, and as many times."""
Pages = tuple[list[bytes], list[bytes]]

# Both lists are made of the same rows in the same order. What one entry told of rests on one
# ground, whose time the suppression holds.
_READ = """
SELECT string_agg(p.digest, '') AS digests,
       string_agg(timestamptz_send(CASE WHEN s.version = 1 THEN s.since ELSE coalesce((
           SELECT min(g.occurred_at) FROM grounds g
           WHERE g.point = p.id AND g.brand = s.brand AND g.voided_at IS NULL
             AND g.media & ~g.lifted & $3::int2 <> 0
       ), s.since) END), '') AS sinces
FROM suppressions s JOIN contact_points p ON p.id = s.point
WHERE s.point >= $1 AND s.point < $2 AND p.id >= $1 AND p.id < $2
  AND s.media & $3 <> 0 AND ($4::int2 IS NULL OR s.brand IN (0, $4))
"""


class Roll:
    """Digests of who is blocked, in order, and since when; found by how they begin."""

    def __init__(self, digests: Sequence[bytes], sinces: Sequence[bytes]) -> None:
        """Take 16 bytes each, and eight as PostgreSQL sends a time; a person may stand there twice.

        Raises:
            ValueError: there are more of the ones than of the others.
        """
        words = np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)
        since = np.frombuffer(b"".join(sinces), ">i8") + _2000
        if len(words) != len(since):
            raise ValueError("a suppression has no time")
        # About as many drawers as digests: each is looked for among the one or two of its drawer.
        bits = max(1, len(words).bit_length())
        self._shift = np.uint64(64 - bits)
        drawers = self._drawers(words[:, 0])
        order = _by_drawer(drawers)
        ordered = words.take(order, axis=0)
        self._first, self._second = ordered[:, 0], ordered[:, 1]
        self._since = since.take(order)
        held = np.bincount(drawers, minlength=1 << bits)
        self._begins = np.concatenate(([0], np.cumsum(held)))

    def decide(self, block: Block) -> bool:
        """Block each row that stands here, since the earlier time where it was blocked already.

        Returns:
            Whether there was any.
        """
        since = np.full(len(block), _NEVER, np.int64)
        for key in range(len(block.digests)):
            words = block.words(key)
            drawers = self._drawers(words[:, 0])
            at, end = self._begins[drawers], self._begins[drawers + 1]
            rows = np.flatnonzero(at < end)
            while len(rows):
                found = rows[self._first[at[rows]] == words[rows, 0]]
                found = found[self._second[at[found]] == words[found, 1]]
                since[found] = np.minimum(since[found], self._since[at[found]])
                at[rows] += 1
                rows = rows[at[rows] < end[rows]]
        decisions = block.codes & DECISION
        before = np.where(decisions == BLOCK, block.sinces, _NEVER)
        blocked = (decisions < UNUSABLE) & (since != _NEVER)
        block.codes[blocked] = block.codes[blocked] & DUPLICATE | BLOCK
        block.sinces[blocked] = np.minimum(since, before)[blocked]
        return bool(blocked.any())

    def _drawers(self, first: NDArray[np.uint64]) -> NDArray[np.intp]:
        return (first >> self._shift).astype(np.intp)


def _by_drawer(drawers: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order places by their drawers, of which there are fewer than 2^32.

    Numbers of 16 bits are sorted in a quarter of the time that longer ones take.
    """
    order = np.argsort(drawers.astype(np.uint16), kind="stable")
    return order[np.argsort((drawers >> 16).astype(np.uint16)[order], kind="stable")]


async def ids_worth_reading(database: Database, *, rows: int) -> int:
    """Tell below which id all contact points stand; 0 where so many rows are not worth a roll."""
    async with database.reading() as session:
        last = await session.scalar(text("SELECT coalesce(max(id), 0) FROM contact_points")) or 0
    return last + 1 if last <= rows * _WORTH else 0


async def read_pages(
    database: Database, *, medium: Media, brand: int | None, first: int, beyond: int
) -> Pages:
    """Read what a ``Roll`` is made of: of contact points with such ids, as ``LookUps.many`` does.

    In pages, each of which sees what is committed by then: whoever was changed since before the
    first one is told by the journal.
    """
    digests, sinces = [], []
    pages = _pages(database, medium, brand, first, beyond)
    async for read in in_order(pages, ahead=_READERS - 1):
        for some, times in read:
            digests.append(some)
            sinces.append(times)
    return digests, sinces


async def _pages(
    database: Database, medium: Media, brand: int | None, first: int, beyond: int
) -> AsyncIterator[Coroutine[Any, Any, Page]]:
    for at in range(first, beyond, _PAGE):
        yield _read_page(database, at, min(at + _PAGE, beyond), medium, brand)


async def _read_page(
    database: Database, first: int, beyond: int, medium: Media, brand: int | None
) -> Page:
    async with database.reading() as session:
        driver = await driver_of(session)
        page = await driver.fetchrow(_READ, first, beyond, int(medium), brand)
    return (b"", b"") if page is None else (page["digests"] or b"", page["sinces"] or b"")
