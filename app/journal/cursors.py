"""Cursors: a place in the journal that can tell when the journal is no longer the same.

A position alone looks valid after a restore to an older state, and a follower would silently
miss what is written a second time. So a cursor holds the journal's id, the follower's generation,
the position and the first bytes of the chain's hash there.
"""

import base64
import binascii
import struct
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.metrics import counter
from app.platform.pages import BadCursor
from app.platform.problems import Problem

_CURSOR = struct.Struct(">B16sHQ8s")
_FORMAT = 1
_FORKS = counter("optout_journal_forks_total", "Cursors refused because the journal forked")
GENESIS = bytes(32)
"""The hash before the first entry."""


class JournalForked(Problem):
    """The journal was restored to an older state, or is another one: the cursor leads nowhere.

    What you applied may hold entries that this journal never had. Take the snapshot that
    `snapshot` names, make your list equal to it, and go on from its `Journal-Cursor`.
    """

    type = "journal-forked"
    title = "The journal is no longer the one this cursor was made for"
    status = 410


class CursorExpired(Problem):
    """The database's registration changed, and with it what it must know.

    Take the snapshot that `snapshot` names and go on from its `Journal-Cursor`.
    """

    type = "cursor-expired"
    title = "The cursor was made before the registration changed"
    status = 410


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the journal at one moment."""

    journal: UUID
    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a journal, for one generation of one follower."""

    journal: UUID
    generation: int
    position: int
    hash: bytes

    def __str__(self) -> str:
        """Write it as the wire does: URL-safe, opaque."""
        packed = _CURSOR.pack(
            _FORMAT, self.journal.bytes, self.generation, self.position, self.hash[:8]
        )
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def parse(cls, written: str) -> "Cursor":
        """Read what ``str`` wrote.

        Raises:
            BadCursor: it is nothing that ``str`` writes.
        """
        try:
            padded = written.encode("ascii") + b"=" * (-len(written) % 4)
            form, journal, generation, position, start = _CURSOR.unpack(
                base64.b64decode(padded, altchars=b"-_", validate=True)
            )
        except (ValueError, binascii.Error, struct.error):
            raise BadCursor from None
        if form != _FORMAT:
            raise BadCursor
        return cls(UUID(bytes=journal), generation, position, start)


async def read_head(session: AsyncSession) -> Head:
    """Read where the journal ends now."""
    row = (
        await session.execute(
            text("SELECT journal_id, position, hash FROM journal_head WHERE number = 1")
        )
    ).one()
    return Head(row.journal_id, row.position, row.hash)


async def cursor_at(session: AsyncSession, head: Head, generation: int, position: int) -> Cursor:
    """Make the cursor for a position that is not beyond the head."""
    return Cursor(head.journal, generation, position, await _hash_at(session, head, position))


async def resolve(
    session: AsyncSession, cursor: Cursor, *, generation: int, snapshot: str
) -> tuple[int, Head]:
    """Check that a cursor still leads somewhere; ``snapshot`` is the address to begin again at.

    Returns:
        Its position, and the head as it was when that was checked.

    Raises:
        JournalForked: another journal, a position beyond the head, or another hash there.
        CursorExpired: the follower's registration changed since.
    """
    head = await read_head(session)
    extra = {"snapshot": snapshot}
    if cursor.journal != head.journal or cursor.position > head.position:
        raise _forked("The journal does not reach this cursor.", extra)
    found = await _hash_at(session, head, cursor.position)
    if found[: len(cursor.hash)] != cursor.hash:
        raise _forked("The journal has another entry at this cursor.", extra)
    if cursor.generation != generation:
        raise CursorExpired("The registration changed after this cursor was given.", extra=extra)
    return cursor.position, head


def _forked(detail: str, extra: dict[str, str]) -> JournalForked:
    _FORKS.inc()
    return JournalForked(detail, extra=extra)


async def _hash_at(session: AsyncSession, head: Head, position: int) -> bytes:
    if position == head.position:
        return head.hash
    if position == 0:
        return GENESIS
    found = await session.execute(
        text("SELECT hash FROM journal_entries WHERE position = :position"),
        {"position": position},
    )
    return bytes(found.scalar_one())
