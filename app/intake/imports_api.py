"""The routes of imports: a file of opt-outs comes in, how far it is, what it refused, its void."""

import csv
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.files import (
    BadFile,
    TheStorage,
    TooManyJobs,
    Upload,
    UploadTooSlow,
    find_job,
    taken_file,
)
from app.parties import (
    Caller,
    Directory,
    TheDirectory,
    UnknownBrand,
    UnknownChannel,
    note,
    requires,
)
from app.platform.clock import now
from app.platform.db import Database, ReadSession, Session, database_of
from app.platform.idempotency import Once
from app.platform.openapi import responses, takes_file
from app.platform.pages import Page, PageQuery, cut
from app.platform.web import FileRoute, read_fields, router
from app.points import DefaultRegion, ThePointKeys
from app.registry import preview_void

from . import models as wire
from .channels import channel_of
from .import_models import ImportIn, ImportOut, VoidPreviewOut
from .import_rows import Refused
from .import_voids import VOID, begin_void
from .imports import IMPORT, Import, find_import, list_imports, queue_import, read_refused
from .opt_outs import InTheFuture

_IMPORTS = "/v1/imports"
files = router(_IMPORTS, "imports", route_class=FileRoute)
imports = router(_IMPORTS, "imports")
ROUTERS = (files, imports)

Writer = Annotated[Caller, requires("opt-outs:write")]
Admin = Annotated[Caller, requires("admin")]

_PAGE = 1_000
_PREVIEWED = 250_000
"""Grounds that a preview looks at, so that it is answered in seconds."""
ReadRefused = Callable[[AsyncSession, UUID, int, int], Awaitable[list[Refused]]]
"""Reads the refused rows of a file, those after a number, so many at most."""
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9][0-9 .,()\-/]*\Z)")


@files.post(
    "",
    status_code=202,
    openapi_extra=takes_file(ImportIn),
    responses=responses(
        BadFile, UploadTooSlow, TooManyJobs, UnknownBrand, UnknownChannel, InTheFuture
    ),
)
async def begin_import(
    request: Request,
    caller: Writer,
    storage: TheStorage,
    directory: TheDirectory,
    region: DefaultRegion,
    session: Session,
    once: Once,
) -> ImportOut:
    """Record the opt-outs of a file: CSV, NDJSON, lines or a workbook, packed or not.

    It is taken to be worked on; ask how far it is. Each row that can be read counts as an opt-out
    of its contact points; the others are refused whole and listed. What stands already is not
    told again, so that the same file again changes nothing. A file lifts nothing, ever.
    """
    most = None if caller.is_admin else storage.database.settings.key_jobs
    async with taken_file(request, storage, key=caller.key, most=most) as upload:
        one = await _import(upload, caller, directory, region)
        said = {**upload.fields, "sha256": one.sha256.hex()}
        await once.replay(by=caller.key, stand_in=said)
        job = await queue_import(
            session, storage.vault, one, upload=upload.file.id, key=caller.key, most=most
        )
        answer = await ImportOut.of(one, job, None, directory)
        return await once.remember(answer, status=202, location=f"{_IMPORTS}/{one.id}")


async def _import(upload: Upload, caller: Caller, directory: Directory, region: str) -> Import:
    said = read_fields(ImportIn, upload.fields, upload.place)
    return said.begun(
        upload.file,
        key=caller.key,
        channel=await channel_of(
            caller, said.channel, directory, pointer=upload.pointer("channel")
        ),
        brand=await wire.brand_number(directory, said.brand, upload.pointer("brand")),
        region=region,
        at=now(),
        pointer=upload.pointer("occurred_at"),
    )


