"""Erasures: everybody who was told is told to erase; then the sealed value is destroyed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import forget_contacts
from app.identifiers import Identifier
from app.journal import Change, Lane, Reason, is_anyone_behind
from app.platform.refusals import NotFound
from app.points import PointKeys, destroy_values, find_merged, lock_point_ids, lock_points
from app.registry import (
    Cause,
    forget_evidence,
    opt_outs_about,
    read_states,
    tell_erased,
)

from .inbound_events import erase_events
from .opt_outs import forget_opt_outs
from .tables import ErasurePoint, ErasureRow


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request to be forgotten; ``completed_at`` is None until the values are destroyed."""

    id: UUID
    recorded_at: datetime
    completed_at: datetime | None
    key: int
    reference: str | None


@dataclass(frozen=True, slots=True)
class Requested:
    """An erasure as taken: which contact points the registry knows, and the last entry written."""

    erasure: Erasure
    known: frozenset[Identifier]
    position: int | None


async def request_erasure(
    session: AsyncSession, keys: PointKeys, erasure: Erasure, identifiers: Collection[Identifier]
) -> Requested:
    """Tell every database that was told of some contact points to erase them.

    In their former normal forms too, where the phone tables have changed. Checks go on blocking.
    The values are destroyed by ``complete_erasures``.
    """
    points = await lock_points(session, keys, identifiers)
    merged = await find_merged(session, [point.id for point in points.values()])
    everywhere = {point.id: point for point in points.values()}
    everywhere |= {point.id: point for point, _ in merged.values()}
    await session.execute(
        insert(ErasureRow).values(
            id=erasure.id,
            recorded_at=erasure.recorded_at,
            key=erasure.key,
            reference=erasure.reference,
        )
    )
    if points:
        await session.execute(
            insert(ErasurePoint),
            [{"erasure": erasure.id, "point": point} for point in everywhere],
        )
    # Who was only ever refused at a door is known by no contact point.
    subjects = [digest for one in identifiers for digest in keys.digests.digests(one)]
    await erase_events(session, subjects=subjects)
    at = erasure.recorded_at
    cause = Cause(Change.ERASED, Reason.ERASURE, Lane.LIVE, at, at)
    states = await tell_erased(session, cause, list(everywhere.values()))
    position = max((state.position for state in states), default=None)
    return Requested(erasure, frozenset(points), position)


async def find_erasure(session: AsyncSession, erasure: UUID) -> Erasure:
    """Find a request to be forgotten.

    Raises:
        NotFound: there is none.
    """
    row = await session.get(ErasureRow, erasure)
    if row is None:
        raise NotFound("There is no such erasure.")
    return _erasure(row)


async def open_erasures(session: AsyncSession, *, after: UUID | None, most: int) -> Sequence[UUID]:
    """List requests whose values still stand, by their ids, which begin with their time."""
    query = select(ErasureRow.id).where(ErasureRow.completed_at.is_(None))
    if after is not None:
        query = query.where(ErasureRow.id > after)
    rows = await session.execute(query.order_by(ErasureRow.id).limit(most))
    return rows.scalars().all()


async def complete_erasure(
    session: AsyncSession, erasure: UUID, *, at: datetime, delay: timedelta
) -> bool:
    """Destroy what one erasure is about, if every database has acknowledged, or it is too late.

    What is destroyed: the sealed value, the free text and references to raw evidence of the
    opt-outs, reinstatements, consents, contracts and the profile about it, and what is kept of
    providers' events. The digest stays, and checks go on blocking.

    Returns:
        Whether it was destroyed now.
    """
    row = await session.get(ErasureRow, erasure, with_for_update={"skip_locked": True})
    if row is None or row.completed_at is not None:
        return False
    found = await session.execute(
        text("SELECT point FROM erasure_points WHERE erasure = :erasure"), {"erasure": erasure}
    )
    locked = await lock_point_ids(session, found.scalars().all())
    points, subjects = [point.id for point in locked], [point.digest for point in locked]
    if at < row.recorded_at + delay and not await _all_told(session, points):
        return False
    await destroy_values(session, points, at)
    opt_outs = await opt_outs_about(session, points)
    await forget_opt_outs(session, opt_outs)
    await erase_events(session, subjects=subjects, opt_outs=opt_outs)
    await forget_evidence(session, points)
    await forget_contacts(session, points)
    row.completed_at = at
    await session.flush()
    return True


async def _all_told(session: AsyncSession, points: Collection[int]) -> bool:
    # The last entry of each, not the erasure's own: an opt-out that came since must be told too.
    # And whoever begins again has heard the name once more when the value is destroyed half-way,
    # and would never hear that it is to be erased.
    positions = [state.position for state in await read_states(session, points)]
    return not await is_anyone_behind(session, positions)


def _erasure(row: ErasureRow) -> Erasure:
    return Erasure(row.id, row.recorded_at, row.completed_at, row.key, row.reference)
