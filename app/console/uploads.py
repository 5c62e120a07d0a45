"""A file that somebody sends by a form of ours, sealed as it comes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from app.files import NO_KEY, Storage, Upload, taken_file

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
    most = storage.database.settings.key_jobs
    async with taken_file(request, storage, key=NO_KEY, most=most) as upload:
        await require_own_form(request, upload.fields.get("token", ""))
        yield upload
