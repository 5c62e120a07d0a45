"""Laying the grounds of many opt-outs at once, each as if it had come alone: live, and told.

For what brings many people's own acts in one request. One append holds the head of the journal
for a moment, where one each would hold it for all of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Change, Lane, Media
from app.points import Point

from .grounds import Laying
from .suppressions import Cause, State, Told, read_state, write_states


class Laid(NamedTuple):
    """What one opt-out lays on one contact point."""

    laying: Laying
    point: Point


_BEFORE = text("""
SELECT a.point, a.brand, coalesce(s.media, 0) AS media, coalesce(s.told, 0) AS told,
       coalesce(s.version, 0) AS version, s.since, coalesce(s.position, 0) AS position, coalesce((
           SELECT bit_or(r.media) FROM reinstatements r
           WHERE NOT r.narrow AND r.point = a.point AND r.brand IN (0, a.brand)
             AND r.occurred_at > a.occurred_at), 0) AS lifted
FROM unnest(CAST(:points AS int8[]), CAST(:brands AS int2[]), CAST(:occurred AS timestamptz[]))
     WITH ORDINALITY AS a (point, brand, occurred_at, n)
LEFT JOIN suppressions s ON s.point = a.point AND s.brand = a.brand
ORDER BY a.n
""")
# Rows that hold a position are written by the statement that gives it; see journal.append.
_LAY = """
, laid AS (
    INSERT INTO grounds (point, position, occurred_at, opt_out, brand, channel, media, lifted,
                         reason, verified)
    SELECT point, w.position, l.occurred_at, l.opt_out, brand, l.channel, l.media, l.lifted,
           l.reason, l.verified
    FROM written w JOIN unnest(
        CAST(:laid_points AS int8[]), CAST(:laid_brands AS int2[]),
        CAST(:laid_occurreds AS timestamptz[]), CAST(:laid_opt_outs AS uuid[]),
        CAST(:laid_channels AS int2[]), CAST(:laid_medias AS int2[]),
        CAST(:laid_lifteds AS int2[]), CAST(:laid_reasons AS int2[]),
        CAST(:laid_verifieds AS bool[])
    ) AS l (point, brand, occurred_at, opt_out, channel, media, lifted, reason, verified)
    USING (point, brand)
)"""


async def lay_many(session: AsyncSession, laid: Sequence[Laid]) -> list[State]:
    """Lay grounds of several opt-outs, in their order, and tell of each.

    Their contact points are locked by the caller. A contact point and brand that comes twice is
    told twice, as of two opt-outs.
    """
    states: list[State] = []
    for wave in _waves(laid):
        states += await _lay(session, wave)
    return states


def _waves(laid: Sequence[Laid]) -> list[list[Laid]]:
    """Deal them out so that none is about the same suppression as another of its wave."""
    waves: list[list[Laid]] = []
    seen: dict[tuple[int, int], int] = {}
    for one in laid:
        subject = (one.point.id, one.laying.brand)
        turn = seen[subject] = seen.get(subject, -1) + 1
        if turn == len(waves):
            waves.append([])
        waves[turn].append(one)
    return waves


async def _lay(session: AsyncSession, laid: Sequence[Laid]) -> list[State]:
    rows = await session.execute(
        _BEFORE,
        {
            "points": [one.point.id for one in laid],
            "brands": [one.laying.brand for one in laid],
            "occurred": [one.laying.occurred_at for one in laid],
        },
    )
    told, lifted = [], []
    for one, before in zip(laid, rows, strict=True):
        gone = one.laying.media & Media(before.lifted)
        told.append(_told(one, read_state(before), one.laying.media & ~gone))
        lifted.append(int(gone))
    layings = [one.laying for one in laid]
    return await write_states(
        session,
        told,
        then=_LAY,
        parameters={
            "laid_points": [one.point.id for one in laid],
            "laid_brands": [one.brand for one in layings],
            "laid_occurreds": [one.occurred_at for one in layings],
            "laid_opt_outs": [one.opt_out for one in layings],
            "laid_channels": [one.channel for one in layings],
            "laid_medias": [int(one.media) for one in layings],
            "laid_lifteds": lifted,
            "laid_reasons": [one.reason for one in layings],
            "laid_verifieds": [one.verified for one in layings],
        },
    )


def _told(one: Laid, before: State, standing: Media) -> Told:
    laying = one.laying
    cause = Cause(Change.ADDED, laying.reason, Lane.LIVE, laying.occurred_at, laying.recorded_at)
    dates = [before.since, laying.occurred_at if standing else None]
    after = State(
        one.point.id,
        laying.brand,
        before.media | standing,
        before.told | standing,
        before.version + 1,
        min((date for date in dates if date is not None), default=None),
        position=0,
    )
    return Told(cause, one.point, before, after)
