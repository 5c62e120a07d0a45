"""Voiding the grounds of a whole file: what others laid stands, and every change is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class Standing(NamedTuple):
    """A ground of a file, by its number, and the contact point it lies on."""

    ground: int
    point: int


@dataclass(frozen=True, slots=True)
class VoidPreview:
    """What voiding a file would do to suppressions (each a contact point and a brand).

    ``lifted`` would be gone, ``narrowed`` hold for fewer media, ``staying`` hold as before because
    other records say so too. ``complete`` is false where only the first grounds were looked at.
    """

    grounds: int
    lifted: int
    narrowed: int
    staying: int
    complete: bool


async def next_grounds(
    session: AsyncSession, source: UUID, *, after: int, most: int
) -> list[Standing]:
    """List grounds of a file that are not voided, from the one after number ``after``."""
    rows = await session.execute(
        text("""
            SELECT id, point FROM grounds
            WHERE opt_out = :source AND id > :after AND voided_at IS NULL ORDER BY id LIMIT :most
        """),
        {"source": source, "after": after, "most": most},
    )
    return [Standing(row.id, row.point) for row in rows]


async def void_these(session: AsyncSession, grounds: Sequence[Standing], *, at: datetime) -> None:
    """Void some grounds; the states of their contact points are to be derived anew."""
    await session.execute(
        text("UPDATE grounds SET voided_at = :at WHERE id = ANY(:grounds) AND voided_at IS NULL"),
        {"at": at, "grounds": [one.ground for one in grounds]},
    )


async def preview_void(session: AsyncSession, source: UUID, *, most: int) -> VoidPreview:
    """Tell what voiding a file would do, looking at no more than ``most`` of its grounds."""
    row = (
        await session.execute(
            text("""
                WITH mine AS MATERIALIZED (
                    SELECT point, brand FROM grounds
                    WHERE opt_out = :source AND voided_at IS NULL ORDER BY id LIMIT :most
                ), weighed AS (
                    SELECT s.media, coalesce((
                        SELECT bit_or(g.media & ~g.lifted) FROM grounds g
                        WHERE g.point = s.point AND g.brand = s.brand
                          AND g.voided_at IS NULL AND g.opt_out <> :source), 0) AS rest
                    FROM (SELECT DISTINCT point, brand FROM mine) m
                    JOIN suppressions s USING (point, brand)
                )
                SELECT (SELECT count(*) FROM mine) AS grounds,
                       count(*) FILTER (WHERE rest = 0 AND media <> 0) AS lifted,
                       count(*) FILTER (WHERE rest <> 0 AND media <> rest) AS narrowed,
                       count(*) FILTER (WHERE media = rest) AS staying
                FROM weighed
            """),
            {"source": source, "most": most},
        )
    ).one()
    return VoidPreview(
        row.grounds, row.lifted, row.narrowed, row.staying, complete=row.grounds < most
    )
