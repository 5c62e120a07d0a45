"""Files kept for a while: each mebibyte packed and sealed by itself, never plain at rest.

They lie in PostgreSQL, or in a directory that all processes share (``OPTOUT_FILES_DIR``); what
there is to know of them stands in PostgreSQL either way. A chunk is bound to its file and its
number: moved to another place it does not open.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import zstandard
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.ids import new_id
from app.platform.logs import get_logger
from app.platform.resealing import Sealed
from app.platform.vault import Vault

CHUNK = 1_048_576
UNFINISHED = timedelta(hours=1)
"""How long a file is kept that nobody says anything about: a broken upload, say."""
_LARGEST = 16 * CHUNK
"""Bytes of a chunk in a file that is read by the numbers of its chunks alone."""
_AT_ONCE = 64


log = get_logger(__name__)


class FileGone(Exception):  # noqa: N818 - a state of the file
    """The file was deleted, by its time or with what it was needed for."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was written to its end; ``size`` and ``sha256`` are of its plain content.

    Not every file has a ``sha256``: an upload does.
    """

    id: UUID
    size: int
    sha256: bytes | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the files of one registry lie; ``folder`` is None where that is PostgreSQL."""

    database: Database
    vault: Vault
    folder: Path | None

    @classmethod
    def of(cls, database: Database, vault: Vault) -> "Storage":
        """Find it as the settings say."""
        return cls(database, vault, database.settings.files_dir)

    async def create(self) -> UUID:
        """Begin a file, which is deleted after an hour unless somebody keeps it."""
        file, at = new_id(), now()
        async with self.database.transaction() as session:
            await session.execute(
                text("INSERT INTO files (id, created_at, expires_at) VALUES (:file, :at, :until)"),
                {"file": file, "at": at, "until": at + UNFINISHED},
            )
        return file

    async def complete(self, stored: StoredFile) -> None:
        """Write down that a file was written to its end."""
        context = _name_context(stored.id)
        name = self.vault.seal(stored.name.encode(), context) if stored.name else None
        async with self.database.transaction() as session:
            await session.execute(
                text("""
                    UPDATE files SET size = :size, sha256 = :sha256, name = :name
                    WHERE id = :file
                """),
                {
                    "file": stored.id,
                    "size": stored.size,
                    "sha256": stored.sha256,
                    "name": name,
                },
            )

    async def find(self, file: UUID) -> StoredFile:
        """Find a file that was written to its end.

        Raises:
            FileGone: there is none of this id, or its time is over and it waits to be deleted.
        """
        async with self.database.reading() as session:
            row = (
                await session.execute(
                    text("""
                        SELECT size, sha256, name FROM files
                        WHERE id = :file AND (expires_at IS NULL OR expires_at > :at)
                    """),
                    {"file": file, "at": now()},
                )
            ).one_or_none()
        if row is None or row.size is None:
            raise FileGone(str(file))
        name = None if row.name is None else self.vault.unseal(row.name, _name_context(file))
        return StoredFile(file, row.size, row.sha256, None if name is None else name.decode())

    async def write_chunk(self, file: UUID, number: int, plain: bytes) -> None:
        """Write a chunk, or write it again; all but a file's last have ``CHUNK`` bytes."""
        sealed = await self.seal_chunk(file, number, plain)
        async with self.database.transaction() as session:
            await self.put_chunk(session, file, number, sealed)

    async def seal_chunk(self, file: UUID, number: int, plain: bytes) -> bytes:
        """Pack and seal a chunk for its place, in a thread."""
        return await asyncio.to_thread(self._seal, file, number, plain)

    async def put_chunk(
        self, session: AsyncSession, file: UUID, number: int, sealed: bytes
    ) -> None:
        """Put a sealed chunk in its place, in the transaction that says it may be put there."""
        if self.folder is not None:
            with _folder_away_is_503():
                await asyncio.to_thread(_write_durably, self.folder / str(file), number, sealed)
            return
        await session.execute(
            text("""
                INSERT INTO file_chunks (file, number, sealed) VALUES (:file, :number, :sealed)
                ON CONFLICT (file, number) DO UPDATE SET sealed = excluded.sealed
            """),
            {"file": file, "number": number, "sealed": sealed},
        )

    async def read_chunk(self, file: UUID, number: int) -> bytes:
        """Read a chunk.

        Raises:
            FileGone: it is there no more.
        """
        if self.folder is not None:
            path = self.folder / str(file) / str(number)
            with _folder_away_is_503():
                try:
                    sealed = await asyncio.to_thread(path.read_bytes)
                except FileNotFoundError:
                    raise FileGone(str(file)) from None
        else:
            async with self.database.reading() as session:
                sealed = await session.scalar(
                    text("SELECT sealed FROM file_chunks WHERE file = :file AND number = :number"),
                    {"file": file, "number": number},
                )
            if sealed is None:
                raise FileGone(str(file))
        return await asyncio.to_thread(self._unseal, file, number, sealed)

    def seal_packed(self, file: UUID, number: int, packed: bytes) -> bytes:
        """Seal for its place what ``pack_chunk`` packed; a millisecond for each mebibyte."""
        return self.vault.seal(packed, _chunk_context(file, number))

    def _seal(self, file: UUID, number: int, plain: bytes) -> bytes:
        return self.seal_packed(file, number, pack_chunk(plain))

    def _unseal(self, file: UUID, number: int, sealed: bytes) -> bytes:
        packed = self.vault.unseal(sealed, _chunk_context(file, number))
        return zstandard.decompress(packed, max_output_size=_LARGEST)

    async def forget_expired(self, *, at: datetime) -> int:
        """Delete the files whose time is over, a few chunks at a time: how many there were."""
        async with self.database.reading() as session:
            expired = list(
                await session.scalars(
                    text("SELECT id FROM files WHERE expires_at <= :at ORDER BY id LIMIT 100"),
                    {"at": at},
                )
            )
        for file in expired:
            await self._delete(file)
        return len(expired)

    async def _delete(self, file: UUID) -> None:
        if self.folder is not None:
            # The row goes last: what has a row is looked at again.
            await asyncio.to_thread(shutil.rmtree, self.folder / str(file), ignore_errors=True)
        left = True
        while left:
            async with self.database.transaction() as session:
                chunks = await session.execute(
                    text("""
                        DELETE FROM file_chunks WHERE file = :file AND number IN (
                            SELECT number FROM file_chunks WHERE file = :file LIMIT :most)
                        RETURNING number
                    """),
                    {"file": file, "most": _AT_ONCE},
                )
                left = len(chunks.all()) == _AT_ONCE
        async with self.database.transaction() as session:
            await session.execute(text("DELETE FROM files WHERE id = :file"), {"file": file})


