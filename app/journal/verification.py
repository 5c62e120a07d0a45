"""Proving that the journal is whole: every position there, every hash as it must be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from .cursors import GENESIS, read_head
from .entries import chain, content_of, read_rows

_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found; ``broken_at`` is the first position that is wrong, None if all are right."""

    entries: int
    broken_at: int | None
    detail: str


async def verify(session: AsyncSession) -> AsyncIterator[Verification]:
    """Recompute the chain from its start, yielding progress; the last one yielded is the verdict.

    Entries written while it runs are left out. Each page is read by itself, so that a long
    journal does not pin old versions of its head row, if the caller's transaction allows it.
    """
    head = await read_head(session)
    previous, position = GENESIS, 0
    while position < head.position:
        most = min(_PAGE, head.position - position)
        entries = await read_rows(session, after=position, most=most)
        for entry in entries:
            if entry.position != position + 1:
                yield _broken(position + 1, "the entry is missing")
                return
            if chain(previous, content_of(entry, entry.id, entry.commitment)) != entry.hash:
                yield _broken(entry.position, "the entry is not what was written")
                return
            previous, position = entry.hash, entry.position
        if not entries:
            yield _broken(position + 1, "the entry is missing")
            return
        yield Verification(position, None, "so far whole")
    if previous != head.hash:
        yield _broken(head.position, "the head's hash is not that of the last entry")
        return
    yield Verification(position, None, "whole")


def _broken(position: int, detail: str) -> Verification:
    return Verification(position - 1, position, f"position {position}: {detail}")
