"""Doing an import: the rows of its file, chunk by chunk, each chunk one short transaction.

While PostgreSQL writes one chunk, a thread reads, normalises, digests and seals the next. Nothing
is done but under the import's own lock, which a void takes too; and the place to go on from is
written with what was done, so that a process killed anywhere leaves no row out and lays none
twice.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import closing
from typing import BinaryIO, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import Withdrawing, keep_withdrawals
from app.files import (
    BadMapping,
    Columns,
    DateOrder,
    Field,
    Handler,
    JobFailed,
    Layout,
    Progress,
    Storage,
    Work,
    find_order,
    guess_columns,
    map_columns,
    open_file,
    read_ahead,
    read_batches,
    read_start,
    release_file,
    shown_name,
)
from app.parties import list_brands
from app.platform.clock import now
from app.points import (
    Claimed,
    Point,
    PointKeys,
    Prepared,
    claim_many,
    find_many,
    prepare_points,
    reseal,
)
from app.registry import Listed, Plan, Source, lay_planned, plan

from .import_rows import FIELDS, Chunk, Defaults, RowReader
from .imports import TELL, Import, find_import, hold_import, keep_refused, note_layout

ROWS = 500
"""Rows of a chunk: what holds the head of the journal, and with it everybody's opt-outs."""
_CONTACTS = (Field.PHONE, Field.EMAIL, Field.SIREN, Field.CUSTOMER)
_REMEMBERED = 500_000
"""Rows of a dry run by which a later one is known to be the same: 50 MB at most."""


def import_handler(storage: Storage, keys: PointKeys) -> Handler:
    """Make what does a job of kind ``import``."""

    async def do_import(work: Work) -> None:
        await _Doing(storage, keys, work).run()

    return do_import


class Ready(NamedTuple):
    """A chunk with all that takes the processor's time done."""

    chunk: Chunk
    prepared: list[Prepared]

    @classmethod
    def of(cls, keys: PointKeys, chunk: Chunk) -> "Ready":
        """Digest and seal the contact points of a chunk."""
        return cls(chunk, prepare_points(keys, [row.identifier for row in chunk.asked]))


class _Look(NamedTuple):
    """What a file looks like; ``order`` is how it writes dates."""

    layout: Layout
    columns: Columns
    order: DateOrder | None


class _Doing:
    """One import in one process."""

    def __init__(self, storage: Storage, keys: PointKeys, work: Work) -> None:
        self._storage = storage
        self._keys = keys
        self._work = work
        self._number = work.job.id
        self._done = work.job.done_rows
        self._counts = Counter({"recorded": 0, "unchanged": 0, "refused": 0} | {**work.job.counts})
        self._seen: set[int] = set()

    async def run(self) -> None:
        """Do what is left of it.

        Raises:
            JobFailed: its columns cannot be found, or it was voided meanwhile.
        """
        job, database = self._work.job, self._work.database
        if job.upload is None:
            raise TypeError("an import has a file")
        async with database.reading() as session:
            one = await find_import(session, self._keys.vault, self._number, channel=None)
            brands = await list_brands(session, limit=32_767)
        stored = await self._storage.find(job.upload)
        with closing(open_file(self._storage, stored)) as source:
            look = await asyncio.to_thread(_look, source, one)
            await self._note(look)
            defaults = Defaults(
                one.brand,
                one.media,
                one.reason,
                one.region,
                one.occurred_at,
                one.recorded_at,
                one.dated,
                guessed=one.mapping is None,
                zone=database.settings.time_zone,
                order=look.order,
                brands={brand.slug: brand.id for brand in brands},
            )
            reader = RowReader(look.layout.header, look.columns, defaults)
            after = 0 if job.resume is None else int(job.resume["number"])
            chunks = reader.chunks(read_batches(source, look.layout), after=after, most=ROWS)
            await self._each(chunks, one, source)
        async with database.transaction() as session:
            await release_file(session, job.upload, at=now())
            await self._work.save(session, Progress(rows=self._done))

    async def _note(self, look: "_Look") -> None:
        layout, names = look.layout, look.layout.header or ()
        mapping = {
            shown_name(names[place]) if place < len(names) else str(place + 1): field.value
            for field, places in look.columns.items()
            if field in FIELDS
            for place in places
        }
        said = {
            "format": layout.format,
            "packed": layout.packed,
            "encoding": layout.encoding,
            "delimiter": layout.delimiter,
            "known": layout.known,
        }
        async with self._work.database.transaction() as session:
            await note_layout(session, self._number, said | {"columns": mapping})

    async def _each(self, chunks: Iterator[Chunk], one: Import, source: BinaryIO) -> None:
        def prepare() -> Ready | None:
            chunk = next(chunks, None)
            if chunk is None:
                return None
            chunk.read = source.tell()
            return Ready.of(self._keys, chunk)

        lay = self._try if one.dry_run else self._lay
        await read_ahead(prepare, lambda ready: lay(ready, one))

    async def _lay(self, ready: Ready, one: Import) -> None:
        async def save(session: AsyncSession, planned: Plan) -> None:
            await self._work.save(session, self._progress(ready.chunk, planned))

        async with self._work.database.transaction() as session:
            await lay_chunk(session, self._keys, one, ready, save)

    async def _try(self, ready: Ready, one: Import) -> None:
        """Count what laying a chunk would do."""
        digests = [each.digest for each in ready.prepared]
        async with self._work.database.reading() as session:
            found = await find_many(session, digests)
            unknown = {
                each.digest: Point(-n, each.identifier.kind, each.digest)
                for n, each in enumerate(ready.prepared, start=1)
            }
            claimed = Claimed({**unknown, **found.points}, found.known, found.erased)
            source = Source(one.id, one.channel, now(), frozenset({one.id}))
            fresh = [row for row in _listed(ready, claimed) if self._is_new(row)]
            planned = await plan(session, source, fresh, claimed.known)
        async with self._work.database.transaction() as session:
            await keep_refused(session, one.id, ready.chunk.refused)
            await self._work.save(session, self._progress(ready.chunk, planned))

    def _is_new(self, row: Listed) -> bool:
        key = hash((row.point.digest, row.brand, row.media, row.reason))
        if key in self._seen:
            return False
        if len(self._seen) < _REMEMBERED:
            self._seen.add(key)
        return True

    def _progress(self, chunk: Chunk, planned: Plan) -> Progress:
        self._done += chunk.rows
        recorded, refused = len(planned.recorded), len(chunk.refused)
        self._counts["recorded"] += recorded
        self._counts["refused"] += refused
        self._counts["unchanged"] += chunk.rows - recorded - refused
        return Progress(
            done_rows=self._done,
            counts=dict(self._counts),
            resume={"number": chunk.number, "read": chunk.read},
        )


