"""Scrubbing a file: each row is decided, then all are made to stand as of one journal position.

First the rows are read, digested and looked up, block by block; their answers are kept. Then the
journal tells who was changed since the first look-up, in one statement with what holds for them
now: as of its position every row's answer is the one that a single check would have given. Last
the rows are written with their answers; a large file is read again for that. Each step ends in a
transaction that says where to go on, under the fence of the lease: a process that was stopped
writes no old answer over a newer one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.checks import SCRUB, Counsel, LookUps, Scrub
from app.files import (
    NO_KEY,
    BadFile,
    Batch,
    FileGone,
    Job,
    JobFailed,
    Progress,
    Result,
    Storage,
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
from app.platform.db import Database

from .answers import Answers, Block, Changes
from .campaigns import (
    COUNTS,
    COUNTS_BY_LAW,
    GROUPING,
    Campaign,
    blank_rows,
    count_rows,
    media_type_of,
    read_campaign,
    result_of,
    wanted_rows,
    write_head,
    write_rows,
)
from .digesting import Cells, Digester
from .duplicates import mark_duplicates
from .groups import Groups
from .judged import Judged
from .lawful import RowJudge
from .ordered import in_order
from .suppressed import Suppressed

_AHEAD = 3
"""Blocks that are worked on while one is put in its place."""
_SPAN = 50_000
"""Entries of the journal whose people are decided anew in one statement."""
_ROW_BYTES = 20
"""Bytes of a short row, to guess how many there are."""
_PIECE = 4_194_304
"""Bytes of a result that are sealed together."""

Sealed = Mapping[int, bytes]
Answered = tuple[Block, Sealed]
Step = Coroutine[Any, Any, Answered]


@dataclass(frozen=True, slots=True)
class Tools:
    """All that scrubbing needs of its process."""

    database: Database
    storage: Storage
    look_ups: LookUps
    counsel: Counsel
    digester: Digester
    key_numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scrub goes on.

    ``after`` is the journal's position before the first look-up, ``blocks`` and ``rows`` what is
    answered, ``written`` and ``size`` the groups and bytes of the result; ``keys`` and ``tables``
    are the digest keys of the answers, and the phone tables that numbers were read by.
    ``judged_at`` is the moment that the law is asked about, empty where it is not asked;
    ``grouping`` is how its program grouped the rows.
    """

    answers: str
    after: int
    keys: tuple[int, ...]
    tables: str = PHONE_TABLES
    blocks: int = 0
    rows: int = 0
    settled: bool = False
    written: int = 0
    chunks: int = 0
    size: int = 0
    media_type: str = ""
    judged_at: str = ""
    grouping: int = 0

    @classmethod
    def read(cls, resume: Mapping[str, Any]) -> "Place":
        """Read it from a job's row."""
        return cls(**{**resume, "keys": tuple(resume["keys"])})


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
        self._place = _place_of(work.job)
        self._kept: Answers | None = None
        self._before: tuple[Answers, Place] | None = None
        self._judge: RowJudge | None = None

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
        place = None if job is None else _place_of(job)
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
        async for block, sealed in in_order(steps, ahead=_AHEAD):
            place = replace(self._at, blocks=self._at.blocks + 1, rows=self._at.rows + block.rows)
            await self._put(self._at.blocks, block, sealed, place)

    async def _answering(
        self, groups: Groups, campaign: Campaign, suppressed: Suppressed
    ) -> AsyncIterator[Step]:
        suppressed.begin()
        async for number, group in groups.read(skip=self._at.blocks):
            cells = await asyncio.to_thread(campaign.cells, group)
            yield self._answer(number, campaign.kind, cells, blank_rows(group), suppressed)

    async def _answer(
        self, number: int, kind: Kind, cells: Cells, blank: list[int], suppressed: Suppressed
    ) -> Answered:
        # Whoever signed in has no quota: the audit names them.
        if self._job.key != NO_KEY:
            rows = len(cells) - len(blank)
            await charge(self._tools.database, self._job.key, "rows", rows, at=now())
        block = await self._read(kind, cells, blank)
        await suppressed.decide(block)
        return await self._judged(number, block, suppressed)

    async def _copying(
        self, answers: Answers, before: Place, suppressed: Suppressed
    ) -> AsyncIterator[Step]:
        """Begin a refresh with the answers that are to be refreshed, judged as of now."""
        for number in range(self._at.blocks, before.blocks):
            yield self._judged(number, await answers.read(number), suppressed)

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

    async def _put(self, number: int, block: Block, sealed: Sealed, place: Place) -> None:
        """Put a block of answers in its place, and say where to go on."""
        async with self._tools.database.transaction() as session:
            await self._work.save(session, Progress(resume=asdict(place), done_rows=place.rows))
            await self._answers.put(session, sealed)
        self._answers.remember(number, block)
        self._place = place

    async def _put_again(self, number: int, block: Block) -> None:
        await self._put(number, block, await self._answers.seal_told(number, block), self._at)

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
        async for number, block in mark_duplicates(self._answers, self._at.blocks, self._at.rows):
            await self._put_again(number, block)
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
            await self._put_again(number, block)

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
        result = result_of(campaign, by_law=bool(self._at.judged_at))
        storage = self._tools.storage
        file = self._job.result if self._at.chunks else None
        if file is None:
            file = await storage.create()
            async with self._tools.database.transaction() as session:
                await keep_file(session, file, until=self._scrub.expires_at)
                await self._work.save(session, Progress(result=file))
            await self._put_text(file, write_head(campaign, result), written=0)
        # One thread at a time writes text: more of it in hand would only take memory.
        async for text in in_order(self._writing(groups, campaign, result), ahead=1):
            await self._put_text(file, text, written=self._at.written + 1)
        await storage.complete(StoredFile(file, self._at.size, None, None))

    async def _put_text(self, file: UUID, text: bytes, *, written: int) -> None:
        """Put what was written of a result behind the rest, and say where to go on."""
        storage, first = self._tools.storage, self._at.chunks
        pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
        sealed = [
            await storage.seal_chunk(file, number, piece)
            for number, piece in enumerate(pieces, start=first)
        ]
        size = self._at.size + len(text)
        place = replace(self._at, written=written, chunks=first + len(pieces), size=size)
        async with self._tools.database.transaction() as session:
            await self._work.save(session, Progress(resume=asdict(place)))
            for number, piece in enumerate(sealed, start=first):
                await storage.put_chunk(session, file, number, piece)
        self._place = place

    async def _writing(
        self, groups: Groups, campaign: Campaign, result: Result
    ) -> AsyncIterator[Coroutine[Any, Any, bytes]]:
        async for number, group in groups.read(skip=self._at.written):
            yield self._text(campaign, result, number, group)

    async def _text(
        self, campaign: Campaign, result: Result, number: int, group: list[Batch]
    ) -> bytes:
        block = await self._answers.read(number)
        before = None if self._before is None else await self._before[0].read(number)
        rows = wanted_rows(block, before=before, only_allowed=self._scrub.keep == "allowed")
        return await asyncio.to_thread(write_rows, campaign, result, group, block, rows)


def _place_of(job: Job) -> Place | None:
    return None if job.resume is None else Place.read(job.resume)
