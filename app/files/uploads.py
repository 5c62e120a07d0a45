"""Uploads: a form with a file in it, or the bare file, sealed as it comes; nothing else is kept.

The body is read once, in pieces, and no piece is laid down in plain. What was sealed of an upload
that breaks is deleted at once, or after an hour if this process breaks with it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from app.platform.clock import now
from app.platform.db import Unavailable
from app.platform.problems import Problem

from .bad_file import BadFile
from .forms import Body, Fields, body_of
from .storage import FileWriter, Storage, StoredFile, release_file

_PIECE_SECONDS = 60.0
"""How long the next piece of a body may keep us waiting."""
_NAME_CHARACTERS = 255


class UploadTooSlow(Problem):
    """The file did not arrive in time: nothing for a minute, or the whole of it took too long.

    Nothing was kept. Send it again, packed with gzip or in parts.
    """

    type = "upload-too-slow"
    title = "The file did not arrive in time"
    status = 408


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it arrived, and what was said beside it: texts by name.

    ``place`` tells whether a field of a name stands, or belongs, in the ``query`` or the ``body``.
    """

    file: StoredFile
    fields: Mapping[str, str]
    place: Callable[[str], str]

    def pointer(self, name: str) -> str:
        """Point to a field whose name is known."""
        return f"/query/{name}" if self.place(name) == "query" else f"/{name}"


async def receive_upload(
    storage: Storage,
    pieces: AsyncIterator[bytes],
    *,
    content_type: str,
    query: Iterable[tuple[str, str]],
) -> Upload:
    """Seal the file of a request, which is deleted after an hour unless somebody keeps it.

    ``query`` are the parameters of the address, which say the same as fields of a form.

    Raises:
        InvalidRequest: the form is malformed, has no part ``file``, or says a thing twice.
        BadFile: the file is empty.
        UploadTooSlow: it does not come.
    """
    fields = Fields()
    for name, value in query:
        fields.ask(name, value)
    body = body_of(content_type, fields)
    writer = FileWriter(storage, await storage.create())
    try:
        async with asyncio.timeout(storage.database.settings.file_seconds):
            await _pour(pieces, body, writer)
        filename = body.end() or fields.get("filename", "")
        fields.pop("filename", None)
        return Upload(
            await _finish(writer, filename[-_NAME_CHARACTERS:] or None), fields, fields.place
        )
    except BaseException as error:
        await writer.stop()
        with suppress(Unavailable):
            await discard(storage, writer.file)
        if isinstance(error, TimeoutError):
            raise UploadTooSlow("The file did not arrive in time; nothing was kept.") from None
        raise


async def _pour(pieces: AsyncIterator[bytes], body: Body, writer: FileWriter) -> None:
    while True:
        try:
            async with asyncio.timeout(_PIECE_SECONDS):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        for part in body.feed(piece):
            await writer.write(part)


async def _finish(writer: FileWriter, name: str | None) -> StoredFile:
    if not writer.size:
        raise BadFile("empty", "There is nothing in the file.")
    return await writer.finish(name=name)


async def discard(storage: Storage, file: UUID) -> None:
    """Let a file be deleted now."""
    async with storage.database.transaction() as session:
        await release_file(session, file, at=now())
