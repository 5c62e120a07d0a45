"""Taking back a file of consents or contracts that was a mistake: nothing it brought may permit.

At once on the record, then chunk by chunk in a job, as a file of opt-outs is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import void_consents, void_contracts
from app.files import Handler, Job, NewJob, Progress, Work, add_job, cancel_job
from app.platform.ids import new_id
from app.platform.problems import Problem

CONTACTS_VOID = "contacts-void"
"""The kind of job."""
RECORDS = 500
"""Records of a chunk."""
_FIRST = str(UUID(int=0))


class NotVoidable(Problem):
    """Attempts count for some weeks and only limit; of profiles the next one takes the place."""

    type = "not-voidable"
    title = "Such a file cannot be taken back"
    status = 409


@dataclass(frozen=True, slots=True)
class ContactVoid:
    """That a file was a mistake, and the job that takes it back."""

    void: UUID
    voided_at: datetime
    voided_by: str
    reason: str


async def note_records(session: AsyncSession, job: UUID, records: Collection[UUID]) -> None:
    """Note which records a file brought."""
    if records:
        await session.execute(
            text("""
                INSERT INTO contact_import_records (job, record)
                SELECT :job, unnest(CAST(:records AS uuid[])) ON CONFLICT DO NOTHING
            """),
            {"job": job, "records": list(records)},
        )


async def find_contact_void(session: AsyncSession, job: UUID) -> ContactVoid | None:
    """Find out whether a file was taken back."""
    rows = await session.execute(
        text("""
            SELECT void, voided_at, voided_by, reason FROM contact_import_voids WHERE job = :job
        """),
        {"job": job},
    )
    row = rows.one_or_none()
    return None if row is None else ContactVoid(*row)


async def begin_contact_void(
    session: AsyncSession, job: Job, *, by: str, reason: str, key: int, at: datetime
) -> bool:
    """Mark a file as a mistake and queue the job that takes it back: whether it was not one yet.

    If the file is being recorded, that goes no further: its job is ended, whose row each chunk
    locks before it is committed.

    Raises:
        NotVoidable: it is a file of attempts or profiles.
    """
    if job.params["kind"] not in ("consents", "contracts"):
        raise NotVoidable("Only files of consents and of contracts are taken back.")
    await session.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job.id})
    if await find_contact_void(session, job.id) is not None:
        return False
    if job.state in ("queued", "running"):
        await cancel_job(session, job, at=at)
    params = {"import": str(job.id), "kind": job.params["kind"]}
    void = NewJob(new_id(), CONTACTS_VOID, key, params, None, at)
    await add_job(session, void, most=None)
    await session.execute(
        text("""
            INSERT INTO contact_import_voids (job, void, voided_at, voided_by, reason)
            VALUES (:job, :void, :at, :by, :reason)
        """),
        {"job": job.id, "void": void.id, "at": at, "by": by, "reason": reason},
    )
    return True


def contacts_void_handler() -> Handler:
    """Make what does a job of kind ``contacts-void``."""

    async def do_void(work: Work) -> None:
        params = work.job.params
        after = UUID((work.job.resume or {}).get("record", _FIRST))
        done = work.job.done_rows
        while True:
            async with work.database.transaction() as session:
                given = {"job": UUID(params["import"]), "after": after, "most": RECORDS}
                records = (await session.scalars(_NEXT, given)).all()
                if not records:
                    await work.save(session, Progress(rows=done))
                    return
                void = void_consents if params["kind"] == "consents" else void_contracts
                await void(session, records)
                done, after = done + len(records), records[-1]
                await work.save(session, Progress(done_rows=done, resume={"record": str(after)}))

    return do_void


_NEXT = text("""
SELECT record FROM contact_import_records
WHERE job = :job AND record > CAST(:after AS uuid) ORDER BY record LIMIT :most
""")
