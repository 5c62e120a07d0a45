"""The routes of files of consents, contracts, attempts and profiles."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from app.files import (
    BadFile,
    Job,
    JobState,
    NewJob,
    TheStorage,
    TooManyJobs,
    UploadTooSlow,
    add_job,
    find_job,
    keep_file,
    taken_file,
)
from app.parties import Caller, note, requires
from app.platform.clock import now
from app.platform.db import ReadSession, Session, database_of
from app.platform.idempotency import Once
from app.platform.ids import new_id
from app.platform.openapi import responses, takes_file
from app.platform.refusals import NotFound
from app.platform.strict_json import read_field
from app.platform.web import FileRoute, read_fields, router
from app.platform.wire import Answer, Flag, Instant, WireModel, text
from app.points import DefaultRegion

from .contact_imports import CONTACTS, read_refusals
from .contact_rows import FIELDS, POINTS, RecordKind
from .contact_voids import CONTACTS_VOID, NotVoidable, begin_contact_void, find_contact_void
from .import_models import as_text, read_flag
from .imports_api import refused_file
from .models import VoidIn

_IMPORTS = "/v1/contact-imports"
files = router(_IMPORTS, "contacts", route_class=FileRoute)
imports = router(_IMPORTS, "contacts")
ROUTERS = (files, imports)

Writer = Annotated[Caller, requires("contacts:write")]
Admin = Annotated[Caller, requires("admin")]

Flat = dict[Annotated[str, text(200)], Annotated[str, text(20_000)]]


class ContactImportIn(WireModel):
    """What a file holds, and what holds for all its rows."""

    kind: RecordKind
    defaults: Annotated[
        Flat | None,
        Field(max_length=40),
        BeforeValidator(read_field),
        as_text(
            'JSON, a field to what holds where a row says nothing: {"brand": "acme", '
            '"wording_sha256": "…"}'
        ),
    ] = None
    mapping: Annotated[
        Flat | None,
        Field(max_length=50),
        BeforeValidator(read_field),
        as_text(
            'JSON, the name of a column to the field that it holds: {"Tél": "phone"}. Columns '
            "that are named as fields, and contact points, are found without"
        ),
    ] = None
    region: Annotated[
        str | None,
        Field(pattern="^[A-Z]{2}$", description="Of phones in national form"),
    ] = None
    dry_run: Annotated[Flag, BeforeValidator(read_flag)] = Field(
        default=False, description="Count what would happen, and record nothing"
    )

    @model_validator(mode="after")
    def _names_fields(self) -> Self:
        known = {*FIELDS[self.kind], *POINTS, "region"}
        said = {*(self.defaults or {}), *(self.mapping or {}).values()}
        if not said <= known:
            raise ValueError("the fields of this kind are " + ", ".join(sorted(known)))
        return self


class ContactImportCounts(Answer):
    """What became of the rows so far; recorded, unchanged and refused add up to `done_rows`."""

    recorded: int
    unchanged: int
    refused: int
    objections: int = Field(description="Consents of people whose objection stands all the same")


class ContactVoidOut(Answer):
    """That a file was taken back, and how far that is."""

    voided_at: Instant
    reason: str
    state: JobState
    done_records: int


class ContactImportOut(Answer):
    """A file of consents and the like, and how far it is."""

    id: UUID
    kind: RecordKind
    dry_run: bool
    state: JobState
    rows: int | None
    done_rows: int
    counts: ContactImportCounts
    error: str | None
    detail: str | None
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    void: ContactVoidOut | None

    @classmethod
    async def of(cls, job: Job, session: AsyncSession) -> Self:
        """Show it, with the job of its void."""
        counts = {name: job.counts.get(name, 0) for name in ContactImportCounts.model_fields}
        return cls(
            id=job.id,
            kind=job.params["kind"],
            dry_run=bool(job.params.get("dry_run")),
            state=job.state,
            rows=job.rows,
            done_rows=job.done_rows,
            counts=ContactImportCounts(**counts),
            error=job.error,
            detail=job.detail,
            created_at=job.created_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            void=await _void_of(session, job),
        )


async def _void_of(session: AsyncSession, job: Job) -> ContactVoidOut | None:
    found = await find_contact_void(session, job.id)
    if found is None:
        return None
    void = await find_job(session, found.void, kind=CONTACTS_VOID)
    if void is None:
        raise LookupError(f"no job of the void of {job.id}")
    return ContactVoidOut(
        voided_at=found.voided_at,
        reason=found.reason,
        state=void.state,
        done_records=void.done_rows,
    )


@files.post(
    "",
    status_code=202,
    openapi_extra=takes_file(ContactImportIn),
    responses=responses(BadFile, UploadTooSlow, TooManyJobs),
)
async def begin_contact_import(
    request: Request,
    caller: Writer,
    storage: TheStorage,
    region: DefaultRegion,
    session: Session,
    once: Once,
) -> ContactImportOut:
    """Record the consents, contracts, attempts or profiles of a file, one a row.

    Each row is read as if it were sent alone; one that is no good is refused whole and listed, and
    the same file again changes nothing. A consent of somebody who objected is counted as an
    objection that stands: no file lifts one.
    """
    most = None if caller.is_admin else storage.database.settings.key_jobs
    async with taken_file(request, storage, key=caller.key, most=most) as upload:
        said = read_fields(ContactImportIn, upload.fields, upload.place)
        stand_in: dict[str, Any] = {
            **upload.fields,
            "sha256": (upload.file.sha256 or b"").hex(),
        }
        await once.replay(by=caller.key, stand_in=stand_in)
        params = {
            "kind": said.kind,
            "defaults": said.defaults or {},
            "mapping": said.mapping,
            "region": said.region or region,
            "channel": caller.channel,
            "dry_run": said.dry_run,
        }
        new = NewJob(new_id(), CONTACTS, caller.key, params, upload.file.id, now())
        job = await add_job(session, new, most=most)
        # Last: it locks the file, which a refusal after it would wait for, to let it go.
        await keep_file(session, upload.file.id, until=None)
        answer = await ContactImportOut.of(job, session)
        return await once.remember(answer, status=202, location=f"{_IMPORTS}/{job.id}")


@imports.get("/{id}")
async def read_contact_import(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Writer,
    session: ReadSession,
) -> ContactImportOut:
    """Tell how far a file is, and what became of its rows."""
    return await ContactImportOut.of(await _own(session, id, caller), session)


async def _own(session: AsyncSession, number: UUID, caller: Caller) -> Job:
    """Find a job: of the key itself, or any for a key that is bound to no channel."""
    job = await find_job(session, number, kind=CONTACTS)
    if job is None or caller.channel not in (None, job.params["channel"]):
        raise NotFound("There is no such import.")
    return job


@imports.get(
    "/{id}/refused",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def read_refused_contacts(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    caller: Writer,
    session: ReadSession,
) -> StreamingResponse:
    """Tell the rows that were refused, as CSV: line, column, value, reason; the values masked.

    They are kept for 90 days, unless the registry's operators chose otherwise; their count stays.
    """
    job = await _own(session, id, caller)
    return refused_file(database_of(request), job.id, read_refusals)


@imports.post("/{id}/void", status_code=202, responses=responses(NotVoidable))
async def void_contact_import(
    id: UUID,  # noqa: A002 - the name in the address
    body: VoidIn,
    caller: Admin,
    session: Session,
    once: Once,
) -> ContactImportOut:
    """Take back a file of consents or contracts that was a mistake, the whole file.

    Nothing that it was the first to say permits a contact any more, one chunk after the other: its
    consents stay on record as voided, its contracts go. What others said too must be sent again.
    A file under way goes no further. To take it back again changes nothing.
    """
    await once.replay(by=caller.key)
    at = now()
    job = await _own(session, id, caller)
    begun = await begin_contact_void(
        session, job, by=caller.actor, reason=body.reason, key=caller.key, at=at
    )
    if begun:
        await note(session, caller.actor, "contact-import.voided", f"contact-import:{id}", at)
    session.expire_all()
    shown = await ContactImportOut.of(await _own(session, id, caller), session)
    return await once.remember(shown, status=202)
