"""Doing a file of consents and the like: chunk by chunk, each one short transaction.

The place to go on from is written with what was recorded, so that a process killed anywhere
leaves no row out; and what is recorded twice is the same record.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import (
    LINE_PROBLEMS,
    Names,
    NewAttempt,
    NewConsent,
    NewContract,
    NewProfile,
    Origin,
    Reading,
    code_of,
    record_attempts,
    record_contracts,
    record_profiles,
)
from app.files import (
    Field,
    Handler,
    JobFailed,
    Layout,
    Progress,
    Storage,
    Work,
    find_order,
    guess_columns,
    open_file,
    read_ahead,
    read_batches,
    read_start,
    release_file,
)
from app.parties import Directory
from app.platform.clock import now
from app.platform.db import undone
from app.platform.problems import Problem
from app.points import PointKeys

from .consents import Taken, take_consents
from .contact_rows import FIELDS, MOMENTS, POINTS, RecordChunk, RecordReader, RowDefaults
from .contact_trials import Trial
from .contact_voids import note_records
from .import_rows import Refused

CONTACTS = "contacts"
"""The kind of job."""
ROWS = 500
UNCHANGED = "unchanged"
_GUESSED = {
    Field.PHONE: "phone",
    Field.EMAIL: "email",
    Field.SIREN: "siren",
    Field.CUSTOMER: "customer",
    Field.REGION: "region",
}


def contacts_handler(storage: Storage, keys: PointKeys) -> Handler:
    """Make what does a job of kind ``contacts``."""

    async def do_contacts(work: Work) -> None:
        await _Doing(storage, keys, work).run()

    return do_contacts


class _Line(NamedTuple):
    """A row that could be read; ``new`` is the record, ``number`` and ``line`` the row's."""

    number: int
    line: int
    new: Any


class _Kept(NamedTuple):
    """What a row counts as, and the record that it brought if that can be taken back."""

    counts: list[str]
    record: UUID | None = None


class _Doing:
    """One file in one process."""

    def __init__(self, storage: Storage, keys: PointKeys, work: Work) -> None:
        self._storage = storage
        self._keys = keys
        self._work = work
        self._done = work.job.done_rows
        self._counts = Counter(
            {"recorded": 0, "unchanged": 0, "refused": 0, "objections": 0} | {**work.job.counts}
        )
        self._directory = Directory(work.database)
        self._trial = Trial()

    async def run(self) -> None:
        """Do what is left of it.

        Raises:
            JobFailed: its columns cannot be found.
        """
        job, database = self._work.job, self._work.database
        if job.upload is None:
            raise TypeError("a file of contacts has a file")
        stored = await self._storage.find(job.upload)
        with closing(open_file(self._storage, stored)) as source:
            reader, layout = await asyncio.to_thread(self._reader, source)
            after = 0 if job.resume is None else int(job.resume["number"])
            chunks = reader.chunks(read_batches(source, layout), after=after, most=ROWS)
            await read_ahead(lambda: next(chunks, None), lambda chunk: self._keep(chunk, reader))
        async with database.transaction() as session:
            await release_file(session, job.upload, at=now())
            await self._work.save(session, Progress(rows=self._done))

    def _reader(self, source: BinaryIO) -> tuple[RecordReader, Layout]:
        params, settings = self._work.job.params, self._work.database.settings
        layout, samples = read_start(source)
        if layout.header is None:
            raise JobFailed("no-header", "The first row must name the columns.")
        columns = _columns(params, layout.header, samples)
        dates = [
            row[columns[name]]
            for name in MOMENTS
            if name in columns
            for row in samples
            if columns[name] < len(row)
        ]
        defaults = RowDefaults(
            params["kind"],
            params["defaults"],
            params["region"],
            settings.time_zone,
            find_order(dates),
        )
        return RecordReader(layout.header, columns, defaults), layout

    async def _keep(self, chunk: RecordChunk, reader: RecordReader) -> None:
        at = now()
        models = [model for _, _, model in chunk.lines]
        parties = [slug for one in models for slug in one.named_parties]
        names = await Names.of(self._directory, [one.named_brand for one in models], parties)
        settings = self._work.database.settings
        region = self._work.job.params["region"]
        reading = Reading(names, region, at, settings.contact_attempts_days)
        good: list[_Line] = []
        refused = list(chunk.refused)
        for number, line, model in chunk.lines:
            try:
                good.append(_Line(number, line, self._trial.told(model.read(reading))))
            except LINE_PROBLEMS as problem:
                refused.append(_refused(reader, number, line, problem))
        async with self._work.database.transaction() as session:
            done = await self._record(session, [one.new for one in good], at)
            for one, kept in zip(good, done, strict=True):
                if isinstance(kept, Problem):
                    refused.append(_refused(reader, one.number, one.line, kept))
                else:
                    self._counts.update(kept.counts)
            await keep_refusals(session, self._work.job.id, refused)
            self._done += chunk.rows
            self._counts["refused"] += len(refused)
            counts = dict(self._counts)
            step = Progress(done_rows=self._done, counts=counts, resume={"number": chunk.number})
            await self._work.save(session, step)

    async def _record(
        self, session: AsyncSession, news: Sequence[Any], at: datetime
    ) -> list[_Kept | Problem]:
        """Record rows, or find out what would become of them."""
        params = self._work.job.params
        origin = Origin(self._work.job.key, params["channel"], at)
        if not params.get("dry_run"):
            done = await _record(session, self._keys, news, origin)
            records = [one.record for one in done if isinstance(one, _Kept) and one.record]
            await note_records(session, self._work.job.id, records)
            return done
        async with undone(session):
            done = await _record(session, self._keys, news, origin)
        return [
            kept if isinstance(kept, Problem) or is_new else _Kept([UNCHANGED, *kept.counts[1:]])
            for kept, is_new in zip(done, self._trial.are_new(news), strict=True)
        ]


