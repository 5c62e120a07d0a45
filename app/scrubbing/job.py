"""Scrubbing a file: each row is decided, then all are made to stand as of one journal position.

First the rows are read, digested and looked up, block by block; their answers are kept. Then the
journal tells who was changed since the first look-up, in one statement with what holds for them
now: as of its position every row's answer is the one that a single check would have given. Last
the rows are written with their answers; a large file is read again for that. Each step ends in a
transaction that says where to go on, under the fence of the lease: a process that was stopped
writes no old answer over a newer one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from app.checks import SCRUB, Scrub
from app.files import (
    NO_KEY,
    BadFile,
    FileGone,
    JobFailed,
    Progress,
    Work,
    find_job,
    keep_file,
    open_file,
)
from app.identifiers import PHONE_TABLES
from app.journal import Kind, read_head
from app.parties import QuotaExceeded, UnusualUse, charge
from app.platform.clock import now

from .answers import TOGETHER, Answers, Block, Changes
from .campaigns import (
    COUNTS,
    COUNTS_BY_LAW,
    GROUPING,
    Campaign,
    blank_rows,
    count_rows,
    media_type_of,
    read_campaign,
)
from .course import Course, Sealed
from .digesting import Cells
from .duplicates import mark_duplicates
from .groups import Groups
from .judged import Judged
from .lawful import RowJudge
from .ordered import in_order
from .place import Place
from .result import Writer
from .roll import Roll, ids_worth_reading
from .suppressed import Suppressed
from .tools import Tools

_AHEAD = 24
"""Blocks that are digested while one waits for what it is compared with."""
_AT_ONCE = 4
"""Groups of rows in hand at a time, and blocks that are decided at a time."""
_SPAN = 50_000
"""Entries of the journal whose people are decided anew in one statement."""
_ROW_BYTES = 20
"""Bytes of a short row, to guess how many there are."""

Answered = tuple[Block, Sealed]
Step = Coroutine[Any, Any, Answered]


def scrubber(tools: Tools) -> Callable[[Work], Awaitable[None]]:
    """Make the handler of scrubs."""

    async def scrub(work: Work) -> None:
        course = Course(tools, work)
        try:
            await _Scrubbing(course).run()
        except (QuotaExceeded, UnusualUse) as refused:
            await course.drop()
            raise JobFailed(refused.type, refused.detail) from None
        except (JobFailed, BadFile, FileGone):
            await course.drop()
            raise

    return scrub


class _Scrubbing:
    """What is done for one scrub, from where its course is on."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._tools = course.tools
        self._job = course.job
        self._scrub = Scrub.read(course.job.params)
        self._before: tuple[Answers, Place] | None = None
        self._judge: RowJudge | None = None
        self._deciding = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        if self._job.upload is None:
            raise FileGone(str(self._job.id))
        storage = self._tools.storage
        stored = await storage.find(self._job.upload)
        rows = stored.size // _ROW_BYTES
        source = open_file(storage, stored)
        campaign = await asyncio.to_thread(
            read_campaign, source, medium=self._scrub.medium, column=self._scrub.column
        )
        if self._scrub.refreshes is not None:
            self._before = await self._find_before(self._scrub.refreshes)
        place = self._course.place
        if place is None or not self._fits(place):
            place = await self._begin(rows)
        if place.judged_at:
            judged_at = datetime.fromisoformat(place.judged_at)
            self._judge = RowJudge(self._tools.counsel, self._scrub, at=judged_at)
        groups = Groups(source, campaign.layout)
        if not place.settled:
            suppressed = Suppressed(
                self._tools.database, self._tools.look_ups, self._scrub, rows=rows, ids=place.ids
            )
            try:
                if self._before is None:
                    await self._answer_all(self._answering(groups, campaign, suppressed))
                else:
                    await self._answer_all(self._copying(*self._before, suppressed))
                await self._compare(suppressed)
                await self._settle(media_type_of(campaign.layout), suppressed)
            finally:
                await suppressed.stop()
        before = None if self._before is None else self._before[0]
        only_allowed, until = self._scrub.keep == "allowed", self._scrub.expires_at
        await Writer(self._course, campaign, before, only_allowed, until).write(groups)

    def _fits(self, place: Place) -> bool:
        """Tell whether answers can be compared with what this process would look up."""
        keys = set(self._tools.key_numbers)
        is_alike = (place.tables, place.grouping) == (PHONE_TABLES, GROUPING)
        return is_alike and keys.issubset(place.keys)

    async def _find_before(self, scrub: UUID) -> tuple[Answers, Place]:
        """Find what the scrub that is refreshed has answered."""
        async with self._tools.database.reading() as session:
            job = await find_job(session, scrub, kind=SCRUB)
        place = None if job is None else Place.of(job)
        if job is None or place is None or job.position is None:
            raise FileGone(str(scrub))
        if not self._fits(place):
            raise JobFailed("keys-changed", "Keys, phones or program changed: scrub it anew.")
        place = replace(place, after=job.position)
        return Answers(self._tools.storage, UUID(place.answers)), place

    async def _begin(self, rows: int) -> Place:
        database = self._tools.database
        answers = await self._tools.storage.create()
        judged_at = now().isoformat() if await self._asks_the_law() else ""
        if self._before is None:
            async with database.reading() as session:
                # Before whoever is made known later is left out of the roll.
                after = (await read_head(session)).position
            keys = self._tools.key_numbers
            ids = await ids_worth_reading(database, rows=rows)
        else:
            after, keys, ids = self._before[1].after, self._before[1].keys, 0
        place = Place(str(answers), after, keys, ids=ids, judged_at=judged_at, grouping=GROUPING)
        async with self._course.step(place) as session:
            await keep_file(session, answers, until=self._scrub.expires_at)
        return place

    async def _asks_the_law(self) -> bool:
        """Tell whether the law is asked; a refresh asks it if it was asked before."""
        if self._before is not None:
            return bool(self._before[1].judged_at)
        brand = self._scrub.brand
        found = await self._tools.look_ups.many((), medium=self._scrub.medium, brand=brand)
        return found.covered.asks_the_law(brand, otherwise=self._tools.counsel.is_default)

    async def _answer_all(self, steps: AsyncIterator[Step]) -> None:
        """Answer every row as of now, whenever that is."""
        async for some in in_order(steps, ahead=_AHEAD, together=TOGETHER):
            first = self._course.at.blocks
            blocks = {first + n: block for n, (block, _) in enumerate(some)}
            sealed = {number: chunk for _, chunks in some for number, chunk in chunks.items()}
            rows = self._course.at.rows + sum(block.rows for block in blocks.values())
            place = replace(self._course.at, blocks=first + len(some), rows=rows)
            await self._course.put(blocks, sealed, place)

    async def _answering(
        self, groups: Groups, campaign: Campaign, suppressed: Suppressed
    ) -> AsyncIterator[Step]:
        room = asyncio.Semaphore(_AT_ONCE)
        async for number, group in groups.read(skip=self._course.at.blocks):
            # Not sooner: whoever goes on when all are answered needs the first part no more.
            suppressed.begin()
            await room.acquire()
            cells: Cells | None = campaign.column(group)
            if cells is None:
                cells = await asyncio.to_thread(campaign.cells, group)
            yield self._answer(number, campaign.kind, cells, blank_rows(group), suppressed, room)

    async def _answer(
        self,
        number: int,
        kind: Kind,
        cells: Cells,
        blank: list[int],
        suppressed: Suppressed,
        room: asyncio.Semaphore,
    ) -> Answered:
        try:
            # Whoever signed in has no quota: the audit names them.
            if self._job.key != NO_KEY:
                rows = len(cells) - len(blank)
                await charge(self._tools.database, self._job.key, "rows", rows, at=now())
            block = await self._read(kind, cells, blank)
        finally:
            room.release()
        # Whoever waits for the roll must not hold on to text.
        del cells
        async with self._deciding:
            await suppressed.decide(block)
            return await self._judged(number, block, suppressed)

    async def _copying(
        self, answers: Answers, before: Place, suppressed: Suppressed
    ) -> AsyncIterator[Step]:
        """Begin a refresh with the answers that are to be refreshed, judged as of now."""
        for number in range(self._course.at.blocks, before.blocks):
            yield self._judged_anew(number, await answers.read(number), suppressed)

    async def _judged_anew(self, number: int, block: Block, suppressed: Suppressed) -> Answered:
        async with self._deciding:
            return await self._judged(number, block, suppressed)

    async def _judged(self, number: int, block: Block, suppressed: Suppressed) -> Answered:
        if self._judge is not None and suppressed.parts <= 1:
            await self._judge.judge(block, await suppressed.asked(block))
        return block, await self._course.answers.seal(number, block)

    async def _read(self, kind: Kind, cells: Cells, blank: list[int]) -> Block:
        digester, region = self._tools.digester, self._scrub.region
        if self._judge is None:
            return Block.begin(await digester.digest(kind, cells, region=region), blank)
        digests, countries = await digester.read(kind, cells, region=region)
        block = Block.begin(digests, blank)
        block.judged = Judged.begin(*countries)
        return block

    async def _compare(self, suppressed: Suppressed) -> None:
        """Compare all rows with the parts of the roll after the first, and judge them then."""
        for part in range(self._course.at.parts + 1, suppressed.parts):
            await self._change_all(partial(_decide, await suppressed.part(part)))
            await self._course.move(replace(self._course.at, parts=part))
        if self._judge is not None and suppressed.parts > 1:
            await self._change_all(partial(self._judge_whole, self._judge, suppressed))

    async def _judge_whole(self, judge: RowJudge, suppressed: Suppressed, block: Block) -> bool:
        await judge.judge(block, await suppressed.asked(block))
        return True

    async def _change_all(self, change: Callable[[Block], Awaitable[bool]]) -> None:
        """Put all blocks again that something changes, some at a time."""
        course = self._course
        async for changed in course.answers.changed(course.at.blocks, change):
            await course.put_again(changed)

    async def _settle(self, media_type: str, suppressed: Suppressed) -> None:
        """Decide anew whoever was changed meanwhile, until all is as of one position."""
        after = self._course.at.after
        while True:
            changed = await self._tools.look_ups.changed(
                after=after, medium=self._scrub.medium, brand=self._scrub.brand, span=_SPAN
            )
            if changed.since:
                changes = Changes(changed.since)
                await self._change_all(partial(self._decide_anew, changes, suppressed))
            after = changed.upto
            if changed.upto == changed.position:
                break
        async for marked in mark_duplicates(
            self._course.answers, self._course.at.blocks, self._course.at.rows
        ):
            await self._course.put_again(marked)
        counts = await self._count()
        settled = replace(self._course.at, settled=True, media_type=media_type)
        progress = Progress(rows=settled.rows, position=after, counts=counts)
        await self._course.move(settled, progress)

    async def _decide_anew(self, changes: Changes, suppressed: Suppressed, block: Block) -> bool:
        changed = await asyncio.to_thread(changes.apply, block)
        if changed and self._judge is not None:
            # Whoever was blocked was not judged before.
            asked = {*await suppressed.asked(block), *changed}
            await self._judge.judge(block, sorted(asked))
        return bool(changed)

    async def _count(self) -> dict[str, int]:
        """Count the rows by what they are told; of a refresh, those decided otherwise before."""
        counts = dict.fromkeys(COUNTS_BY_LAW if self._course.at.judged_at else COUNTS, 0)
        for number in range(self._course.at.blocks):
            block = await self._course.answers.read(number)
            before = None if self._before is None else await self._before[0].read(number)
            for name, count in count_rows(block, before).items():
                counts[name] += count
        return counts


async def _decide(roll: Roll, block: Block) -> bool:
    return await asyncio.to_thread(roll.decide, block)