async def lay_chunk(
    session: AsyncSession,
    keys: PointKeys,
    one: Import,
    ready: Ready,
    save: Callable[[AsyncSession, Plan], Awaitable[None]],
) -> None:
    """Lay the grounds of some rows and tell of them; the append is the last statement.

    ``save`` writes down how far the import is, in the same transaction.

    Raises:
        JobFailed: the import was voided meanwhile.
    """
    same = await hold_import(session, one.id)
    if same is None:
        raise JobFailed("voided", "The import was voided before it was done.")
    claimed = await claim_many(session, keys, ready.prepared)
    source = Source(one.id, one.channel, now(), same)
    planned = await plan(session, source, _listed(ready, claimed), claimed.known)
    back = planned.points & claimed.erased
    if back:
        await reseal(session, _sealed(ready, claimed, back))
    await keep_refused(session, one.id, ready.chunk.refused)
    await save(session, planned)
    await keep_withdrawals(session, one.id, _withdrawn(planned))
    await lay_planned(session, source, planned, then=TELL, parameters={"import": one.id})


def _withdrawn(planned: Plan) -> list[Withdrawing]:
    return [
        Withdrawing(row.point.id, row.brand, row.media, row.reason, row.occurred_at)
        for row in planned.listed
    ]


def _look(source: BinaryIO, one: Import) -> _Look:
    """Find out what a file looks like, and which columns hold what.

    Raises:
        JobFailed: the mapping does not fit, or no column holds contact points.
    """
    layout, samples = read_start(source)
    if one.mapping is None:
        columns = guess_columns(layout.header, samples)
        if not _holds_contacts(columns):
            # Of few rows, one that is no good must not speak against a column's name.
            columns = guess_columns(layout.header, [])
    else:
        try:
            columns = map_columns(layout.header, max(map(len, samples), default=0), one.mapping)
        except BadMapping as bad:
            faults = "; ".join(f"{error.pointer}: {error.detail}" for error in bad.errors)
            raise JobFailed(bad.type, f"{bad.detail} {faults}") from None
    if not _holds_contacts(columns):
        raise JobFailed(
            "no-contact-points", "No column holds contact points; name one in the mapping."
        )
    dates = [
        row[at] for at in columns.get(Field.OCCURRED_AT, ()) for row in samples if at < len(row)
    ]
    return _Look(layout, columns, find_order(dates))


def _holds_contacts(columns: Columns) -> bool:
    return any(field in columns for field in _CONTACTS)


def _listed(ready: Ready, claimed: Claimed) -> list[Listed]:
    return [
        Listed(
            row.line,
            claimed.points[each.digest],
            row.brand,
            row.media,
            row.reason,
            row.occurred_at,
            row.dated,
        )
        for row, each in zip(ready.chunk.asked, ready.prepared, strict=True)
    ]


def _sealed(ready: Ready, claimed: Claimed, back: Collection[int]) -> dict[int, bytes]:
    points = ((claimed.points[each.digest].id, each.sealed) for each in ready.prepared)
    return {point: sealed for point, sealed in points if point in back}
