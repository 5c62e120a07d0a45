"""Taking from consents what they prove: the evidence is gone, or the record was a mistake."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .words import Proof

# Consents may differ by their proof alone, and must not then stand in each other's way.
_DROP_TWINS = text("""
WITH twins AS (
    SELECT c.id FROM consents c
    WHERE c.id = ANY(:ids) AND c.proof <> :proof AND EXISTS (
        SELECT FROM consents o
        WHERE o.point = c.point AND o.given_at = c.given_at AND o.object = c.object
          AND o.expires_at IS NOT DISTINCT FROM c.expires_at AND o.wording = c.wording
          AND o.brand = c.brand AND o.medium = c.medium
          AND (o.proof = :proof OR (o.id < c.id AND o.id = ANY(:ids)))
    )
), copies AS (
    DELETE FROM consent_copies y USING twins WHERE y.consent = twins.id
)
DELETE FROM consents c USING twins WHERE c.id = twins.id
""")


async def degrade(session: AsyncSession, consents: Collection[UUID], proof: Proof) -> None:
    """Let consents prove no more than ``proof``; of those that then say the very same one stays."""
    given = {"ids": list(consents), "proof": proof}
    await session.execute(_DROP_TWINS, given)
    await session.execute(
        text("UPDATE consents SET proof = :proof WHERE id = ANY(:ids) AND proof <> :proof"), given
    )


async def void_consents(session: AsyncSession, consents: Collection[UUID]) -> None:
    """Let consents count for nothing that a mistake brought; what they said stays on record."""
    await degrade(session, consents, Proof.VOIDED)
