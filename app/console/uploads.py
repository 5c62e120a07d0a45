"""A file that somebody sends by a form of ours, sealed as it comes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from app.files import NO_KEY, Storage, Upload, discard, receive_upload, require_room

from .doors import require_own_form, require_same_site
from .pages import PageRoute


class UploadRoute(PageRoute):
    """A page that takes a file; its function reads the body itself."""

    limit_setting = "file_bytes"


@asynccontextmanager
async def received(request: Request, storage: Storage) -> AsyncIterator[Upload]:
    """Take the file of a form, and what was typed beside it; deleted where the block raises.

    Raises:
        ForeignForm: the form is not one of ours.
        TooManyJobs: as many jobs are under way as may be.
        BadFile: there is nothing in it.
    """
    require_same_site(request)
    async with storage.database.reading() as session:
        await require_room(session, NO_KEY, most=storage.database.settings.key_jobs)
    upload = await receive_upload(
        storage,
        request.stream(),
        content_type=request.headers.get("content-type", ""),
        query=(),
    )
    try:
        await require_own_form(request, upload.fields.get("token", ""))
        yield upload
    except BaseException:
        await discard(storage, upload.file.id)
        raise
