"""Withdrawals: that a person withdrew consent or refused a call, as intake took it.

What is kept beside a consent is never edited by one: whether it was withdrawn is derived, so that
a consent which arrives after its withdrawal is withdrawn all the same.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import EVERY_BRAND, Media, Reason

WITHDRAWS = (Reason.CONSENT_WITHDRAWN, Reason.REFUSAL)
"""Reasons of opt-outs that withdraw consent; a refusal in a call does too (C. conso R223-3)."""


class Withdrawing(NamedTuple):
    """A withdrawal: for a brand or every one, and some media."""

    point: int
    brand: int
    media: Media
    reason: Reason
    occurred_at: datetime


async def keep_withdrawals(
    session: AsyncSession, record: UUID, withdrawn: Iterable[Withdrawing]
) -> None:
    """Keep those of some opt-outs that withdraw consent; ``record`` is the opt-out's id."""
    kept = [one for one in withdrawn if one.reason in WITHDRAWS]
    if not kept:
        return
    await session.execute(
        text("""
            INSERT INTO withdrawals (point, occurred_at, record, brand, media, reason)
            SELECT g.point, g.occurred_at, :record, g.brand, g.media, g.reason
            FROM unnest(CAST(:points AS int8[]), CAST(:brands AS int2[]), CAST(:media AS int2[]),
                        CAST(:reasons AS int2[]), CAST(:occurred AS timestamptz[]))
                 AS g (point, brand, media, reason, occurred_at)
        """),
        {
            "record": record,
            "points": [one.point for one in kept],
            "brands": [one.brand for one in kept],
            "media": [int(one.media) for one in kept],
            "reasons": [int(one.reason) for one in kept],
            "occurred": [one.occurred_at for one in kept],
        },
    )


async def void_withdrawals(
    session: AsyncSession, record: UUID, points: Collection[int], *, at: datetime
) -> None:
    """Void what an opt-out, or a file of them, withdrew for some contact points."""
    await session.execute(
        text("""
            UPDATE withdrawals SET voided_at = :at
            WHERE record = :record AND point = ANY(:points) AND voided_at IS NULL
        """),
        {"record": record, "points": list(points), "at": at},
    )


async def lift_refusals(
    session: AsyncSession, point: int, *, brand: int, media: Media, before: datetime
) -> None:
    """Let refusals count no more that came before a positive act of the person.

    A consent that was withdrawn stays so: only a new one is one.
    """
    await session.execute(
        text("""
            UPDATE withdrawals SET lifted = lifted | (media & :media)
            WHERE point = :point AND CAST(:brand AS int2) IN (:every, brand)
              AND occurred_at < :before
        """),
        {
            "point": point,
            "brand": brand,
            "every": EVERY_BRAND,
            "media": int(media),
            "before": before,
        },
    )
