"""How far a scrub is, and the steps by which it goes on.

Each step is a transaction that says where to go on, under the fence of the lease: a process that
was stopped writes no old answer over a newer one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.files import Progress, Work, release_file
from app.platform.clock import now

from .answers import Answers, Block
from .place import Place
from .tools import Tools

Sealed = Mapping[int, bytes]
_NOTHING = Progress()


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

    @asynccontextmanager
    async def step(self, place: Place, more: Progress = _NOTHING) -> AsyncIterator[AsyncSession]:
        """Move on to a place with what a block writes; ``more`` is what else changes of the job."""
        async with self.tools.database.transaction() as session:
            progress = replace(more, resume=asdict(place), done_rows=place.rows)
            await self.work.save(session, progress)
            yield session
        self.place = place

    async def move(self, place: Place, more: Progress = _NOTHING) -> None:
        """Move on to a place: a step that writes nothing else."""
        async with self.step(place, more):
            pass

    async def put(self, blocks: Mapping[int, Block], sealed: Sealed, place: Place) -> None:
        """Put blocks of answers in their places, and move on."""
        async with self.step(place) as session:
            await self.answers.put(session, sealed)
        for number, block in blocks.items():
            self.answers.remember(number, block)

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
