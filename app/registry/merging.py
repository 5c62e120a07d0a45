"""Moving what was laid on one contact point to the one that it became; nothing is lowered by it."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Change, Lane, Media, Reason
from app.points import Point

from .suppressions import (
    Cause,
    State,
    Told,
    correct_since,
    derive_states,
    read_states,
    write_states,
)

_MOVE = """
UPDATE {table} t SET point = g.into_point
FROM unnest(CAST(:points AS int8[]), CAST(:into AS int8[])) AS g (point, into_point)
WHERE t.point = g.point
"""


async def merge_grounds(
    session: AsyncSession, into: Mapping[int, Point], *, erased: Collection[int], at: datetime
) -> list[State]:
    """Move all grounds and reinstatements of contact points to others, and tell of the others.

    ``into`` names those that they go to, by number; of them, ``erased`` are told to be erased.
    The old ones stay suppressed, for databases may know the person by them alone: nothing is told
    of them.

    Returns:
        The states that changed.
    """
    given = {"points": list(into), "into": [point.id for point in into.values()]}
    for table in ("grounds", "reinstatements"):
        await session.execute(text(_MOVE.format(table=table)), given)
    before = _united(await read_states(session, {*into, *given["into"]}), into)
    by_id = {point.id: point for point in into.values()}
    derived = await derive_states(session, by_id)
    reasons = await _oldest_reasons(session, by_id)
    told, corrected = [], []
    for (number, brand), (own, others) in before.items():
        media, since = derived.get((number, brand), (Media(0), None))
        for one in (own, *others):
            media |= one.media
        new = State(number, brand, media, own.told | media, own.version + 1, since, 0)
        if media != own.media or number in erased:
            cause = _erased if number in erased else _added
            reason = reasons.get((number, brand), Reason.OBJECTION)
            told.append(Told(cause(reason, at), by_id[number], own, new))
        elif since != own.since:
            corrected.append(new)
    await correct_since(session, corrected)
    return await write_states(session, told)


def _united(
    states: Collection[State], into: Mapping[int, Point]
) -> dict[tuple[int, int], tuple[State, list[State]]]:
    """Put the states of contact points beside those of the ones that they go to."""
    targets = {point.id for point in into.values()}
    united: dict[tuple[int, int], tuple[State, list[State]]] = {}
    for state in states:
        if state.point in targets:
            united[state.point, state.brand] = (state, [])
    for state in states:
        if state.point in into:
            number = into[state.point].id
            nothing = State.nothing(number, state.brand)
            united.setdefault((number, state.brand), (nothing, []))[1].append(state)
    return united


async def _oldest_reasons(
    session: AsyncSession, points: Collection[int]
) -> dict[tuple[int, int], Reason]:
    """Tell by which reason the oldest standing ground was laid, by contact point and brand."""
    rows = await session.execute(
        text("""
            SELECT DISTINCT ON (point, brand) point, brand, reason FROM grounds
            WHERE point = ANY(:points) AND voided_at IS NULL AND media & ~lifted <> 0
            ORDER BY point, brand, occurred_at
        """),
        {"points": list(points)},
    )
    return {(row.point, row.brand): Reason(row.reason) for row in rows}


def _added(reason: Reason, at: datetime) -> Cause:
    return Cause(Change.ADDED, reason, Lane.BULK, at, at)


def _erased(_reason: Reason, at: datetime) -> Cause:
    return Cause(Change.ERASED, Reason.ERASURE, Lane.LIVE, at, at)
