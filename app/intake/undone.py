"""What has happened since to what an opt-out laid: lifted, voided, erased, and by which act."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Change, Entry, read_undoing
from app.registry import Ground, grounds_on, reinstatements_of

_ACTS = 500
"""Acts about one contact point among which the one that wrote an entry is sought."""

Why = Literal["void", "file_void", "reinstatement", "erasure", "unknown"]


@dataclass(frozen=True, slots=True)
class Undoing:
    """A later entry about a contact point and brand, and why it was written.

    ``record`` is the opt-out, or with ``file_void`` the import, that was voided.
    """

    entry: Entry
    why: Why
    record: UUID | None


async def read_undone(
    session: AsyncSession, grounds: Sequence[Ground], *, most: int
) -> list[Undoing]:
    """List the latest entries that took away from what was laid, the latest first."""
    first = min((ground.position for ground in grounds), default=0)
    entries = await read_undoing(
        session,
        {(ground.point, ground.brand) for ground in grounds},
        after=first,
        most=most,
    )
    voids = await _voids(session, {entry.point for entry in entries})
    acts = await _acts(session, {entry.point for entry in entries})
    return [_why(entry, voids, acts) for entry in entries]


_At = tuple[int, datetime]


async def _voids(session: AsyncSession, points: Collection[int]) -> Mapping[_At, Ground]:
    return {
        (ground.point, ground.voided_at): ground
        for point in points
        for ground in await grounds_on(session, point, most=_ACTS)
        if ground.voided_at is not None
    }


async def _acts(session: AsyncSession, points: Collection[int]) -> Collection[_At]:
    return {
        (point, lifting.recorded_at)
        for point in points
        for lifting in await reinstatements_of(session, point, most=_ACTS)
    }


def _why(entry: Entry, voids: Mapping[_At, Ground], acts: Collection[_At]) -> Undoing:
    """Find the act that wrote an entry: both carry the time at which it was recorded."""
    at = (entry.point, entry.recorded_at)
    if entry.change is Change.ERASED:
        return Undoing(entry, "erasure", None)
    if at in voids:
        ground = voids[at]
        return Undoing(entry, "file_void" if ground.line else "void", ground.opt_out)
    return Undoing(entry, "reinstatement" if at in acts else "unknown", None)
