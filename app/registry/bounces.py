"""Hard bounces: grounds that a proof of delivery lifts too, and it no other."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Change, Lane, Reason
from app.points import Point

from .grounds import Lifting, keep_reinstatement
from .suppressions import Cause, State, rederive


async def bounced_among(session: AsyncSession, points: Collection[int]) -> set[int]:
    """Tell on which of some contact points a hard bounce stands."""
    rows = await session.scalars(
        text("""
            SELECT DISTINCT point FROM grounds
            WHERE point = ANY(:points) AND reason = :reason AND voided_at IS NULL
              AND media & ~lifted <> 0
        """),
        {"points": list(points), "reason": Reason.HARD_BOUNCE},
    )
    return set(rows)


async def lift_bounces(session: AsyncSession, lifting: Lifting, point: Point) -> list[State]:
    """Lift the hard bounces of a contact point that occurred before a delivery, for every brand.

    No other ground is touched, and none that arrives later.

    Returns:
        The states that changed; none where no bounce stood.
    """
    lifted = await session.execute(
        text("""
            UPDATE grounds SET lifted = lifted | (media & :media)
            WHERE point = :point AND reason = :reason AND occurred_at < :occurred_at
              AND voided_at IS NULL AND media & ~lifted & :media <> 0
            RETURNING id
        """),
        {
            "point": point.id,
            "reason": Reason.HARD_BOUNCE,
            "occurred_at": lifting.occurred_at,
            "media": int(lifting.media),
        },
    )
    if not lifted.all():
        return []
    await keep_reinstatement(session, lifting, point, narrow=True)
    cause = Cause(
        Change.LIFTED, Reason.HARD_BOUNCE, Lane.LIVE, lifting.occurred_at, lifting.recorded_at
    )
    return await rederive(session, cause, [point])
