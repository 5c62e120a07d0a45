"""Imports and scrubs: a file is dropped, its progress watched, its refused rows or result taken."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Role, Visit
from app.checks import (
    SCRUB,
    Scrub,
    ScrubIn,
    cancel_scrub,
    find_scrub,
    hand_out,
    queue_scrub,
    require_result,
    stored_of,
)
from app.files import JOB_STATES, NO_KEY, Job, JobState, TheStorage, find_job, list_jobs
from app.intake import (
    IMPORT,
    IMPORT_STATES,
    VOID,
    Import,
    ImportState,
    begin_void,
    find_import,
    list_imports,
    queue_import,
    read_refused,
    refused_csv,
)
from app.journal import ALL_MEDIA, EVERY_BRAND, Reason
from app.parties import TheDirectory, list_brands, list_channels, note
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.ids import new_id
from app.platform.problems import Problem
from app.platform.refusals import NotFound
from app.points import DefaultRegion, PointKeys, ThePointKeys
from app.registry import VoidPreview, preview_void

from .doors import Form, signed_in
from .forms import BadForm, faults_of, read_form, typed
from .import_form import import_choices, read_import_form
from .lists import PAGE, Asked
from .pages import go, page, pages, words_for
from .shown import named
from .uploads import UploadRoute, received

files = pages("/files")
sending = APIRouter(prefix="/files", route_class=UploadRoute, include_in_schema=False)

Officer = Annotated[Visit, signed_in(Role.OFFICER)]
Admin = Annotated[Visit, signed_in(Role.ADMIN)]
What = Literal["imports", "scrubs"]

_ALL = 10_000
_SHOWN = 20
_PREVIEWED = 10_000
_ENDED = ("done", "failed")


@files.get("")
async def show_files(request: Request, visit: Officer, keys: ThePointKeys) -> Response:
    """Ask for a file, and list those that came before."""
    del visit
    what: What = "scrubs" if request.query_params.get("what") == "scrubs" else "imports"
    return await _show(request, keys, what, said={}, faults={})


async def _show(
    request: Request,
    keys: PointKeys,
    what: What,
    *,
    said: Mapping[str, str],
    faults: Mapping[str, str],
) -> Response:
    t, asked = words_for(request), Asked(request)
    after = asked.after(UUID)
    before = None if after is None else after[0]
    async with database_of(request).reading() as session:
        channels = await list_channels(session, limit=_ALL)
        brands = await list_brands(session, limit=_ALL)
        states: tuple[ImportState, ...] = JOB_STATES
        if what == "imports":
            states = IMPORT_STATES
            state = next((one for one in states if one == asked.text("state")), None)
            sought = next((one.id for one in channels if one.slug == asked.text("channel")), None)
            rows = await _imports(session, keys, channel=sought, before=before, state=state)
        else:
            under = next((one for one in JOB_STATES if one == asked.text("state")), None)
            rows = [_Row(None, job) for job in await _scrubs(session, before=before, state=under)]
    shown, following = asked.page(rows, lambda row: (row.job.id,))
    return await page(
        request,
        "files.html",
        status=422 if faults else 200,
        what=what,
        rows=shown,
        next=following,
        said=said,
        faults=faults,
        channel_names={one.id: one.name for one in channels},
        channels=[(one.slug, one.name) for one in channels],
        states=[(one, t("opt_outs.voided" if one == "voided" else f"job.{one}")) for one in states],
        brands=[(one.slug, one.name) for one in brands],
        medium_bits={one.word: int(one) for one in ALL_MEDIA},
        media=[(one.word, t(f"media.{one.word}")) for one in ALL_MEDIA],
        reasons=[(one.word, t(f"reason.{one.word}")) for one in Reason],
        **import_choices(t, said, faults),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A job on a file, with the import that it does, if it does one."""

    one: Import | None
    job: Job


async def _imports(
    session: AsyncSession,
    keys: PointKeys,
    *,
    channel: int | None,
    before: UUID | None,
    state: ImportState | None,
) -> list[_Row]:
    found = await list_imports(
        session, keys.vault, channel=channel, before=before, state=state, limit=PAGE + 1
    )
    jobs = [(one, await find_job(session, one.id, kind=IMPORT)) for one in found]
    return [_Row(one, job) for one, job in jobs if job is not None]


async def _scrubs(
    session: AsyncSession, *, before: UUID | None, state: JobState | None
) -> Sequence[Job]:
    return await list_jobs(
        session, kind=SCRUB, key=None, before=before, state=state, limit=PAGE + 1
    )


@sending.post("/imports")
async def send_import(
    request: Request,
    visit: Officer,
    storage: TheStorage,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
) -> Response:
    """Take a file of opt-outs, to be recorded row by row."""
    at = now()
    said: Mapping[str, str] = {}
    try:
        async with received(request, storage) as upload:
            said = upload.fields
            asked = read_import_form(said, storage.database.settings.time_zone, at=at)
            one = asked.begun(
                upload.file,
                key=NO_KEY,
                channel=await directory.channel(asked.channel or ""),
                brand=EVERY_BRAND if asked.brand is None else await directory.brand(asked.brand),
                region=region,
                at=at,
            )
            async with storage.database.transaction() as session:
                actor, subject = visit.user.actor, f"import:{one.id}"
                await note(session, actor, "import.queued", subject, one.recorded_at)
                most, file = storage.database.settings.key_jobs, upload.file.id
                await queue_import(session, storage.vault, one, upload=file, key=NO_KEY, most=most)
    except (BadForm, Problem) as refusal:
        return await _show(request, keys, "imports", said=said, faults=faults_of(refusal))
    return go(request, f"/files/imports/{one.id}")


