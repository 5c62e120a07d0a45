"""How far a scrub is, and the steps by which it goes on.

Each step is a transaction that says where to go on, under the fence of the lease: a process that
was stopped writes no old answer over a newer one.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.files import Progress, Work, release_file
from app.platform.clock import now

from .answers import Answers, Block
from .place import Place
from .tools import Tools

Sealed = Mapping[int, bytes]


class Course:
    """One scrub in the hands of this process; its place moves on with each step."""

    def __init__(self, tools: Tools, work: Work) -> None:
        """Take the scrub where it is."""
        self.tools = tools
        self.work = work
        self.job = work.job
        self.place = Place.of(work.job)
        self._answers: Answers | None = None

    @property
    def at(self) -> Place:
        """Tell where it is, once it was begun."""
        if self.place is None:
            raise TypeError("the scrub was not begun")
        return self.place

    @property
    def answers(self) -> Answers:
        """Give what the rows were told."""
        if self._answers is None:
            self._answers = Answers(self.tools.storage, UUID(self.at.answers))
        return self._answers

    async def save(self, session: AsyncSession, place: Place) -> None:
        """Say where to go on, in the transaction of a step; ``place`` counts after it."""
        await self.work.save(session, Progress(resume=asdict(place), done_rows=place.rows))

    async def put(self, blocks: Mapping[int, Block], sealed: Sealed, place: Place) -> None:
        """Put blocks of answers in their places, and move on."""
        async with self.tools.database.transaction() as session:
            await self.save(session, place)
            await self.answers.put(session, sealed)
        for number, block in blocks.items():
            self.answers.remember(number, block)
        self.place = place

    async def put_again(self, blocks: Mapping[int, Block]) -> None:
        """Put blocks again that were changed."""
        chunks = [self.answers.seal_told(number, block) for number, block in blocks.items()]
        sealed = {n: chunk for one in await asyncio.gather(*chunks) for n, chunk in one.items()}
        await self.put(blocks, sealed, self.at)

    async def drop(self) -> None:
        """Let the answers of a scrub that failed be deleted."""
        if self.place is not None:
            async with self.tools.database.transaction() as session:
                await release_file(session, UUID(self.place.answers), at=now())
