"""Moving what stands about one contact point to the one that it became."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_MOVES = (
    "UPDATE withdrawals SET point = :into WHERE point = :point",
    """
    UPDATE consents c SET point = :into WHERE point = :point AND NOT EXISTS (
        SELECT FROM consents o WHERE o.point = :into AND o.given_at = c.given_at
          AND o.expires_at IS NOT DISTINCT FROM c.expires_at AND o.object = c.object
          AND o.wording = c.wording AND o.brand = c.brand AND o.medium = c.medium
          AND o.proof = c.proof)
    """,
    """
    UPDATE contracts c SET point = :into WHERE point = :point AND NOT EXISTS (
        SELECT FROM contracts o WHERE o.point = :into AND o.brand = c.brand
          AND o.object = c.object AND o.from_on = c.from_on)
    """,
    """
    UPDATE contact_attempts c SET point = :into WHERE point = :point AND NOT EXISTS (
        SELECT FROM contact_attempts o WHERE o.point = :into AND o.medium = c.medium
          AND o.attempted_at = c.attempted_at AND o.brand = c.brand)
    """,
)


async def merge_contacts(session: AsyncSession, into: Mapping[int, int]) -> None:
    """Move all records of contact points to others; what the others hold already stays behind.

    A profile stays too, for what is sealed in it is bound to its place: the person is judged as a
    consumer until somebody says who they are. Both sides are locked by the caller.
    """
    for point, other in into.items():
        for move in _MOVES:
            await session.execute(text(move), {"point": point, "into": other})
