"""Scrubbing a file: each row is decided, then all are made to stand as of one journal position.

First the rows are read, digested and looked up, block by block; their answers are kept. Then the
journal tells who was changed since the first look-up, in one statement with what holds for them
now: as of its position every row's answer is the one that a single check would have given. Last
the file is read again and written with its answers. Each step ends in a transaction that says
where to go on, under the fence of the lease: a process that was stopped writes no old answer over
a newer one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from app.files import (
    NO_KEY,
    BadFile,
    Batch,
    FileGone,
    FileWriter,
    Job,
    JobFailed,
    Progress,
    Result,
    Storage,
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

from .answers import BLANK, NO_DIGEST, Answers, Block, Changes
from .campaigns import (
    COUNTS,
    COUNTS_BY_LAW,
    GROUPING,
    Campaign,
    blank_rows,
    count_rows,
    media_type_of,
    read_campaign,
    read_groups,
    result_of,
    wanted_rows,
    write_head,
    write_rows,
)
from .counsel import Counsel
from .digesting import Digester
from .duplicates import mark_duplicates
from .judged import Judged
from .lawful_scrubs import RowJudge
from .lookups import LookUps
from .ordered import in_order
from .scrubs import KIND, Scrub
from .sieve import Sieve, make_sieve

_AHEAD = 3
"""Blocks that are worked on while one is put in its place."""
_LOOKED_UP = 10_000
_SPAN = 50_000
"""Entries of the journal whose people are decided anew in one statement."""
_ROW_BYTES = 20
"""Bytes of a short row, to guess how many there are."""


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
        if not self._place.settled:
            sieve = await make_sieve(self._tools.database, rows=stored.size // _ROW_BYTES)
            if self._before is None:
                await self._decide(source, campaign, sieve)
            else:
                await self._copy(*self._before, sieve)
            await self._settle(media_type_of(campaign.layout))
        await self._write(source, campaign)

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
        return Answers(self._tools.storage, UUID(self._at.answers))

    async def _find_before(self, scrub: UUID) -> tuple[Answers, Place]:
        """Find what the scrub that is refreshed has answered."""
        async with self._tools.database.reading() as session:
            job = await find_job(session, scrub, kind=KIND)
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

    async def _decide(self, source: BinaryIO, campaign: Campaign, sieve: Sieve | None) -> None:
        """Answer every row as of now, whenever that is."""
        async for block in in_order(self._answering(source, campaign, sieve), ahead=_AHEAD):
            rows = len(block.codes) - block.codes.count(BLANK)
            place = replace(self._at, blocks=self._at.blocks + 1, rows=self._at.rows + rows)
            await self._put(self._at.blocks, block, place)

    async def _answering(
        self, source: BinaryIO, campaign: Campaign, sieve: Sieve | None
    ) -> AsyncIterator[Coroutine[Any, Any, Block]]:
        async for _, group in _groups(source, campaign, skip=self._at.blocks):
            cells = await asyncio.to_thread(campaign.cells, group)
            yield self._answer(campaign.kind, cells, blank_rows(group), sieve)

    async def _answer(
        self, kind: Kind, cells: list[str], blank: list[int], sieve: Sieve | None
    ) -> Block:
        rows = len(cells) - len(blank)
        # Whoever signed in has no quota: the audit names them.
        if self._job.key != NO_KEY:
            await charge(self._tools.database, self._job.key, "rows", rows, at=now())
        block = await self._read(kind, cells, blank)
        asked = await asyncio.to_thread(_to_look_up, block, sieve)
        for first in range(0, len(asked), _LOOKED_UP):
            some = asked[first : first + _LOOKED_UP]
            found = await self._tools.look_ups.many(
                {digest for _, digest in some}, medium=self._scrub.medium, brand=self._scrub.brand
            )
            since = found.since.get
            for row, digest in some:
                if (at := since(digest)) is not None:
                    block.decide(row, at)
        if self._judge is not None:
            await self._judge.judge(block, asked)
        return block

    async def _read(self, kind: Kind, cells: list[str], blank: list[int]) -> Block:
        digester, region = self._tools.digester, self._scrub.region
        if self._judge is None:
            return Block.begin(await digester.digest(kind, cells, region=region), blank)
        digests, countries = await digester.read(kind, cells, region=region)
        block = Block.begin(digests, blank)
        block.judged = Judged.begin(*countries)
        return block

    async def _put(self, number: int, block: Block, place: Place) -> None:
        """Put a block of answers in its place, and say where to go on."""
        answers = self._answers
        sealed = await answers.seal(number, block)
        async with self._tools.database.transaction() as session:
            await self._work.save(session, Progress(resume=asdict(place), done_rows=place.rows))
            await answers.put(session, number, sealed)
        self._place = place

    async def _copy(self, answers: Answers, before: Place, sieve: Sieve | None) -> None:
        """Begin a refresh with the answers that are to be refreshed, judged as of now."""
        for number in range(self._at.blocks, before.blocks):
            block = await answers.read(number)
            if self._judge is not None:
                asked = await asyncio.to_thread(_to_look_up, block, sieve)
                await self._judge.judge(block, asked)
            rows = len(block.codes) - block.codes.count(BLANK)
            place = replace(self._at, blocks=number + 1, rows=self._at.rows + rows)
            await self._put(number, block, place)

    async def _settle(self, media_type: str) -> None:
        """Decide anew whoever was changed meanwhile, until all is as of one position."""
        after = self._at.after
        while True:
            changed = await self._tools.look_ups.changed(
                after=after, medium=self._scrub.medium, brand=self._scrub.brand, span=_SPAN
            )
            if changed.since:
                await self._decide_anew(Changes(changed.since))
            after = changed.upto
            if changed.upto == changed.position:
                break
        async for number, block in mark_duplicates(self._answers, self._at.blocks, self._at.rows):
            await self._put(number, block, self._at)
        counts = await self._count()
        place = replace(self._at, settled=True, media_type=media_type)
        async with self._tools.database.transaction() as session:
            progress = Progress(
                resume=asdict(place), rows=place.rows, position=after, counts=counts
            )
            await self._work.save(session, progress)
        self._place = place

    async def _decide_anew(self, changes: Changes) -> None:
        for number in range(self._at.blocks):
            block = await self._answers.read(number)
            if await asyncio.to_thread(changes.apply, block):
                await self._put(number, block, self._at)

    async def _count(self) -> dict[str, int]:
        """Count the rows by what they are told; of a refresh, those decided otherwise before."""
        counts = dict.fromkeys(COUNTS_BY_LAW if self._at.judged_at else COUNTS, 0)
        for number in range(self._at.blocks):
            block = await self._answers.read(number)
            before = None if self._before is None else await self._before[0].read(number)
            for name, count in count_rows(block, before).items():
                counts[name] += count
        return counts

    async def _write(self, source: BinaryIO, campaign: Campaign) -> None:
        """Write the result; the same answers give the same bytes, whoever goes on."""
        result = result_of(campaign, by_law=bool(self._at.judged_at))
        file = self._job.result if self._at.size else None
        writer = FileWriter(
            self._tools.storage, file or await self._tools.storage.create(), hashed=False
        )
        if file is None:
            async with self._tools.database.transaction() as session:
                await keep_file(session, writer.file, until=self._scrub.expires_at)
                await self._work.save(session, Progress(result=writer.file))
            await writer.write(write_head(campaign, result))
        else:
            await writer.go_on(self._at.size)
        written = self._at.written
        async for text in in_order(self._writing(source, campaign, result), ahead=_AHEAD):
            await writer.write(text)
            written += 1
            await writer.flush()
            place = replace(self._at, written=written, size=writer.size)
            async with self._tools.database.transaction() as session:
                await self._work.save(session, Progress(resume=asdict(place)))
            self._place = place
        await writer.finish()

    async def _writing(
        self, source: BinaryIO, campaign: Campaign, result: Result
    ) -> AsyncIterator[Coroutine[Any, Any, bytes]]:
        async for number, group in _groups(source, campaign, skip=self._at.written):
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


async def _groups(
    source: BinaryIO, campaign: Campaign, *, skip: int
) -> AsyncIterator[tuple[int, list[Batch]]]:
    """Read the groups of rows in a thread, from the one of a number on."""
    groups = read_groups(source, campaign.layout)
    number = 0
    while (group := await asyncio.to_thread(next, groups, None)) is not None:
        if number >= skip:
            yield number, group
        number += 1


def _to_look_up(block: Block, sieve: Sieve | None) -> list[tuple[int, bytes]]:
    """List rows and digests that the registry may know, under each live key."""
    asked = []
    for key, digests in enumerate(block.digests):
        rows = range(len(block.codes)) if sieve is None else sieve.hold_back(digests)
        asked += [(row, block.digest(row, key)) for row in rows]
    return [(row, digest) for row, digest in asked if digest != NO_DIGEST]
