"""A stored file as a thread reads it: seekable, opened chunk by chunk, in bounded memory."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import Future
from typing import BinaryIO

from .storage import CHUNK, Storage, StoredFile

_DEADLINE = 60.0


def open_file(storage: Storage, stored: StoredFile) -> BinaryIO:
    """Open a file for a thread; called in the event loop that goes on meanwhile.

    Reading raises ``FileGone`` if it is deleted meanwhile; two chunks are held.
    """
    loop = asyncio.get_running_loop()

    def fetch(number: int) -> Future[bytes]:
        return asyncio.run_coroutine_threadsafe(storage.read_chunk(stored.id, number), loop)

    return io.BufferedReader(_Source(fetch, stored.size), CHUNK)


class _Source(io.RawIOBase):
    """The plain bytes; the next chunk is fetched while this one is read."""

    def __init__(self, fetch: Callable[[int], Future[bytes]], size: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._at = 0
        self._number = -1
        self._chunk = b""
        self._next: tuple[int, Future[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a place before the beginning")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what callers pass
        if self._at >= self._size:
            return 0
        number, start = divmod(self._at, CHUNK)
        self._turn_to(number)
        piece = self._chunk[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _turn_to(self, number: int) -> None:
        if number == self._number:
            return
        waiting = self._next
        if waiting is None or waiting[0] != number:
            if waiting is not None:
                waiting[1].cancel()
            waiting = number, self._fetch(number)
        self._next = None
        self._chunk = waiting[1].result(_DEADLINE)
        self._number = number
        if (number + 1) * CHUNK < self._size:
            self._next = number + 1, self._fetch(number + 1)

    def close(self) -> None:
        if self._next is not None:
            self._next[1].cancel()
            self._next = None
        super().close()