def _columns(
    params: Mapping[str, Any], header: Sequence[str], samples: Sequence[Sequence[str]]
) -> dict[str, int]:
    """Find the columns: those that are mapped, those named as fields are, and contact points.

    Raises:
        JobFailed: the mapping does not fit, or no column holds contact points.
    """
    known = {*FIELDS[params["kind"]], *POINTS, "region"}
    plain = ["_".join(name.lower().split()) for name in header]
    columns = {name: plain.index(name) for name in known if name in plain}
    for field, places in guess_columns(header, samples).items():
        if field in _GUESSED and places[0] not in columns.values():
            columns.setdefault(_GUESSED[field], places[0])
    for name, said in (params["mapping"] or {}).items():
        if name not in header or said not in known:
            raise JobFailed("bad-mapping", "The mapping names a column or a field there is not.")
        columns[said] = header.index(name)
    if not any(name in columns for name in POINTS):
        raise JobFailed(
            "no-contact-points", "No column holds contact points; name one in the mapping."
        )
    return columns


def _refused(reader: RecordReader, number: int, line: int, problem: Problem) -> Refused:
    pointer = problem.errors[0].pointer if problem.errors else ""
    return reader.refusal(number, line, reader.field_of(pointer), {}, code_of(problem))


async def _record(
    session: AsyncSession, keys: PointKeys, news: Sequence[Any], origin: Origin
) -> list[_Kept | Problem]:
    """Record rows of one kind: of each what became of it, or why it is refused."""
    if not news:
        return []
    match news[0]:
        case NewConsent():
            taken = await take_consents(session, keys, news, origin)
            return [_of_consent(one) if isinstance(one, Taken) else one for one in taken]
        case NewContract():
            kept = await record_contracts(session, keys, news, origin)
            return [_kept(one.id, fresh=one.fresh) for one in kept]
        case NewAttempt():
            fresh = await record_attempts(session, keys, news, origin)
        case NewProfile():
            fresh = await record_profiles(session, keys, news, origin)
        case _:
            raise TypeError("no such record")
    return [_kept(None, fresh=one) for one in fresh]


def _of_consent(taken: Taken) -> _Kept:
    kept = _kept(taken.id, fresh=taken.fresh)
    return kept._replace(counts=[*kept.counts, *["objections"] * taken.objection_stands])


def _kept(record: UUID | None, *, fresh: bool) -> _Kept:
    return _Kept(["recorded"], record) if fresh else _Kept([UNCHANGED])


async def keep_refusals(session: AsyncSession, job: UUID, rows: Sequence[Refused]) -> None:
    """Keep which rows were refused, and why."""
    if not rows:
        return
    await session.execute(
        text("""
            INSERT INTO contact_refusals (job, number, line, "column", value, reason)
            SELECT :job, g.* FROM unnest(
                CAST(:numbers AS int8[]), CAST(:lines AS int8[]), CAST(:columns AS text[]),
                CAST(:values AS text[]), CAST(:reasons AS text[])) AS g
        """),
        {
            "job": job,
            "numbers": [row.number for row in rows],
            "lines": [row.line for row in rows],
            "columns": [row.column for row in rows],
            "values": [row.value for row in rows],
            "reasons": [row.reason for row in rows],
        },
    )


async def read_refusals(session: AsyncSession, job: UUID, after: int, most: int) -> list[Refused]:
    """Read refused rows in the order of the file, from the one after number ``after``."""
    rows = await session.execute(
        text("""
            SELECT number, line, "column", value, reason FROM contact_refusals
            WHERE job = :job AND number > :after ORDER BY number LIMIT :most
        """),
        {"job": job, "after": after, "most": most},
    )
    return [Refused(*row) for row in rows]
