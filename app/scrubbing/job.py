"""Scrubbing a file: each row is decided, then all are made to stand as of one journal position.

First the rows are read, digested and looked up, block by block; their answers are kept. Then the
journal tells who was changed since the first look-up, in one statement with what holds for them
now: as of its position every row's answer is the one that a single check would have given. Last
the rows are written with their answers; a large file is read again for that. Each step ends in a
transaction that says where to go on, under the fence of the lease: a process that was stopped
writes no old answer over a newer one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.checks import SCRUB, Scrub
from app.files import (
    NO_KEY,
    BadFile,
    Batch,
    FileGone,
    JobFailed,
    Progress,
    StoredFile,
    Work,
    find_job,
    keep_file,
    open_file,
    release_file,
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
    wanted_rows,
)
from .digesting import Cells
from .duplicates import mark_duplicates
from .groups import Groups
from .judged import Judged
from .lawful import RowJudge
from .ordered import in_order
from .place import Place
from .suppressed import Suppressed
from .tools import Tools
from .writing import Written, pack_rows, write_head

_AHEAD = 24
"""Blocks that are digested while one waits for what it is compared with."""
_AT_ONCE = 4
"""Groups of rows in hand at a time, and blocks that are decided at a time."""
_SPAN = 50_000
"""Entries of the journal whose people are decided anew in one statement."""
_ROW_BYTES = 20
"""Bytes of a short row, to guess how many there are."""
_WRITTEN = 4
"""Groups that are written, or ready, while some are put in their places."""

Sealed = Mapping[int, bytes]
Answered = tuple[Block, Sealed]
Step = Coroutine[Any, Any, Answered]


def scrubber(tools: Tools) -> Callable[[Work], Awaitable[None]]:
    """Make the handler of scrubs."""

    async def scrub(work: Work) -> None:
        scrubbing = _Scrubbing(tools, work)
        try:
            await scrubbing.run()
        except (QuotaExceeded, UnusualUse) as refused:
            await scrubbing.drop()
            raise JobFailed(refused.type, refused.detail) from None
        except (JobFailed, BadFile, FileGone):
            await scrubbing.drop()
            raise

    return scrub


class _Scrubbing:
    """One scrub in the hands of this process; ``_place`` moves on with each step."""

    def __init__(self, tools: Tools, work: Work) -> None:
        self._tools = tools
        self._work = work
        self._job = work.job
        self._scrub = Scrub.read(work.job.params)
        self._place = Place.of(work.job)
        self._kept: Answers | None = None
        self._before: tuple[Answers, Place] | None = None
        self._judge: RowJudge | None = None
        self._deciding = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        if self._job.upload is None:
            raise FileGone(str(self._job.id))
        storage = self._tools.storage
        stored = await storage.find(self._job.upload)
        source = open_file(storage, stored)
        campaign = await asyncio.to_thread(
            read_campaign, source, medium=self._scrub.medium, column=self._scrub.column
        )
        if self._scrub.refreshes is not None:
            self._before = await self._find_before(self._scrub.refreshes)
        if self._place is None or not self._fits(self._place):
            self._place = await self._begin()
        if self._place.judged_at:
            judged_at = datetime.fromisoformat(self._place.judged_at)
            self._judge = RowJudge(self._tools.counsel, self._scrub, at=judged_at)
        groups = Groups(source, campaign.layout)
        if not self._place.settled:
            suppressed = Suppressed(
                self._tools.database,
                self._tools.look_ups,
                self._scrub,
                rows=stored.size // _ROW_BYTES,
            )
            try:
                if self._before is None:
                    await self._answer_all(self._answering(groups, campaign, suppressed))
                else:
                    await self._answer_all(self._copying(*self._before, suppressed))
                await self._settle(media_type_of(campaign.layout), suppressed)
            finally:
                await suppressed.stop()
        await self._write(groups, campaign)

    def _fits(self, place: Place) -> bool:
        """Tell whether answers can be compared with what this process would look up."""
        keys = set(self._tools.key_numbers)
        is_alike = (place.tables, place.grouping) == (PHONE_TABLES, GROUPING)
        return is_alike and keys.issubset(place.keys)

    async def drop(self) -> None:
        """Let the answers of a scrub that failed be deleted."""
        if self._place is not None:
            async with self._tools.database.transaction() as session:
                await release_file(session, UUID(self._place.answers), at=now())

    @property
    def _at(self) -> Place:
        if self._place is None:
            raise TypeError("the scrub was not begun")
        return self._place

    @property
    def _answers(self) -> Answers:
        if self._kept is None:
            self._kept = Answers(self._tools.storage, UUID(self._at.answers))
        return self._kept

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

    async def _begin(self) -> Place:
        answers = await self._tools.storage.create()
        judged_at = now().isoformat() if await self._asks_the_law() else ""
        async with self._tools.database.transaction() as session:
            if self._before is None:
                after = (await read_head(session)).position
                keys = self._tools.key_numbers
            else:
                after, keys = self._before[1].after, self._before[1].keys
            place = Place(str(answers), after, keys, judged_at=judged_at, grouping=GROUPING)
            await keep_file(session, answers, until=self._scrub.expires_at)
            await self._work.save(session, Progress(resume=asdict(place), done_rows=0))
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
            first = self._at.blocks
            blocks = {first + n: block for n, (block, _) in enumerate(some)}
            sealed = {number: chunk for _, chunks in some for number, chunk in chunks.items()}
            rows = self._at.rows + sum(block.rows for block in blocks.values())
            place = replace(self._at, blocks=first + len(some), rows=rows)
            await self._put(blocks, sealed, place)

    async def _answering(
        self, groups: Groups, campaign: Campaign, suppressed: Suppressed
    ) -> AsyncIterator[Step]:
        suppressed.begin()
        room = asyncio.Semaphore(_AT_ONCE)
        async for number, group in groups.read(skip=self._at.blocks):
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
        for number in range(self._at.blocks, before.blocks):
            yield self._judged_anew(number, await answers.read(number), suppressed)

    async def _judged_anew(self, number: int, block: Block, suppressed: Suppressed) -> Answered:
        async with self._deciding:
            return await self._judged(number, block, suppressed)

    async def _judged(self, number: int, block: Block, suppressed: Suppressed) -> Answered:
        if self._judge is not None:
            await self._judge.judge(block, await suppressed.asked(block))
        return block, await self._answers.seal(number, block)

    async def _read(self, kind: Kind, cells: Cells, blank: list[int]) -> Block:
        digester, region = self._tools.digester, self._scrub.region
        if self._judge is None:
            return Block.begin(await digester.digest(kind, cells, region=region), blank)
        digests, countries = await digester.read(kind, cells, region=region)
        block = Block.begin(digests, blank)
        block.judged = Judged.begin(*countries)
        return block

    async def _put(self, blocks: Mapping[int, Block], sealed: Sealed, place: Place) -> None:
        """Put blocks of answers in their places, and say where to go on."""
        async with self._tools.database.transaction() as session:
            await self._work.save(session, Progress(resume=asdict(place), done_rows=place.rows))
            await self._answers.put(session, sealed)
        for number, block in blocks.items():
            self._answers.remember(number, block)
        self._place = place

    async def _put_again(self, blocks: Mapping[int, Block]) -> None:
        chunks = [self._answers.seal_told(number, block) for number, block in blocks.items()]
        sealed = {n: chunk for one in await asyncio.gather(*chunks) for n, chunk in one.items()}
        await self._put(blocks, sealed, self._at)

    async def _settle(self, media_type: str, suppressed: Suppressed) -> None:
        """Decide anew whoever was changed meanwhile, until all is as of one position."""
        after = self._at.after
        while True:
            changed = await self._tools.look_ups.changed(
                after=after, medium=self._scrub.medium, brand=self._scrub.brand, span=_SPAN
            )
            if changed.since:
                await self._decide_anew(Changes(changed.since), suppressed)
            after = changed.upto
            if changed.upto == changed.position:
                break
        async for marked in mark_duplicates(self._answers, self._at.blocks, self._at.rows):
            await self._put_again(marked)
        counts = await self._count()
        place = replace(self._at, settled=True, media_type=media_type)
        async with self._tools.database.transaction() as session:
            progress = Progress(
                resume=asdict(place), rows=place.rows, position=after, counts=counts
            )
            await self._work.save(session, progress)
        self._place = place

    async def _decide_anew(self, changes: Changes, suppressed: Suppressed) -> None:
        for number in range(self._at.blocks):
            block = await self._answers.read(number)
            if not (changed := await asyncio.to_thread(changes.apply, block)):
                continue
            if self._judge is not None:
                # Whoever was blocked was not judged before.
                asked = {*await suppressed.asked(block), *changed}
                await self._judge.judge(block, sorted(asked))
            await self._put_again({number: block})

    async def _count(self) -> dict[str, int]:
        """Count the rows by what they are told; of a refresh, those decided otherwise before."""
        counts = dict.fromkeys(COUNTS_BY_LAW if self._at.judged_at else COUNTS, 0)
        for number in range(self._at.blocks):
            block = await self._answers.read(number)
            before = None if self._before is None else await self._before[0].read(number)
            for name, count in count_rows(block, before).items():
                counts[name] += count
        return counts

    async def _write(self, groups: Groups, campaign: Campaign) -> None:
        """Write the result; the same answers give the same bytes, whoever goes on."""
        storage = self._tools.storage
        file = self._job.result if self._at.chunks else None
        if file is None:
            file = await storage.create()
            async with self._tools.database.transaction() as session:
                await keep_file(session, file, until=self._scrub.expires_at)
                await self._work.save(session, Progress(result=file))
            head = write_head(campaign, by_law=bool(self._at.judged_at))
            await self._put_written(file, [head], groups=0)
        async for some in in_order(
            self._writing(groups, campaign), ahead=_WRITTEN, together=TOGETHER
        ):
            await self._put_written(file, some, groups=len(some))
        await storage.complete(StoredFile(file, self._at.size, None, None))

    async def _put_written(self, file: UUID, some: Sequence[Written], *, groups: int) -> None:
        """Put what was written of a result behind the rest, and say where to go on."""
        storage, first = self._tools.storage, self._at.chunks
        packed = enumerate((piece for one in some for piece in one.packed), start=first)
        sealed = {number: storage.seal_packed(file, number, piece) for number, piece in packed}
        place = replace(
            self._at,
            written=self._at.written + groups,
            chunks=first + len(sealed),
            size=self._at.size + sum(one.size for one in some),
        )
        async with self._tools.database.transaction() as session:
            await self._work.save(session, Progress(resume=asdict(place)))
            for number, chunk in sealed.items():
                await storage.put_chunk(session, file, number, chunk)
        self._place = place

    async def _writing(
        self, groups: Groups, campaign: Campaign
    ) -> AsyncIterator[Coroutine[Any, Any, Written]]:
        async for number, group in groups.read(skip=self._at.written):
            yield self._write_group(campaign, number, group)

    async def _write_group(self, campaign: Campaign, number: int, group: list[Batch]) -> Written:
        block = await self._answers.read(number)
        before = None if self._before is None else await self._before[0].read(number)
        wanted = wanted_rows(block, before=before, only_allowed=self._scrub.keep == "allowed")
        processes, rows = self._tools.processes, len(block)
        told = block.without_digests()
        return await processes.run(pack_rows, campaign, group, told, wanted, rows=rows)
