"""The contact points that records are about: found or made, and locked until the commit."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.points import PointKeys, claim_many, prepare_points


async def number_points(
    session: AsyncSession, keys: PointKeys, identifiers: Sequence[Identifier]
) -> list[int]:
    """Give the number of each contact point; those that are new get one.

    They are digested and sealed in a thread, before anything is locked. One that was erased stays
    so: a record about it brings nobody back.
    """
    prepared = await asyncio.to_thread(prepare_points, keys, identifiers)
    claimed = await claim_many(session, keys, prepared)
    return [claimed.points[one.digest].id for one in prepared]
