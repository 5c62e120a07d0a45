"""The last part of a scrub: its rows are written with their answers, group by group."""

from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.files import Batch, Progress, StoredFile, keep_file

from .answers import TOGETHER, Answers
from .campaigns import Campaign, wanted_rows
from .course import Course
from .groups import Groups
from .ordered import in_order
from .writing import Written, pack_rows, write_head

_AHEAD = 4
"""Groups that are written, or ready, while some are put in their places."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the result; the same answers give the same bytes, whoever goes on.

    ``before`` are the answers of the scrub that is refreshed: rows that are told the same are left
    out. The result is kept until ``until``.
    """

    course: Course
    campaign: Campaign
    before: Answers | None
    only_allowed: bool
    until: datetime

    async def write(self, groups: Groups) -> None:
        """Write what is left to write, from its first group on."""
        course = self.course
        storage = course.tools.storage
        file = course.job.result if course.at.chunks else None
        if file is None:
            file = await storage.create()
            async with course.tools.database.transaction() as session:
                await keep_file(session, file, until=self.until)
                await course.work.save(session, Progress(result=file))
            head = write_head(self.campaign, by_law=bool(course.at.judged_at))
            await self._put(file, [head], groups=0)
        async for some in in_order(self._steps(groups), ahead=_AHEAD, together=TOGETHER):
            await self._put(file, some, groups=len(some))
        await storage.complete(StoredFile(file, course.at.size, None, None))

    async def _put(self, file: UUID, some: Sequence[Written], *, groups: int) -> None:
        """Put what was written behind the rest, and say where to go on."""
        at, storage = self.course.at, self.course.tools.storage
        packed = enumerate((piece for one in some for piece in one.packed), start=at.chunks)
        sealed = {number: storage.seal_packed(file, number, piece) for number, piece in packed}
        place = replace(
            at,
            written=at.written + groups,
            chunks=at.chunks + len(sealed),
            size=at.size + sum(one.size for one in some),
        )
        async with self.course.step(place) as session:
            for number, chunk in sealed.items():
                await storage.put_chunk(session, file, number, chunk)

    async def _steps(self, groups: Groups) -> AsyncIterator[Coroutine[Any, Any, Written]]:
        async for number, group in groups.read(skip=self.course.at.written):
            yield self._write(number, group)

    async def _write(self, number: int, group: list[Batch]) -> Written:
        block = await self.course.answers.read(number)
        before = None if self.before is None else await self.before.read(number)
        wanted = wanted_rows(block, before=before, only_allowed=self.only_allowed)
        told, processes = block.without_digests(), self.course.tools.processes
        return await processes.run(pack_rows, self.campaign, group, told, wanted, rows=len(block))
