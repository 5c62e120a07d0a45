"""Imports: files of opt-outs, each one record with its lines, kept after the file is gone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.files import JOB_STATES, Job, JobState, NewJob, add_job, jobs_in, keep_file
from app.journal import Media, Reason
from app.platform.ids import least_id
from app.platform.refusals import NotFound
from app.platform.resealing import Sealed
from app.platform.vault import Vault

from .import_rows import Refused
from .tables import ImportRefusal, ImportRow

IMPORT = "import"
"""The kind of job."""
ImportState = JobState | Literal["voided"]
IMPORT_STATES: tuple[ImportState, ...] = (*JOB_STATES, "voided")


@dataclass(frozen=True, slots=True)
class Import:
    """A file of opt-outs as it was sent; ``brand`` 0 is every brand.

    ``media`` and ``reason`` are None where they were not given; ``dated`` says that
    ``occurred_at`` was. ``mapping`` names the field of each column, None where they are to be
    guessed; ``layout`` is what the file was read as.
    """

    id: UUID
    recorded_at: datetime
    occurred_at: datetime
    dated: bool
    key: int
    channel: int
    brand: int
    media: Media | None
    reason: Reason | None
    region: str
    mapping: Mapping[str, str] | None
    dry_run: bool
    sha256: bytes
    size: int
    filename: str | None = None
    layout: Mapping[str, Any] | None = None
    position: int | None = None
    voided_at: datetime | None = None
    voided_by: str | None = None
    void_reason: str | None = None
    void_job: UUID | None = None


async def keep_import(session: AsyncSession, vault: Vault, new: Import) -> None:
    """Keep what was sent, and with which defaults; the file's name sealed."""
    filename = new.filename and vault.seal(new.filename.encode(), _context(new.id))
    await session.execute(
        insert(ImportRow).values(
            id=new.id,
            recorded_at=new.recorded_at,
            occurred_at=new.occurred_at,
            dated=new.dated,
            key=new.key,
            channel=new.channel,
            brand=new.brand,
            media=new.media or 0,
            reason=new.reason or 0,
            region=new.region,
            mapping=None if new.mapping is None else dict(new.mapping),
            dry_run=new.dry_run,
            sha256=new.sha256,
            size=new.size,
            filename=filename or None,
        )
    )


async def queue_import(
    session: AsyncSession, vault: Vault, new: Import, *, upload: UUID, key: int, most: int | None
) -> Job:
    """Keep what was sent, and queue its job; the file is deleted when that ends.

    Raises:
        TooManyJobs: the key has ``most`` under way.
    """
    await keep_import(session, vault, new)
    job = await add_job(
        session, NewJob(new.id, IMPORT, key, {}, upload, new.recorded_at), most=most
    )
    # Last: it locks the file, which a refusal after it would wait for, to let it go.
    await keep_file(session, upload, until=None)
    return job


async def find_import(
    session: AsyncSession, vault: Vault, number: UUID, *, channel: int | None, lock: bool = False
) -> Import:
    """Find an import, if ``channel`` is None or sent it.

    Raises:
        NotFound: there is none, or another channel's.
    """
    row = await session.get(ImportRow, number, with_for_update=lock or None)
    if row is None or channel not in (None, row.channel):
        raise NotFound("There is no such import.")
    return _import(row, vault)


async def find_import_times(
    session: AsyncSession, imports: Collection[UUID]
) -> dict[UUID, datetime]:
    """Tell when some imports were recorded; other ids are left out."""
    rows = await session.execute(
        select(ImportRow.id, ImportRow.recorded_at).where(ImportRow.id.in_(imports))
    )
    return {row.id: row.recorded_at for row in rows}


async def list_imports(
    session: AsyncSession,
    vault: Vault,
    *,
    channel: int | None,
    before: UUID | None,
    limit: int,
    state: ImportState | None = None,
) -> list[Import]:
    """List imports, the latest first, of one channel or of all, in one state or in any.

    One that was voided is in no other state.
    """
    query = select(ImportRow).order_by(ImportRow.id.desc()).limit(limit)
    if channel is not None:
        query = query.where(ImportRow.channel == channel)
    if before is not None:
        query = query.where(ImportRow.id < before)
    if state == "voided":
        query = query.where(ImportRow.voided_at.is_not(None))
    elif state is not None:
        query = query.where(ImportRow.voided_at.is_(None), ImportRow.id.in_(jobs_in(IMPORT, state)))
    return [_import(row, vault) for row in await session.scalars(query)]