@imports.get("")
async def list_begun_imports(
    query: Annotated[PageQuery, Query()],
    caller: Writer,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> Page[ImportOut]:
    """List imports, the latest first. A key bound to a channel sees that one's."""
    after = query.after(UUID)
    rows = await list_imports(
        session,
        keys.vault,
        channel=caller.channel,
        before=None if after is None else after[0],
        limit=query.limit + 1,
    )
    page, next_cursor = cut(rows, query.limit, lambda row: (row.id,))
    items = [await _show(session, row, directory) for row in page]
    return Page(items=items, next_cursor=next_cursor)


@imports.get("/{id}")
async def read_import(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Writer,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> ImportOut:
    """Tell how far an import is, and what became of its rows."""
    one = await find_import(session, keys.vault, id, channel=caller.channel)
    return await _show(session, one, directory)


async def _show(session: Session, one: Import, directory: Directory) -> ImportOut:
    job = await find_job(session, one.id, kind=IMPORT)
    if job is None:
        raise LookupError(f"no job of import {one.id}")
    void = None if one.void_job is None else await find_job(session, one.void_job, kind=VOID)
    return await ImportOut.of(one, job, void, directory)


@imports.get(
    "/{id}/refused",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def read_refused_rows(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    caller: Writer,
    session: ReadSession,
    keys: ThePointKeys,
) -> StreamingResponse:
    """Tell the rows that were refused, as CSV: line, column, value, reason; the values masked.

    They are kept for 90 days, unless the registry's operators chose otherwise; their count stays.
    """
    one = await find_import(session, keys.vault, id, channel=caller.channel)
    return refused_file(database_of(request), one.id)


def refused_file(
    database: Database, number: UUID, read: ReadRefused = read_refused
) -> StreamingResponse:
    """Answer with the refused rows as a file to keep."""
    return StreamingResponse(
        refused_csv(database, number, read),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="refused-{number}.csv"'},
    )


async def refused_csv(
    database: Database, number: UUID, read: ReadRefused = read_refused, *, separator: str = ","
) -> AsyncIterator[str]:
    """Write the rows that an import refused as CSV, page by page; what stood there masked."""
    yield separator.join(("line", "column", "value", "reason")) + "\r\n"
    after, more = 0, True
    while more:
        async with database.reading() as session:
            rows = await read(session, number, after, _PAGE)
        if rows:
            yield _lines(rows, separator)
            after = rows[-1].number
        more = len(rows) == _PAGE


def _lines(rows: list[Refused], separator: str) -> str:
    """Write refused rows as lines of CSV."""
    written = io.StringIO()
    lines = csv.writer(written, delimiter=separator)
    for row in rows:
        lines.writerow([row.line, _guarded(row.column), _guarded(row.value), row.reason])
    return written.getvalue()


def _guarded(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would run as a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


@imports.get("/{id}/void-preview")
async def preview_import_void(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Admin,
    session: ReadSession,
    keys: ThePointKeys,
) -> VoidPreviewOut:
    """Tell what voiding an import would do; nothing is changed.

    At most 250,000 of its grounds are looked at.
    """
    one = await find_import(session, keys.vault, id, channel=caller.channel)
    return VoidPreviewOut.of(await preview_void(session, one.id, most=_PREVIEWED))


@imports.post("/{id}/void", status_code=202)
async def void_import(
    id: UUID,  # noqa: A002 - the name in the address
    body: wire.VoidIn,
    caller: Admin,
    session: Session,
    keys: ThePointKeys,
    directory: TheDirectory,
    once: Once,
) -> ImportOut:
    """Void an import that was a mistake, the whole file.

    Its record stays; its rows no longer stand, one chunk after the other, and every database hears
    what changed. People who objected otherwise stay suppressed. An import under way goes no
    further. Voiding it again changes nothing.
    """
    await once.replay(by=caller.key)
    at = now()
    one = await find_import(session, keys.vault, id, channel=caller.channel, lock=True)
    if one.voided_at is None:
        await note(session, caller.actor, "import.voided", f"import:{id}", at)
    await begin_void(session, one, by=caller.actor, reason=body.reason, key=caller.key, at=at)
    session.expire_all()
    voided = await find_import(session, keys.vault, id, channel=caller.channel)
    return await once.remember(await _show(session, voided, directory), status=202)
