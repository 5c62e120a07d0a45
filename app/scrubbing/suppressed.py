"""Who of a file's rows is suppressed: asked in the way that is cheapest for a file of its size."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

import numpy as np

from app.checks import LookUps, Scrub
from app.platform.db import Database

from .answers import ALLOW, DECISION, Block
from .ordered import in_order
from .roll import PART, Pages, Roll, read_pages
from .sieve import Sieve, make_sieve

_LOOKED_UP = 10_000
T = TypeVar("T")
Asked = list[tuple[int, bytes]]
"""Rows of a block, and digests by which they may be on record."""


class Suppressed:
    """Decides the rows of one scrub by the roll, or one by one where that would be too long.

    Made after the journal's head was read, which tells of whoever is changed from then on.
    """

    def __init__(
        self, database: Database, look_ups: LookUps, scrub: Scrub, *, rows: int, ids: int
    ) -> None:
        """Take what is asked about a file of about so many rows; nothing is read yet.

        ``ids`` is below which id the contact points of the roll stand (``ids_worth_reading``).
        """
        self._database = database
        self._look_ups = look_ups
        self._scrub = scrub
        self._ids = ids
        self._first: _Once[Roll] = _Once(lambda: self.part(0))
        self._sieve: _Once[Sieve | None] = _Once(lambda: make_sieve(database, rows=rows))
        self._reading: AsyncGenerator[list[Pages]] | None = None

    @property
    def parts(self) -> int:
        """Count the parts of the roll; 0: rows are looked up one by one."""
        return -(-self._ids // PART)

    def begin(self) -> None:
        """Begin to read the roll, if there is to be one."""
        if self.parts:
            self._first.begin()

    async def part(self, number: int) -> Roll:
        """Make a part of the roll, from 0; every row is to be compared with each of them.

        They are asked for in their order, from whichever is the first. The next one is read
        meanwhile.
        """
        if self._reading is None:
            self._reading = in_order(self._parts(number), ahead=0)
        (pages,) = await anext(self._reading)
        return await asyncio.to_thread(Roll, *pages)

    async def _parts(self, first: int) -> AsyncIterator[Coroutine[Any, Any, Pages]]:
        medium, brand = self._scrub.medium, self._scrub.brand
        for number in range(first, self.parts):
            begin, beyond = number * PART, min((number + 1) * PART, self._ids)
            yield read_pages(self._database, medium=medium, brand=brand, first=begin, beyond=beyond)

    async def decide(self, block: Block) -> None:
        """Decide each row of a block that can be understood: by the first part, or as of now.

        Raises:
            Unavailable: PostgreSQL does not answer, or this process lacks a digest key.
        """
        if self.parts:
            await asyncio.to_thread((await self._first.get()).decide, block)
            return
        asked = await self.asked(block)
        for first in range(0, len(asked), _LOOKED_UP):
            some = asked[first : first + _LOOKED_UP]
            found = await self._look_ups.many(
                {digest for _, digest in some}, medium=self._scrub.medium, brand=self._scrub.brand
            )
            since = found.since.get
            for row, digest in some:
                if (at := since(digest)) is not None:
                    block.decide(row, at)

    async def asked(self, block: Block) -> Asked:
        """List rows that nothing blocks, and their digests that the registry may know."""
        return await asyncio.to_thread(_asked, block, await self._sieve.get())

    async def stop(self) -> None:
        """Read on no more, and give the memory of it back."""
        await self._first.stop()
        if self._reading is not None:
            await self._reading.aclose()
        await self._sieve.stop()


def _asked(block: Block, sieve: Sieve | None) -> Asked:
    is_open = block.codes & np.uint8(DECISION) == ALLOW
    asked: Asked = []
    for key, digests in enumerate(block.digests):
        held = is_open if sieve is None else is_open & sieve.hold_back(digests)
        asked += [(row, block.digest(row, key)) for row in np.flatnonzero(held).tolist()]
    return asked


class _Once(Generic[T]):
    """Reads something once, when it is first wanted, for all who want it."""

    def __init__(self, read: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._read = read
        self._reading: asyncio.Task[T] | None = None

    def begin(self) -> asyncio.Task[T]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def get(self) -> T:
        # Whoever is cancelled takes it from none of the others.
        return await asyncio.shield(self.begin())

    async def stop(self) -> None:
        """Read on no more, and forget what was read: who asks for it may be held in a circle."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
