"""Reinstatements: a person's later, positive act, one contact point at a time, with its proof."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import lift_refusals
from app.identifiers import Identifier
from app.points import OpenedPoint, PointKeys, claim_points
from app.registry import Lifting, lift

from .receipts import Suppressed, show_states


@dataclass(frozen=True, slots=True)
class Reinstated:
    """What a reinstatement changed; ``position`` is None where it changed nothing."""

    position: int | None
    suppressed: Sequence[Suppressed]


async def reinstate(
    session: AsyncSession, keys: PointKeys, lifting: Lifting, identifier: Identifier
) -> Reinstated:
    """Lift what the person objected to before, and tell the journal.

    A contact point that is unknown is kept too: a ground that arrives late, and occurred before
    this act, must not stand.

    Raises:
        ObjectionIsNewer: see ``registry.lift``.
        WiderObjectionStands: the same.
    """
    point = (await claim_points(session, keys, [identifier]))[identifier]
    opened = OpenedPoint(point.id, point.kind, identifier)
    await lift_refusals(
        session,
        point.id,
        brand=lifting.brand,
        media=lifting.media,
        before=lifting.occurred_at,
    )
    changed = await lift(session, lifting, point)
    # What it once was, in its former normal form, is no other contact point to who asks.
    own = [state for state in changed if state.point == point.id]
    shown = [one for state in own for one in show_states([state], [opened])]
    return Reinstated(max((state.position for state in changed), default=None), shown)
