"""The answers to a file's rows, kept sealed beside it: what each was told, and by which digest.

They make a scrub exact (what changed while it ran is decided anew) and its refresh cheap (nothing
is read or digested again to find out who changed).
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession

from app.files import Storage

from .judged import Judged

ALLOW, BLOCK, UNUSABLE, BLANK = range(4)
"""What a row was told; ``BLANK`` is an empty line, which is no row for anybody."""
DEFER, REVIEW = 4, 5
"""What the law tells a row on which nothing stands, beside ``ALLOW`` and ``BLOCK``."""
DECISION = 0b011
DUPLICATE = 0b100
"""Beside the decision: the same contact point stood in an earlier row, however written."""

TOGETHER = 8
"""Blocks that one transaction puts in their places, where so many are ready."""

DIGEST_BYTES = 16
NO_DIGEST = bytes(DIGEST_BYTES)
"""Stands for what cannot be understood. Should a digest ever be zero, its row is blocked."""

_BY_LAW = {"allow": ALLOW, "block": BLOCK, "defer": DEFER, "review": REVIEW}
_ROWS = struct.Struct("<I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_REMEMBERED_BYTES = 33_554_432


@dataclass(slots=True)
class Block:
    """The answers to some thousand rows in order.

    ``sinces`` are microseconds since 1970, 0 where nothing blocks; ``digests`` hold 16 bytes a
    row for each live key, the current one first. ``judged`` is what the law says about the rows,
    None where it was not asked; it counts for those that are allowed.
    """

    codes: NDArray[np.uint8]
    sinces: NDArray[np.int64]
    digests: tuple[bytes, ...]
    judged: Judged | None = None

    @classmethod
    def begin(cls, digests: tuple[bytes, ...], blank: Iterable[int]) -> "Block":
        """Begin with the digests of some rows: what cannot be understood is answered already."""
        rows = len(digests[0]) // DIGEST_BYTES
        block = cls(np.zeros(rows, np.uint8), np.zeros(rows, np.int64), digests)
        block.codes[~block.words(0).any(axis=1)] = UNUSABLE
        block.codes[[*blank]] = BLANK
        return block

    def __len__(self) -> int:
        """Count the rows, empty lines included."""
        return len(self.codes)

    @property
    def rows(self) -> int:
        """Count the rows, empty lines left out."""
        return int(np.count_nonzero(self.codes != BLANK))

    @property
    def bytes_held(self) -> int:
        """Tell about how much memory it takes."""
        law = 0 if self.judged is None else 3 * len(self)
        return 9 * len(self) + sum(map(len, self.digests)) + law

    def pack(self) -> bytes:
        """Write what the rows were told as bytes."""
        law = b"" if self.judged is None else self.judged.pack()
        return b"".join((_ROWS.pack(len(self)), self.codes.tobytes(), self.sinces.tobytes(), law))

    @classmethod
    def unpack(cls, packed: bytes, digests: bytes) -> "Block":
        """Read what ``pack`` wrote, beside the digests under all keys one after the other."""
        (rows,) = _ROWS.unpack_from(packed)
        at = _ROWS.size
        codes = np.frombuffer(packed, np.uint8, rows, at).copy()
        at += rows
        sinces = np.frombuffer(packed, np.int64, rows, at).copy()
        law = packed[at + 8 * rows :]
        size = DIGEST_BYTES * rows
        by_key = tuple(digests[at : at + size] for at in range(0, len(digests), size or 1))
        return cls(codes, sinces, by_key or (b"",), Judged.unpack(law, rows) if law else None)

    def without_digests(self) -> "Block":
        """Give it as its rows are written, for a process that need not know who they are."""
        return Block(self.codes, self.sinces, (), self.judged)

    def told(self) -> NDArray[np.uint8]:
        """Tell what each row is told: ``ALLOW`` to ``BLANK``, or by the law ``DEFER``, ``REVIEW``.

        What the law was to be asked about and was not is blocked.
        """
        codes = self.codes & np.uint8(DECISION)
        if self.judged is None:
            return codes
        by_outcome = [BLOCK, *(_BY_LAW[brief.decision] for brief in self.judged.briefs)]
        by_law = np.array(by_outcome, np.uint8)[self.judged.outcomes]
        codes[codes == ALLOW] = by_law[codes == ALLOW]
        return codes

    def words(self, key: int) -> NDArray[np.uint64]:
        """Give the digests under one of the keys as two numbers a row."""
        return np.frombuffer(self.digests[key], np.uint64).reshape(-1, 2)

    def digest(self, row: int, key: int) -> bytes:
        """Give a row's digest under one of the keys."""
        return self.digests[key][DIGEST_BYTES * row : DIGEST_BYTES * (row + 1)]

    def decide(self, row: int, since: datetime | None) -> None:
        """Block a row since a time, or allow it (None)."""
        self.codes[row] = self.codes[row] & DUPLICATE | (ALLOW if since is None else BLOCK)
        self.sinces[row] = 0 if since is None else (since - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Changes:
    """Contact points to decide anew: by digest since when each is blocked, None for allowed."""

    since: Mapping[bytes, datetime | None]

    def apply(self, block: Block) -> list[tuple[int, bytes]]:
        """Decide the rows of a block anew: which there were to decide, by which digest."""
        sought = np.frombuffer(b"".join(self.since), np.uint64)[::2]
        found = []
        for key in range(len(block.digests)):
            for row in np.flatnonzero(np.isin(block.words(key)[:, 0], sought)).tolist():
                digest = block.digest(row, key)
                if digest in self.since and digest != NO_DIGEST:
                    block.decide(row, self.since[digest])
                    found.append((row, digest))
        return found


class Answers:
    """The answers to one file, block by block: what was told, and apart from it the digests.

    What was put is remembered as well, as far as that takes little memory.
    """

    def __init__(self, storage: Storage, file: UUID) -> None:
        """Take the file that they are kept in."""
        self._storage = storage
        self._file = file
        self._blocks: dict[int, Block] = {}
        self._room = _REMEMBERED_BYTES

    async def read(self, number: int) -> Block:
        """Read a block; whoever changes it puts it in its place again.

        Raises:
            FileGone: the scrub's time is over.
        """
        if (block := self._blocks.get(number)) is not None:
            return block
        digests = await self._storage.read_chunk(self._file, 2 * number)
        told = await self._storage.read_chunk(self._file, 2 * number + 1)
        return await asyncio.to_thread(Block.unpack, told, digests)

    async def seal(self, number: int, block: Block) -> dict[int, bytes]:
        """Seal a new block, to be put in its place by ``put``."""
        digests = await self._storage.seal_chunk(self._file, 2 * number, b"".join(block.digests))
        return {2 * number: digests, **await self.seal_told(number, block)}

    async def seal_told(self, number: int, block: Block) -> dict[int, bytes]:
        """Seal anew what the rows of a block were told, to be put in its place by ``put``."""
        told = await self._storage.seal_chunk(self._file, 2 * number + 1, block.pack())
        return {2 * number + 1: told}

    async def put(self, session: AsyncSession, sealed: Mapping[int, bytes]) -> None:
        """Put what was sealed in its place, in the transaction that says it may be put there."""
        for number, chunk in sealed.items():
            await self._storage.put_chunk(session, self._file, number, chunk)

    def remember(self, number: int, block: Block) -> None:
        """Remember a block that was put, if there is room."""
        if number not in self._blocks and self._room >= block.bytes_held:
            self._room -= block.bytes_held
            self._blocks[number] = block

    async def changed(
        self, blocks: int, change: Callable[[Block], Awaitable[bool]]
    ) -> AsyncIterator[dict[int, Block]]:
        """Change so many blocks; give those of which it is said that they were, by number.

        They come some at a time. Whoever takes them puts them back before asking for more.
        """
        changed: dict[int, Block] = {}
        for number in range(blocks):
            block = await self.read(number)
            if await change(block):
                changed[number] = block
            if len(changed) == TOGETHER:
                yield changed
                changed = {}
        if changed:
            yield changed