def pack_chunk(plain: bytes) -> bytes:
    """Pack a chunk that ``Storage.seal_packed`` is to seal: for another process, if need be."""
    return zstandard.compress(plain, 1)


async def keep_file(session: AsyncSession, file: UUID, *, until: datetime | None) -> None:
    """Keep a file until a time, or until it is released (None)."""
    await session.execute(
        text("UPDATE files SET expires_at = :until WHERE id = :file"),
        {"file": file, "until": until},
    )


async def release_file(session: AsyncSession, file: UUID, *, at: datetime) -> None:
    """Let a file be deleted from a time on, or earlier if that is its time already."""
    await session.execute(
        text("""
            UPDATE files SET expires_at = least(coalesce(expires_at, :at), :at) WHERE id = :file
        """),
        {"file": file, "at": at},
    )


class FileWriter:
    """Writes a file piece by piece; holds no more than three chunks."""

    def __init__(self, storage: Storage, file: UUID) -> None:
        """Begin at the start of a file that was created."""
        self.file = file
        self.size = 0
        self._storage = storage
        self._held = bytearray()
        self._begun = 0
        self._writing: asyncio.Task[None] | None = None
        self._sha256 = hashlib.sha256()

    async def write(self, piece: bytes) -> None:
        """Take a piece of any size; the last whole chunk is written while more may come."""
        self._held += piece
        self.size += len(piece)
        while len(self._held) >= CHUNK:
            await self._begin(bytes(self._held[:CHUNK]))
            del self._held[:CHUNK]

    async def _begin(self, chunk: bytes) -> None:
        await self._end()
        self._writing = asyncio.create_task(self._write(self._begun, chunk))
        self._begun += 1

    async def _end(self) -> None:
        if (writing := self._writing) is not None:
            self._writing = None
            await writing

    async def _write(self, number: int, chunk: bytes) -> None:
        await asyncio.to_thread(self._sha256.update, chunk)
        await self._storage.write_chunk(self.file, number, chunk)

    async def finish(self, *, name: str | None = None) -> StoredFile:
        """Write what is left; the file can be read from now on."""
        if self._held:
            await self._begin(bytes(self._held))
            self._held.clear()
        await self._end()
        stored = StoredFile(self.file, self.size, self._sha256.digest(), name)
        await self._storage.complete(stored)
        return stored

    async def stop(self) -> None:
        """Write nothing more of a file that breaks off."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)


async def read_file(storage: Storage, stored: StoredFile) -> AsyncIterator[bytes]:
    """Read a file from its beginning to its end, chunk by chunk, whatever their sizes.

    The next one is read while this one is taken.

    Raises:
        FileGone: it was deleted meanwhile.
    """
    left, number = stored.size, 0
    reading = asyncio.ensure_future(storage.read_chunk(stored.id, number)) if left else None
    try:
        while reading is not None:
            chunk = await reading
            left -= len(chunk)
            number += 1
            reading = (
                asyncio.ensure_future(storage.read_chunk(stored.id, number)) if left > 0 else None
            )
            yield chunk
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _chunk_context(file: UUID, number: int) -> bytes:
    return b"file_chunks.sealed %b %d" % (file.bytes, number)


def _name_context(file: UUID) -> bytes:
    return b"files.name " + file.bytes


@contextmanager
def _folder_away_is_503() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.warning("OPTOUT_FILES_DIR cannot be used", reason=error.strerror)
        raise Unavailable(
            f"The folder of files cannot be used: {error.strerror}. Nothing was recorded.",
            headers={"Retry-After": "1"},
        ) from error


def _write_durably(folder: Path, number: int, sealed: bytes) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = folder / f"{number}.part"
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(sealed)
        out.flush()
        os.fsync(out.fileno())
    written.replace(folder / str(number))
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def sealed_in(folder: Path, prefix: bytes) -> int:
    """Count the chunks in a directory of files whose sealed bytes begin so; it blocks."""
    count = 0
    for path in folder.glob("*/[0-9]*"):
        with suppress(FileNotFoundError), path.open("rb") as file:
            count += file.read(len(prefix)) == prefix
    return count


SEALED = (
    Sealed("files", "name", ("id",), lambda row: _name_context(row.id)),
    Sealed(
        "file_chunks",
        "sealed",
        ("file", "number"),
        lambda row: _chunk_context(row.file, row.number),
    ),
)
"""The columns of this room that are sealed."""
