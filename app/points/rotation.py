"""Bringing every contact point to the current keys, a chunk at a time."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .points import PointKeys, unseal

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
                SELECT id, kind, digest, key_number, sealed FROM contact_points
                WHERE id > :after ORDER BY id LIMIT :most FOR UPDATE
            """),
            {"after": after, "most": _CHUNK},
        )
    ).all()
    for row in rows:
        identifier = unseal(keys, row.kind, row.digest, row.sealed)
        if identifier is None:
            continue
        number, digest = keys.digests.digest(identifier)
        await session.execute(
            text("""
                UPDATE contact_points SET digest = :digest, key_number = :number, sealed = :sealed
                WHERE id = :id
            """),
            {
                "id": row.id,
                "digest": digest,
                "number": number,
                "sealed": keys.vault.seal(identifier.value.encode(), context=digest),
            },
        )
    return rows[-1].id if rows else None
