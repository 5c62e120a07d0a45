"""The routes of scrubs: a campaign's file in, the same rows with an answer each out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from app.files import (
    BadFile,
    FileGone,
    Job,
    JobState,
    Storage,
    StoredFile,
    TooManyJobs,
    Upload,
    UploadTooSlow,
    read_file,
    taken_file,
)
from app.journal import MediumWord
from app.parties import (
    Caller,
    Directory,
    TheDirectory,
    ThePurpose,
    TheReads,
    UnknownBrand,
    note,
    requires,
)
from app.platform.clock import now
from app.platform.db import ReadSession, Session
from app.platform.idempotency import Once
from app.platform.ids import new_id
from app.platform.openapi import LOCATION, responses, takes_file
from app.platform.refusals import NotFound
from app.platform.web import FileRoute, read_fields, router
from app.platform.wire import Answer, Instant, Slug, WireModel, text
from app.points import UnusableIdentifier

from .models import Region
from .scrubs import (
    Keep,
    Scrub,
    ScrubGone,
    ScrubUnfinished,
    cancel_scrub,
    find_scrub,
    queue_scrub,
    release_scrub,
    require_result,
)
from .terms import CampaignIn, CampaignText

files = router("/v1/scrubs", "scrubs", route_class=FileRoute)
scrubs = router("/v1/scrubs", "scrubs")
ROUTERS = (files, scrubs)

Checker = Annotated[Caller, requires("checks")]


class ScrubIn(WireModel):
    """What is asked about the rows of a file."""

    medium: MediumWord
    brand: Slug | None = Field(None, description="Left out: block if any brand is suppressed")
    region: Region = None
    column: Annotated[str, text(200)] | None = Field(
        None, description="Name of the column to ask about, or its number from 1; else guessed"
    )
    keep: Keep = Field("all", description="`allowed`: the result holds the allowed rows alone")
    campaign: CampaignText = None

    async def scrub(
        self,
        directory: Directory,
        *,
        region: str,
        at: datetime,
        pointer: Callable[[str], str] = "/{}".format,
    ) -> Scrub:
        """Say it as the rules do; ``pointer`` says where a field stands.

        Raises:
            UnknownBrand: it names a brand that there is not.
            UnusableIdentifier: the campaign's number is none.
        """
        brand = None if self.brand is None else await directory.brand(self.brand, pointer("brand"))
        region = self.region or region
        return Scrub(
            medium=self.medium,
            brand=brand,
            region=region,
            column=self.column,
            keep=self.keep,
            began_at=at,
            terms=(self.campaign or CampaignIn()).terms(
                brand, region=region, pointer=pointer("campaign")
            ),
        )


class ScrubCountsOut(Answer):
    """How many rows were answered how; those of `duplicate` are counted there as well."""

    allow: int
    block: int
    unusable: int
    duplicate: int = Field(description="Rows whose contact point stood in an earlier one")


class LawfulScrubCountsOut(ScrubCountsOut):
    """How many rows were answered how, where the law was asked too."""

    defer: int
    review: int


class ErrorOut(Answer):
    """Why a job failed."""

    code: str
    detail: str


class ScrubOut(Answer):
    """A scrub, and how far it is."""

    id: UUID
    state: JobState
    refreshes: UUID | None = Field(description="The scrub whose changed rows this one gives")
    medium: MediumWord
    brand: Slug | None
    region: str
    column: str | None
    keep: Literal["all", "allowed"]
    rows: int | None = Field(description="Rows of the file, null until all were read")
    done_rows: int
    position: int | None = Field(description="The journal position that every answer is as of")
    counts: LawfulScrubCountsOut | ScrubCountsOut | None = Field(
        description="Without `duplicate` they add up to the rows; of a refresh, to those that "
        "were decided otherwise before"
    )
    error: ErrorOut | None
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None


_REFUSALS = responses(BadFile, UploadTooSlow, TooManyJobs, UnknownBrand, UnusableIdentifier)


@files.post("", status_code=202, openapi_extra=takes_file(ScrubIn), responses=_REFUSALS)
async def scrub_file(
    request: Request,
    caller: Checker,
    directory: TheDirectory,
    purpose: ThePurpose,
    session: Session,
    once: Once,
) -> ScrubOut:
    """Ask about every row of a file before a campaign: a form with a part `file`, or the file.

    CSV of any usual dialect and encoding, one contact point a line, NDJSON or XLSX, as they are
    or packed with gzip or zip. A row that cannot be understood is answered `block`, `unusable`.
    What is sent and what comes out is kept sealed, an hour after the download, a day at most.
    """
    storage = _storage_of(request)
    most = storage.database.settings.key_jobs
    async with taken_file(request, storage, key=caller.key, most=most) as upload:
        scrub = await _read_scrub(request, directory, upload)
        said = {**upload.fields, "sha256": (upload.file.sha256 or b"").hex()}
        await once.replay(by=caller.key, stand_in=said)
        job = await queue_scrub(
            session,
            scrub,
            job=new_id(),
            key=caller.key,
            upload=upload.file.id,
            at=scrub.began_at,
            most=most,
        )
        subject = f"scrub:{job.id}"
        await note(session, caller.actor, "scrub.queued", subject, scrub.began_at, purpose=purpose)
        return await once.remember(
            await _shown(job, directory), status=202, location=f"/v1/scrubs/{job.id}"
        )


async def _read_scrub(request: Request, directory: Directory, upload: Upload) -> Scrub:
    body = read_fields(ScrubIn, upload.fields, upload.place)
    region = request.app.state.settings.default_region
    return await body.scrub(directory, region=region, at=now(), pointer=upload.pointer)


@scrubs.get("/{id}")
async def read_scrub(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Checker,
    directory: TheDirectory,
    session: ReadSession,
) -> ScrubOut:
    """Ask how far a scrub is; its `position` is what every answer of the result is as of."""
    job = await find_scrub(session, id, key=_key_of(caller))
    return await _shown(_there(job), directory)


@scrubs.get(
    "/{id}/result",
    response_class=StreamingResponse,
    responses={
        **responses(ScrubUnfinished, ScrubGone),
        200: {
            "description": "The rows in the file's own order, dialect and encoding, with the "
            "columns `decision`, `code`, `since` behind them, and where the law was asked "
            "`next_allowed_at`.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {
                "Optout-Position": {
                    "description": "The journal position that every answer is as of",
                    "schema": {"type": "integer"},
                }
            },
        },
    },
)
async def read_scrub_result(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Checker,
    request: Request,
    reads: TheReads,
    purpose: ThePurpose,
) -> StreamingResponse:
    """Take the result, which is deleted an hour later: the file's rows with the answers.

    A cell that a spreadsheet would take for a formula gets a leading apostrophe; every other cell
    is yours to the byte. `code` is `opted_out` or `unusable` of a blocked row, `duplicate` of an
    allowed one whose contact point stood in an earlier row; where the law was asked, the rule that
    blocked, deferred or wants a human.
    """
    at = now()
    storage = _storage_of(request)
    async with storage.database.reading() as session:
        job = _there(await find_scrub(session, id, key=_key_of(caller)))
    stored = await stored_of(storage, require_result(job))
    subject = f"scrub:{job.id}"
    rows = sum(count for name, count in job.counts.items() if name != "duplicate")
    await reads.note(caller, "scrub.read", subject, rows=rows, purpose=purpose, at=at)
    return await hand_out(storage, job, stored, at=at)


async def hand_out(
    storage: Storage, job: Job, stored: StoredFile, *, at: datetime
) -> StreamingResponse:
    """Answer with the result of a scrub, which is deleted an hour later."""
    async with storage.database.transaction() as session:
        await release_scrub(session, job, at=at + storage.database.settings.scrub_kept)
    media_type = str((job.resume or {}).get("media_type", "text/csv"))
    ending = "ndjson" if media_type == "application/x-ndjson" else "csv"
    return StreamingResponse(
        read_file(storage, stored),
        media_type=media_type,
        headers={
            "Content-Length": str(stored.size),
            "Content-Disposition": f'attachment; filename="scrub-{job.id}.{ending}"',
            "Optout-Position": str(job.position),
        },
    )


@scrubs.post(
    "/{id}/refresh",
    status_code=202,
    responses={
        **responses(ScrubUnfinished, ScrubGone, TooManyJobs),
        202: {"description": "It is queued", "headers": LOCATION},
    },
)
async def refresh_scrub(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Checker,
    request: Request,
    directory: TheDirectory,
    session: Session,
    once: Once,
) -> ScrubOut:
    """Ask what changed since a scrub's position: the rows to pull out of a loaded campaign.

    It is a scrub of its own, whose result holds the rows that are decided otherwise now, and it
    can be refreshed in its turn.
    """
    at = now()
    storage = _storage_of(request)
    before = _there(await find_scrub(session, id, key=_key_of(caller)))
    await once.replay(by=caller.key)
    require_result(before)
    if before.upload is None:
        raise ScrubGone("It was deleted.")
    await stored_of(storage, before.upload)
    job = await queue_scrub(
        session,
        replace(Scrub.read(before.params), refreshes=before.id),
        job=new_id(),
        key=caller.key,
        upload=before.upload,
        at=at,
        most=storage.database.settings.key_jobs,
    )
    return await once.remember(
        await _shown(job, directory), status=202, location=f"/v1/scrubs/{job.id}"
    )


@scrubs.delete("/{id}", status_code=204)
async def delete_scrub(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Checker,
    session: Session,
) -> None:
    """End a scrub that has not ended, and delete its file, its answers and its result now."""
    job = _there(await find_scrub(session, id, key=_key_of(caller)))
    await cancel_scrub(session, job, at=now())


def _storage_of(request: Request) -> Storage:
    storage = request.app.state.storage
    if not isinstance(storage, Storage):
        raise TypeError("the app was started without a storage of files")
    return storage


def _key_of(caller: Caller) -> int | None:
    return None if caller.is_admin else caller.key


def _there(job: Job | None) -> Job:
    if job is None:
        raise NotFound("There is no such scrub.")
    return job


async def stored_of(storage: Storage, file: UUID) -> StoredFile:
    """Find what is kept of a scrub.

    Raises:
        ScrubGone: it was deleted.
    """
    try:
        return await storage.find(file)
    except FileGone:
        raise ScrubGone("It was deleted.") from None


def _counts(counts: Mapping[str, int]) -> ScrubCountsOut | None:
    if not counts:
        return None
    return LawfulScrubCountsOut(**counts) if "defer" in counts else ScrubCountsOut(**counts)


async def _shown(job: Job, directory: Directory) -> ScrubOut:
    scrub = Scrub.read(job.params)
    return ScrubOut(
        id=job.id,
        state=job.state,
        refreshes=scrub.refreshes,
        medium=scrub.medium,
        brand=None if scrub.brand is None else await directory.brand_slug(scrub.brand),
        region=scrub.region,
        column=scrub.column,
        keep=scrub.keep,
        rows=job.rows,
        done_rows=job.done_rows,
        position=job.position,
        counts=_counts(job.counts),
        error=None if job.error is None else ErrorOut(code=job.error, detail=job.detail or ""),
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )
