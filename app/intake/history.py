"""What the registry knows of one contact point: its state, and the acts that led to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Media, Reason
from app.registry import Ground, Lifting, State, grounds_on, read_states, reinstatements_of

from .imports import find_import_times
from .opt_outs import find_opt_outs

_MOST = 500


@dataclass(frozen=True, slots=True)
class Act:
    """What was said about a contact point; ``standing`` are the media for which it stands.

    ``line`` is where it stood in the file of an import.
    """

    type: Literal["opt_out", "import", "reinstatement"]
    id: UUID
    line: int | None
    occurred_at: datetime
    recorded_at: datetime
    channel: int
    reason: Reason | None
    brand: int
    media: Media
    standing: Media
    voided_at: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """What is suppressed for a contact point, and what was done about it, the latest first."""

    states: list[State]
    acts: list[Act]


async def read_history(session: AsyncSession, point: int | None, *, channel: int | None) -> History:
    """Read the history of a contact point: at most 500 acts; with a ``channel``, only its own.

    A point that is None was never heard of.
    """
    if point is None:
        return History([], [])
    states = await read_states(session, [point])
    grounds = [
        ground
        for ground in await grounds_on(session, point, most=_MOST)
        if channel in (None, ground.channel)
    ]
    opt_outs = await find_opt_outs(session, {one.opt_out for one in grounds if not one.line})
    recorded = {number: one.recorded_at for number, one in opt_outs.items()}
    recorded |= await find_import_times(session, {one.opt_out for one in grounds if one.line})
    acts = [_laid(ground, recorded[ground.opt_out]) for ground in grounds]
    acts += [
        _lifted(lifting)
        for lifting in await reinstatements_of(session, point, most=_MOST)
        if channel in (None, lifting.channel)
    ]
    acts.sort(key=lambda act: act.occurred_at, reverse=True)
    return History(states, acts[:_MOST])


def _laid(ground: Ground, recorded_at: datetime) -> Act:
    standing = Media(0) if ground.voided_at else ground.media & ~ground.lifted
    return Act(
        "import" if ground.line else "opt_out",
        ground.opt_out,
        ground.line,
        ground.occurred_at,
        recorded_at,
        ground.channel,
        ground.reason,
        ground.brand,
        ground.media,
        standing,
        ground.voided_at,
    )


def _lifted(lifting: Lifting) -> Act:
    return Act(
        "reinstatement",
        lifting.id,
        None,
        lifting.occurred_at,
        lifting.recorded_at,
        lifting.channel,
        None,
        lifting.brand,
        lifting.media,
        Media(0),
        None,
    )
