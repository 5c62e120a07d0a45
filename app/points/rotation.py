"""Bringing every contact point to the current keys, a chunk at a time."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.resealing import Sealed

from .points import PointKeys, bring_current, unseal

SEALED = (Sealed("contact_points", "sealed", ("id",), lambda row: bytes(row.digest), ("digest",)),)
"""The columns of this room that are sealed; ``rekey_points`` brings them to the current key."""

_CHUNK = 1_000


async def rekey_points(session: AsyncSession, keys: PointKeys, *, after: int) -> int | None:
    """Digest and seal the next contact points under the current keys; one transaction's worth.

    What was erased cannot be digested anew and keeps its old key, which must stay in the ring.

    Returns:
        The number to go on after, None at the end.
    """
    rows = (
        await session.execute(
            text("""
                SELECT id, kind, digest, sealed FROM contact_points
                WHERE id > :after ORDER BY id LIMIT :most
            """),
            {"after": after, "most": _CHUNK},
        )
    ).all()
    opened = [unseal(keys, row.kind, row.digest, row.sealed) for row in rows]
    await bring_current(session, keys, [one for one in opened if one is not None], reseal=True)
    return rows[-1].id if rows else None
