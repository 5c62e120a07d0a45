"""Uploads: a form or the bare file, sealed in pieces, read back by a thread, deleted in time."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.files import (
    BadFile,
    FileGone,
    FileWriter,
    Storage,
    Upload,
    UploadTooSlow,
    keep_file,
    open_file,
    receive_upload,
    release_file,
)
from app.files.storage import CHUNK
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.refusals import InvalidRequest
from app.platform.vault import Unsealable, Vault
from tests.conftest import SEALING_KEYS
from tests.resting import at_rest

BOUNDARY = "a-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
CONTENT = b"".join(b"%07d;06 39 98 00 %02d\r\n" % (row, row % 100) for row in range(130_000))
"""Three mebibytes, so that there are whole chunks and a last one."""


@pytest.fixture(params=["postgresql", "directory"])
def storage(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Storage:
    """Keep files in either place."""
    folder = tmp_path / "files" if request.param == "directory" else None
    return Storage(database, Vault.parse(SEALING_KEYS), folder)


def form(*parts: tuple[str, bytes], end: bool = True) -> bytes:
    """Write a form of parts, each with its content disposition."""
    written = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n"
        % (BOUNDARY.encode(), disposition.encode(), content)
        for disposition, content in parts
    )
    return written + (b"--%b--\r\n" % BOUNDARY.encode() if end else b"")


FILE = 'name="file"; filename="0639980001.csv"'


async def pieces(body: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def upload(
    storage: Storage, body: bytes, content_type: str = FORM, size: int = 70_000, **query: str
) -> Upload:
    return await receive_upload(
        storage, pieces(body, size), content_type=content_type, query=query.items()
    )


async def content_of(storage: Storage, received: Upload) -> bytes:
    source = open_file(storage, received.file)
    return await asyncio.to_thread(source.read)


async def files(storage: Storage) -> int:
    """Count what is kept, expired or not."""
    if storage.folder is not None:
        return sum(1 for _ in storage.folder.glob("*")) if storage.folder.exists() else 0
    async with storage.database.reading() as session:
        counted = text("SELECT count(DISTINCT file) FROM file_chunks")
        return await session.scalar(counted) or 0


@pytest.mark.parametrize("size", [1, 70_000, 4 * CHUNK])
async def test_a_form_is_read_however_its_fields_stand_and_its_pieces_are_cut(
    storage: Storage, size: int
) -> None:
    content = CONTENT if size > 1 else CONTENT[:5_000]
    received = await upload(
        storage,
        form(('name="medium"', b"voice"), (FILE, content), ('name="brand"', "été".encode())),
        size=size,
        keep="allowed",
    )
    assert received.fields == {"keep": "allowed", "medium": "voice", "brand": "été"}
    assert received.file.name == "0639980001.csv"
    assert received.file.size == len(content)
    assert received.file.sha256 == hashlib.sha256(content).digest()
    assert await content_of(storage, received) == content
    assert await storage.find(received.file.id) == received.file


async def test_a_bare_file_is_read_with_its_fields_in_the_address(storage: Storage) -> None:
    received = await upload(storage, CONTENT, "text/csv", medium="sms", filename="list.csv")
    assert received.fields == {"medium": "sms"}
    assert received.file.name == "list.csv"
    assert await content_of(storage, received) == CONTENT


async def test_a_file_need_not_have_a_name(storage: Storage) -> None:
    content = b"06 39 98 00 01"
    for received in (
        await upload(storage, content, ""),
        await upload(storage, content, "", filename=""),
    ):
        assert received.file.name is None
        assert await storage.find(received.file.id) == received.file


async def test_a_file_is_read_from_wherever_a_thread_seeks(storage: Storage) -> None:
    received = await upload(storage, CONTENT, "")
    source = open_file(storage, received.file)

    def read(at: int, count: int, whence: int = io.SEEK_SET) -> bytes:
        source.seek(at, whence)
        return source.read(count)

    for at in (2 * CHUNK + 5, 0, CHUNK - 3, len(CONTENT) - 7):
        assert await asyncio.to_thread(read, at, 10) == CONTENT[at : at + 10]
    assert await asyncio.to_thread(read, -4, 10, io.SEEK_END) == CONTENT[-4:]
    assert source.tell() == len(CONTENT)


REFUSED: dict[str, tuple[bytes, str]] = {
    "no file": (form(('name="medium"', b"voice")), "A part named 'file' is needed."),
    "two files": (form((FILE, b"1"), (FILE, b"2")), "One file at a time."),
    "breaks off": (form((FILE, b"1"), end=False), "The form breaks off before its end."),
    "not a form": (b"id;phone\r\n1;06 39 98 00 01\r\n", "The form is malformed."),
    "a field twice": (
        form(('name="medium"', b"voice"), ('name="medium"', b"sms"), (FILE, b"1")),
        "Each field stands once, beside one file.",
    ),
    "a long field": (form(('name="medium"', b"v" * 70_000), (FILE, b"1")), "A field is too long."),
    "bytes": (form(('name="medium"', b"\xff"), (FILE, b"1")), "A field is not in UTF-8."),
    "nothing": (b"", "The form breaks off before its end."),
}


@pytest.mark.parametrize("named", REFUSED)
async def test_a_form_that_is_none_is_refused_and_nothing_of_it_is_kept(
    storage: Storage, named: str
) -> None:
    body, why = REFUSED[named]
    with pytest.raises(InvalidRequest) as refused:
        await upload(storage, body)
    assert refused.value.detail == why
    await storage.forget_expired(at=now())
    assert await files(storage) == 0


async def test_a_form_without_a_boundary_is_refused(storage: Storage) -> None:
    with pytest.raises(InvalidRequest, match="boundary"):
        await upload(storage, b"", "multipart/form-data")


async def test_an_empty_file_is_refused(storage: Storage) -> None:
    for body, content_type in ((b"", "text/csv"), (form((FILE, b"")), FORM)):
        with pytest.raises(BadFile) as refused:
            await upload(storage, body, content_type)
        assert refused.value.code == "empty"


async def test_a_file_that_does_not_come_in_time_is_given_up(
    database: Database, storage: Storage
) -> None:
    hasty = database.settings.model_copy(update={"file_seconds": 0.2})
    storage = Storage(
        Database(database.url, hasty, database.write_engine, database.read_engine),
        storage.vault,
        storage.folder,
    )

    async def never() -> AsyncIterator[bytes]:
        yield CONTENT
        await asyncio.sleep(60)

    with pytest.raises(UploadTooSlow):
        await receive_upload(storage, never(), content_type="", query=())
    await storage.forget_expired(at=now())
    assert await files(storage) == 0


async def test_a_folder_that_takes_no_file_is_503_and_is_named(
    database: Database, tmp_path: Path
) -> None:
    """As one whose disk is full."""
    taken = tmp_path / "taken"
    taken.touch()
    with pytest.raises(Unavailable, match="folder of files cannot be used: Not a directory"):
        await upload(Storage(database, Vault.parse(SEALING_KEYS), taken), CONTENT, "")


async def test_a_file_is_deleted_at_its_time_and_not_before(storage: Storage) -> None:
    received = await upload(storage, CONTENT, "")
    other = await upload(storage, b"other", "")
    async with storage.database.transaction() as session:
        await keep_file(session, received.file.id, until=None)
        await keep_file(session, other.file.id, until=now() + timedelta(days=1))
    await storage.forget_expired(at=now() + timedelta(hours=23))
    assert await content_of(storage, received) == CONTENT
    async with storage.database.transaction() as session:
        await release_file(session, received.file.id, at=now() + timedelta(hours=1))
        await release_file(session, received.file.id, at=now() + timedelta(hours=2))
    await storage.forget_expired(at=now() + timedelta(minutes=59))
    assert await files(storage) == 2
    await storage.forget_expired(at=now() + timedelta(minutes=61))
    assert await files(storage) == 1
    with pytest.raises(FileGone):
        await content_of(storage, received)
    with pytest.raises(FileGone):
        await storage.find(received.file.id)


async def test_what_nobody_keeps_is_gone_after_an_hour(storage: Storage) -> None:
    await upload(storage, CONTENT, "")
    broken = FileWriter(storage, await storage.create())
    await broken.write(CONTENT)
    await broken.stop()
    await storage.forget_expired(at=now() + timedelta(minutes=59))
    assert await files(storage) == 2
    await storage.forget_expired(at=now() + timedelta(minutes=61))
    assert await files(storage) == 0


async def test_nothing_of_a_file_lies_plain(storage: Storage) -> None:
    received = await upload(storage, b"06 39 98 00 01\r\n" * 9, "", filename="06 39 98 00 03")
    resting = await at_rest(storage.database, storage.folder)
    assert received.file.id.bytes in resting or str(received.file.id).encode() in resting
    assert b"06 39 98" not in resting


async def test_a_chunk_in_another_place_does_not_open(storage: Storage) -> None:
    received = await upload(storage, CONTENT, "")
    if storage.folder is not None:
        folder = storage.folder / str(received.file.id)
        (folder / "0").replace(folder / "1")
    else:
        async with storage.database.transaction() as session:
            await session.execute(
                text("""
                    UPDATE file_chunks c SET sealed = first.sealed FROM file_chunks first
                    WHERE c.number = 1 AND first.number = 0
                """)
            )
    with pytest.raises(Unsealable):
        await storage.read_chunk(received.file.id, 1)