_HOLD = text("""
SELECT voided_at, ARRAY(
    SELECT o.id FROM imports o
    WHERE o.channel = i.channel AND o.sha256 = i.sha256 AND o.voided_at IS NULL
) AS same
FROM imports i WHERE id = :id FOR UPDATE OF i
""")


async def hold_import(session: AsyncSession, number: UUID) -> frozenset[UUID] | None:
    """Lock an import for a step of its job, so that no void comes between; None if one came.

    Returns:
        The imports of the very same file by the same channel that are not voided, itself too.
    """
    row = (await session.execute(_HOLD, {"id": number})).one()
    return None if row.voided_at is not None else frozenset(row.same)


TELL = """
, placed AS (
    UPDATE imports SET position = (SELECT max(position) FROM written)
    WHERE id = CAST(:import AS uuid)
)"""
"""A step of ``journal.append``: the position of the last entry that the import wrote."""


async def note_layout(session: AsyncSession, number: UUID, layout: Mapping[str, Any]) -> None:
    """Write down what a file was read as, and its columns."""
    await session.execute(
        update(ImportRow)
        .where(ImportRow.id == number)
        .values(layout=dict(layout))
        .execution_options(synchronize_session=False)
    )


async def keep_refused(session: AsyncSession, number: UUID, rows: Sequence[Refused]) -> None:
    """Keep which rows were refused, and why; what stood there only masked."""
    if rows:
        await session.execute(
            insert(ImportRefusal),
            [{"import_id": number, **row._asdict()} for row in rows],
        )


async def read_refused(session: AsyncSession, number: UUID, after: int, most: int) -> list[Refused]:
    """Read refused rows in the order of the file, from the one after number ``after``."""
    rows = await session.scalars(
        select(ImportRefusal)
        .where(ImportRefusal.import_id == number, ImportRefusal.number > after)
        .order_by(ImportRefusal.number)
        .limit(most)
    )
    return [Refused(row.number, row.line, row.column, row.value, row.reason) for row in rows]


_FORGET_REFUSED = text("""
WITH of_opt_outs AS (
    DELETE FROM import_refusals WHERE (import, number) IN (
        SELECT import, number FROM import_refusals WHERE import < :before
        ORDER BY import, number LIMIT :most
    ) RETURNING 1
), of_contacts AS (
    DELETE FROM contact_refusals WHERE (job, number) IN (
        SELECT job, number FROM contact_refusals WHERE job < :before
        ORDER BY job, number LIMIT :most
    ) RETURNING 1
)
SELECT (SELECT count(*) FROM of_opt_outs) + (SELECT count(*) FROM of_contacts)
""")


async def forget_refused(session: AsyncSession, *, before: datetime, most: int = 10_000) -> int:
    """Delete the rows that the oldest files refused, at most so many of each kind; tells how many.

    That they were refused, and how many, stays with the file.
    """
    values = {"before": least_id(before), "most": most}
    return int(await session.scalar(_FORGET_REFUSED, values) or 0)


def _context(number: UUID) -> bytes:
    return b"imports.filename " + number.bytes


def _import(row: ImportRow, vault: Vault) -> Import:
    found = Import(
        row.id,
        row.recorded_at,
        row.occurred_at,
        row.dated,
        row.key,
        row.channel,
        row.brand,
        Media(row.media) or None,
        Reason(row.reason) if row.reason else None,
        row.region,
        row.mapping,
        row.dry_run,
        row.sha256,
        row.size,
        layout=row.layout,
        position=row.position,
        voided_at=row.voided_at,
        voided_by=row.voided_by,
        void_reason=row.void_reason,
        void_job=row.void_job,
    )
    if row.filename is None:
        return found
    return replace(found, filename=vault.unseal(row.filename, _context(row.id)).decode())


SEALED = (Sealed("imports", "filename", ("id",), lambda row: _context(row.id)),)
"""The columns of this room that are sealed."""
