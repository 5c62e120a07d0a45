"""The answers to a file's rows, kept sealed beside it: what each was told, and by which digest.

They make a scrub exact (what changed while it ran is decided anew) and its refresh cheap (nothing
is read or digested again to find out who changed).
"""

import asyncio
import struct
import sys
from array import array
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

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

DIGEST_BYTES = 16
NO_DIGEST = bytes(DIGEST_BYTES)
"""Stands for what cannot be understood. Should a digest ever be zero, its row is blocked."""

_BY_LAW = {"allow": ALLOW, "block": BLOCK, "defer": DEFER, "review": REVIEW}
_HEAD = struct.Struct("<IB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Block:
    """The answers to some thousand rows in order.

    ``sinces`` are microseconds since 1970, 0 where nothing blocks; ``digests`` hold 16 bytes a
    row for each live key, the current one first. ``judged`` is what the law says about the rows,
    None where it was not asked; it counts for those that are allowed.
    """

    codes: bytearray
    sinces: "array[int]"
    digests: tuple[bytes, ...]
    judged: Judged | None = None

    @classmethod
    def begin(cls, digests: tuple[bytes, ...], blank: Iterable[int]) -> "Block":
        """Begin with the digests of some rows: what cannot be understood is answered already."""
        rows = len(digests[0]) // DIGEST_BYTES
        block = cls(bytearray(rows), array("q", bytes(8 * rows)), digests)
        if NO_DIGEST in digests[0]:
            for row in range(rows):
                if block.digest(row, 0) == NO_DIGEST:
                    block.codes[row] = UNUSABLE
        for row in blank:
            block.codes[row] = BLANK
        return block

    def pack(self) -> bytes:
        """Write it as bytes."""
        head = _HEAD.pack(len(self.codes), len(self.digests))
        law = b"" if self.judged is None else self.judged.pack()
        return b"".join((head, self.codes, self.sinces.tobytes(), *self.digests, law))

    @classmethod
    def unpack(cls, packed: bytes) -> "Block":
        """Read what ``pack`` wrote."""
        rows, keys = _HEAD.unpack_from(packed)
        at = _HEAD.size
        codes = bytearray(packed[at : at + rows])
        at += rows
        sinces = array("q", packed[at : at + 8 * rows])
        at += 8 * rows
        width = DIGEST_BYTES * rows
        digests = tuple(packed[at + key * width : at + (key + 1) * width] for key in range(keys))
        law = packed[at + keys * width :]
        return cls(codes, sinces, digests, Judged.unpack(law, rows) if law else None)

    def told(self) -> bytes:
        """Tell what each row is told: ``ALLOW`` to ``BLANK``, or by the law ``DEFER``, ``REVIEW``.

        What the law was to be asked about and was not is blocked.
        """
        codes = bytes(code & DECISION for code in self.codes)
        if self.judged is None:
            return codes
        by_outcome = [BLOCK, *(_BY_LAW[brief.decision] for brief in self.judged.briefs)]
        outcomes = self.judged.outcomes
        return bytes(
            by_outcome[outcome] if code == ALLOW else code
            for code, outcome in zip(codes, outcomes, strict=True)
        )

    def prefixes(self, key: int = 0) -> "array[int]":
        """Give the first eight bytes of each row's digest as a number."""
        return array("Q", self.digests[key])[::2]

    def prefix(self, row: int) -> int:
        """Give the first eight bytes of a row's digest under the current key as a number."""
        return int.from_bytes(
            self.digests[0][DIGEST_BYTES * row : DIGEST_BYTES * row + 8], sys.byteorder
        )

    def digest(self, row: int, key: int) -> bytes:
        """Give a row's digest under one of the keys."""
        return self.digests[key][DIGEST_BYTES * row : DIGEST_BYTES * (row + 1)]

    def decide(self, row: int, since: datetime | None) -> None:
        """Block a row since a time, or allow it (None)."""
        self.codes[row] = self.codes[row] & DUPLICATE | (ALLOW if since is None else BLOCK)
        self.sinces[row] = 0 if since is None else (since - _EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    """Tell the time that ``Block.sinces`` holds."""
    return _EPOCH + timedelta(microseconds=microseconds)


@dataclass(frozen=True, slots=True)
class Changes:
    """Contact points to decide anew: by digest since when each is blocked, None for allowed."""

    since: Mapping[bytes, datetime | None]

    def apply(self, block: Block) -> bool:
        """Decide the rows of a block anew; tell whether there was any to decide."""
        sought = {int.from_bytes(digest[:8], sys.byteorder) for digest in self.since}
        found = False
        for key in range(len(block.digests)):
            prefixes = block.prefixes(key)
            if sought.isdisjoint(prefixes):
                continue
            for row in (row for row, prefix in enumerate(prefixes) if prefix in sought):
                digest = block.digest(row, key)
                if digest in self.since and digest != NO_DIGEST:
                    block.decide(row, self.since[digest])
                    found = True
        return found


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one file, block by block."""

    storage: Storage
    file: UUID

    async def read(self, number: int) -> Block:
        """Read a block.

        Raises:
            FileGone: the scrub's time is over.
        """
        packed = await self.storage.read_chunk(self.file, number)
        return await asyncio.to_thread(Block.unpack, packed)

    async def seal(self, number: int, block: Block) -> bytes:
        """Seal a block, to be put in its place by ``put``."""
        return await self.storage.seal_chunk(self.file, number, block.pack())

    async def put(self, session: AsyncSession, number: int, sealed: bytes) -> None:
        """Put a block in its place, in the transaction that says it may be put there."""
        await self.storage.put_chunk(session, self.file, number, sealed)

    async def blocks(self, count: int) -> AsyncIterator[tuple[int, Block]]:
        """Read the first so many blocks in order."""
        for number in range(count):
            yield number, await self.read(number)
