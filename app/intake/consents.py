"""Consents come in: kept by contacts, beside the objections that stand whatever is consented to."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import (
    NewConsent,
    Origin,
    Proof,
    Recorded,
    UnusableRecord,
    record_consents,
)
from app.journal import EVERY_BRAND, Media
from app.points import PointKeys
from app.registry import read_states

Objected = dict[tuple[int, int], Media]
"""What is suppressed, by contact point and brand."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A consent as it was taken; ``objection_stands`` whatever it says."""

    id: UUID
    fresh: bool
    complete: bool
    objection_stands: bool


async def take_consents(
    session: AsyncSession, keys: PointKeys, news: Sequence[NewConsent], origin: Origin
) -> list[Taken | UnusableRecord]:
    """Keep consents; none of them lifts an objection, and each is told whether one stands."""
    kept = await record_consents(session, keys, news, origin)
    points = {one.point for one in kept if isinstance(one, Recorded)}
    objected = await objections_on(session, points)
    return [
        Taken(
            one.id,
            one.fresh,
            new.proof is Proof.COMPLETE,
            is_objected(objected, one.point, new.brand, new.medium),
        )
        if isinstance(one, Recorded)
        else one
        for one, new in zip(kept, news, strict=True)
    ]


async def objections_on(session: AsyncSession, points: Collection[int]) -> Objected:
    """Tell what is suppressed for some contact points."""
    states = await read_states(session, points)
    return {(state.point, state.brand): state.media for state in states}


def is_objected(objected: Objected, point: int, brand: int, medium: Media) -> bool:
    """Tell whether an objection forbids a medium for a brand."""
    brands: Iterable[int] = (EVERY_BRAND, brand)
    return any(medium in objected.get((point, one), Media(0)) for one in brands)