def _typed(fields: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: typed(fields, name) for name in names}


@files.get("/imports/{id}")
async def show_import(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> Response:
    """Show how far an import is, which rows it refused, and what voiding it would change."""
    preview: VoidPreview | None = None
    async with database_of(request).reading() as session:
        one = await find_import(session, keys.vault, id, channel=None)
        channel, brand = await named(session, directory, channel=one.channel, brand=one.brand)
        row = await _row(session, one)
        voiding = None
        if one.void_job is not None:
            voiding = await find_job(session, one.void_job, kind=VOID)
        refused = await read_refused(session, id, 0, _SHOWN)
        ended = row.job.state in _ENDED
        if ended and one.voided_at is None and visit.user.role >= Role.ADMIN:
            preview = await preview_void(session, id, most=_PREVIEWED)
    if request.headers.get("hx-request"):
        part = await page(request, "import_now.html", row=row, refused=refused, voiding=voiding)
        return _anew(part, ended=ended and (voiding is None or voiding.state in _ENDED))
    return await page(
        request,
        "import.html",
        channel=channel,
        brand=brand,
        preview=preview,
        row=row,
        refused=refused,
        voiding=voiding,
    )


def _anew(part: Response, *, ended: bool) -> Response:
    """Have the whole page loaded again once there is more to it than a part shows."""
    if ended:
        part.headers["HX-Refresh"] = "true"
    return part


async def _row(session: AsyncSession, one: Import) -> _Row:
    job = await find_job(session, one.id, kind=IMPORT)
    if job is None:
        raise NotFound("There is no such import.")
    return _Row(one, job)


@files.get("/imports/{id}/refused.csv")
async def download_refused(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    keys: ThePointKeys,
) -> Response:
    """Give the refused rows as a table; what stood there is masked.

    It is for a spreadsheet, which reads UTF-8 by its mark alone and, in French, parts by semicolon.
    """
    del visit
    separator = ";" if words_for(request).language == "fr" else ","
    async with database_of(request).reading() as session:
        await find_import(session, keys.vault, id, channel=None)
    return StreamingResponse(
        _marked(refused_csv(database_of(request), id, separator=separator)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="refused-{id}.csv"'},
    )


async def _marked(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    yield "\N{ZERO WIDTH NO-BREAK SPACE}"
    async for line in lines:
        yield line


@files.post("/imports/{id}/void")
async def void_import(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Admin,
    session: Session,
    keys: ThePointKeys,
    fields: Form,
) -> Response:
    """Void a whole file that was a mistake."""
    at, reason = now(), typed(fields, "reason", most=500)
    one = await find_import(session, keys.vault, id, channel=None, lock=True)
    if reason and one.voided_at is None:
        actor = visit.user.actor
        await note(session, actor, "import.voided", f"import:{id}", at)
        await begin_void(session, one, by=actor, reason=reason, key=NO_KEY, at=at)
    return go(request, f"/files/imports/{id}")


@sending.post("/scrubs")
async def send_scrub(
    request: Request,
    visit: Officer,
    storage: TheStorage,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
) -> Response:
    """Take the file of a campaign, to be asked about row by row."""
    at, job = now(), new_id()
    said: Mapping[str, str] = {}
    try:
        async with received(request, storage) as upload:
            said = upload.fields
            asked = read_form(ScrubIn, _typed(said, "medium", "brand", "column", "keep", "region"))
            scrub = await asked.scrub(directory, region=region, at=at)
            async with storage.database.transaction() as session:
                await note(session, visit.user.actor, "scrub.queued", f"scrub:{job}", at)
                most, file = storage.database.settings.key_jobs, upload.file.id
                await queue_scrub(
                    session, scrub, job=job, key=NO_KEY, upload=file, at=at, most=most
                )
    except (BadForm, Problem) as refusal:
        return await _show(request, keys, "scrubs", said=said, faults=faults_of(refusal))
    return go(request, f"/files/scrubs/{job}")


@files.get("/scrubs/{id}")
async def show_scrub(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    directory: TheDirectory,
) -> Response:
    """Show how far a scrub is, and how its rows were answered."""
    del visit
    async with database_of(request).reading() as session:
        job = await _scrub(session, id)
    if request.headers.get("hx-request"):
        return _anew(await page(request, "scrub_now.html", job=job), ended=job.state in _ENDED)
    scrub = Scrub.read(job.params)
    brand = None if scrub.brand is None else await directory.brand_slug(scrub.brand)
    return await page(request, "scrub.html", job=job, scrub=scrub, brand=brand)


async def _scrub(session: AsyncSession, number: UUID) -> Job:
    job = await find_scrub(session, number, key=None)
    if job is None:
        raise NotFound("There is no such scrub.")
    return job


@files.post("/scrubs/{id}/result")
async def download_result(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    storage: TheStorage,
    fields: Form,
) -> Response:
    """Give the result of a scrub, which is deleted an hour later; the audit notes who took it."""
    del fields
    at = now()
    async with database_of(request).reading() as session:
        job = await _scrub(session, id)
    stored = await stored_of(storage, require_result(job))
    rows = sum(count for name, count in job.counts.items() if name != "duplicate")
    async with database_of(request).transaction() as session:
        await note(session, visit.user.actor, "scrub.read", f"scrub:{id}", at, rows=rows)
    return await hand_out(storage, job, stored, at=at)


@files.post("/scrubs/{id}/delete")
async def delete_scrub(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    session: Session,
    fields: Form,
) -> Response:
    """End a scrub if it has not ended, and delete what is kept of it."""
    del visit, fields
    await cancel_scrub(session, await _scrub(session, id), at=now())
    return go(request, "/files?what=scrubs")
