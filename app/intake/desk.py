"""What people record by hand: what they recorded lately, and until when they may take it back."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.problems import Problem
from app.points import OpenedPoint, PointKeys, open_points
from app.registry import grounds_laid_by

from .opt_outs import OptOut, first_id, opt_out_of
from .tables import OptOutRow

TAKE_BACK_WITHIN = timedelta(minutes=10)
"""How long whoever mistyped a number may take the opt-out back alone."""
COUNTED_AT_MOST = 9_999


class TooLateToTakeBack(Problem):
    """The opt-out is another person's, or older than ten minutes. Nothing was changed.

    A supervisor can still void it, with a reason.
    """

    type = "too-late-to-take-back"
    title = "Only a supervisor may take this back now"
    status = 403


@dataclass(frozen=True, slots=True)
class Recorded:
    """An opt-out with its contact points, which are masked."""

    opt_out: OptOut
    masked: tuple[str, ...]


def require_takeable(opt_out: OptOut, *, user: UUID, supervisor: bool, at: datetime) -> None:
    """See that somebody may take an opt-out back: their own for ten minutes, else a supervisor.

    Raises:
        TooLateToTakeBack: they may not, or no more.
    """
    own = opt_out.user == user and at < opt_out.recorded_at + TAKE_BACK_WITHIN
    if not own and not supervisor:
        raise TooLateToTakeBack("This opt-out can be taken back by a supervisor only.")


async def points_of(session: AsyncSession, keys: PointKeys, opt_out: UUID) -> list[OpenedPoint]:
    """List the contact points of an opt-out, in the order of their grounds."""
    laid = await grounds_laid_by(session, opt_out)
    opened = await open_points(session, keys, {ground.point for ground in laid})
    return [opened[ground.point] for ground in laid]


async def recent_by(
    session: AsyncSession, keys: PointKeys, user: UUID, *, limit: int
) -> list[Recorded]:
    """List what a person recorded last."""
    rows = await session.scalars(
        select(OptOutRow)
        .where(OptOutRow.user_id == user)
        .order_by(OptOutRow.id.desc())
        .limit(limit)
    )
    return [
        Recorded(
            opt_out_of(row),
            tuple(point.masked for point in await points_of(session, keys, row.id)),
        )
        for row in rows.all()
    ]


async def count_since(
    session: AsyncSession,
    since: datetime,
    *,
    user: UUID | None = None,
    channels: Collection[int] | None = None,
) -> int:
    """Count opt-outs since a time, by a person or by some channels; 10,000 stands for more."""
    # Only what is asked for stands in the statement: a condition that may be null uses no index.
    given = {"user": user, "channels": None if channels is None else list(channels)}
    conditions = [condition for name, condition in _COUNTED.items() if given[name] is not None]
    counted = await session.scalar(
        text(f"""
            SELECT count(*) FROM (
                SELECT 1 FROM opt_outs
                WHERE id >= :first AND recorded_at >= :since AND voided_at IS NULL
                  {"".join(conditions)}
                LIMIT :most
            ) counted
        """),  # noqa: S608 - of parts that stand here
        {"first": first_id(since), "since": since, "most": COUNTED_AT_MOST + 1}
        | {name: value for name, value in given.items() if value is not None},
    )
    return int(counted)


_COUNTED = {"user": "AND user_id = :user ", "channels": "AND channel = ANY(:channels) "}
