"""What a route needs to take files and to give them back: where they are kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from .jobs import require_room
from .storage import Storage
from .uploads import Upload, discard, receive_upload


async def _storage_of(request: Request) -> Storage:
    storage = request.app.state.storage
    if not isinstance(storage, Storage):
        raise TypeError("the app was started without a place for files")
    return storage


TheStorage = Annotated[Storage, Depends(_storage_of)]


@asynccontextmanager
async def taken_file(
    request: Request, storage: Storage, *, key: int, most: int | None
) -> AsyncIterator[Upload]:
    """Take the file of a request, for a block that queues its job; if that raises it is deleted.

    Raises:
        TooManyJobs: the key has ``most`` under way.
        InvalidRequest: the form is malformed, has no part ``file``, or says a thing twice.
        BadFile: the file is empty.
        UploadTooSlow: it does not come.
    """
    async with storage.database.reading() as session:
        await require_room(session, key, most=most)
    upload = await receive_upload(
        storage,
        request.stream(),
        content_type=request.headers.get("content-type", ""),
        query=request.query_params.multi_items(),
    )
    try:
        yield upload
    except BaseException:
        await discard(storage, upload.file.id)
        raise
