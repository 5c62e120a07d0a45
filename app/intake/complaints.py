"""Complaints: objections that somebody must answer, each within a month."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Reason
from app.parties import note
from app.points import PointKeys

from .desk import points_of
from .opt_outs import OptOut, opt_out_of
from .tables import OptOutRow


@dataclass(frozen=True, slots=True)
class Complaint:
    """A complaint that waits for its answer; the contact points are masked."""

    opt_out: OptOut
    masked: tuple[str, ...]
    due_on: date


def due_on(recorded_at: datetime, zone: ZoneInfo) -> date:
    """Tell the last day for an answer: a month after it came (GDPR 12(3)).

    The day of the same number, else the month's last (Regulation 1182/71, 3(2)(c)).
    """
    came = recorded_at.astimezone(zone).date()
    year, month = (came.year + 1, 1) if came.month == 12 else (came.year, came.month + 1)  # noqa: PLR2004 - December
    return date(year, month, min(came.day, monthrange(year, month)[1]))


async def waiting_complaints(
    session: AsyncSession, keys: PointKeys, zone: ZoneInfo, *, limit: int
) -> list[Complaint]:
    """List complaints that nobody has answered, those first that are due first."""
    rows = await session.scalars(
        select(OptOutRow)
        .where(
            # As the index says it, not as a parameter, or it is not used.
            OptOutRow.reason == literal_column(str(int(Reason.COMPLAINT))),
            OptOutRow.answered_at.is_(None),
            OptOutRow.voided_at.is_(None),
        )
        .order_by(OptOutRow.id)
        .limit(limit)
    )
    return [
        Complaint(
            opt_out_of(row),
            tuple(point.masked for point in await points_of(session, keys, row.id)),
            due_on(row.recorded_at, zone),
        )
        for row in rows.all()
    ]


async def answer_complaint(session: AsyncSession, opt_out: UUID, *, by: str, at: datetime) -> None:
    """Note that a complaint was answered, and by whom; doing so again changes nothing."""
    answered = await session.scalar(
        update(OptOutRow)
        .where(
            OptOutRow.id == opt_out,
            OptOutRow.reason == Reason.COMPLAINT,
            OptOutRow.answered_at.is_(None),
        )
        .values(answered_at=at, answered_by=by)
        .returning(OptOutRow.id)
        .execution_options(synchronize_session=False)
    )
    if answered is not None:
        await note(session, by, "complaint.answered", f"opt-out:{opt_out}", at)
