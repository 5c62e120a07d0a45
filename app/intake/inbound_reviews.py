"""What people said in their own words, until a person has looked: confirmed, or voided.

What is listed blocks already; nothing here has to happen for it to. A wish to be contacted again
is listed too, and lifts nothing: that takes a reinstatement, with its proof.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.problems import Problem
from app.platform.refusals import NotFound
from app.platform.vault import Vault

from .dialects import Act, Outcome
from .inbound_events import KeptEvent, kept_event
from .opt_outs import find_opt_out, void
from .tables import InboundEventRow, OptOutRow

_TEXTS = ("subject", "text", "Body", "SpeechResult")


class AlreadyReviewed(Problem):
    """Somebody has decided otherwise about this event. Nothing was changed.

    An opt-out that was confirmed by mistake can still be voided by itself.
    """

    type = "already-reviewed"
    title = "This was reviewed already"
    status = 409


class NothingToVoid(Problem):
    """The event recorded nothing, so there is nothing to void. Confirm that it was seen."""

    type = "nothing-to-void"
    title = "Nothing was recorded"
    status = 409


@dataclass(frozen=True, slots=True)
class Review:
    """An event that a person looks at; ``voided`` is None until one has.

    ``said`` is what the person wrote, None once an erasure took it.
    """

    event: KeptEvent
    said: str | None = field(repr=False)
    reviewed_at: datetime | None
    reviewed_by: str | None
    voided: bool | None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """How an event was decided; ``position`` is None where nothing changed now."""

    at: datetime
    position: int | None


async def list_reviews(
    session: AsyncSession,
    vault: Vault,
    *,
    is_open: bool,
    limit: int,
    after: UUID | None = None,
) -> list[Review]:
    """List what is to be looked at, the oldest first, or what was.

    What was voided by itself needs no look any more.
    """
    row = InboundEventRow
    query = select(row).where(row.review).order_by(row.id).limit(limit)
    if is_open:
        gone = select(OptOutRow.id).where(
            OptOutRow.id == row.opt_out, OptOutRow.voided_at.is_not(None)
        )
        kept = row.outcome.in_((Outcome.RECORDED, Outcome.WAITING))
        query = query.where(row.reviewed_at.is_(None), kept, ~gone.exists())
    else:
        query = query.where(row.reviewed_at.is_not(None))
    if after is not None:
        query = query.where(row.id > after)
    return [_review(one, vault) for one in await session.scalars(query)]


async def confirm(session: AsyncSession, event: UUID, *, by: str, at: datetime) -> Reviewed:
    """Say that it was an objection, or that a wish was seen; again changes nothing.

    Raises:
        NotFound: no such event is to be reviewed.
        AlreadyReviewed: it was voided.
    """
    await _find(session, event)
    return Reviewed(await _decide(session, event, voided=False, by=by, at=at), None)


async def void_reviewed(
    session: AsyncSession, event: UUID, *, by: str, reason: str, at: datetime
) -> Reviewed:
    """Say that it was no objection: its opt-out is voided, as any that was a mistake.

    Raises:
        NotFound: no such event is to be reviewed.
        NothingToVoid: it recorded nothing.
        AlreadyReviewed: it was confirmed.
    """
    row = await _find(session, event)
    if row.opt_out is None:
        raise NothingToVoid("This event recorded nothing; confirm that it was seen.")
    opt_out = await find_opt_out(session, row.opt_out, channel=None)
    # Contact points are locked before the event, as an erasure does.
    voided = await void(session, opt_out.id, by=by, reason=reason, at=at)
    decided = await _decide(session, event, voided=True, by=by, at=at)
    return Reviewed(decided, voided.position)


async def _find(session: AsyncSession, event: UUID) -> InboundEventRow:
    row = await session.get(InboundEventRow, event)
    if row is None or not row.review or row.act == Act.NOTHING:
        raise NotFound("There is no such event to review.")
    return row


async def _decide(
    session: AsyncSession, event: UUID, *, voided: bool, by: str, at: datetime
) -> datetime:
    """Write a decision down, unless there is one: the first stands."""
    row = InboundEventRow
    decided = await session.scalar(
        update(row)
        .where(row.id == event, row.reviewed_at.is_(None))
        .values(reviewed_at=at, reviewed_by=by, voided=voided)
        .returning(row.reviewed_at)
        .execution_options(synchronize_session=False)
    )
    if decided is not None:
        return decided
    first = await session.get(row, event, populate_existing=True)
    if first is None or first.voided is not voided or first.reviewed_at is None:
        raise AlreadyReviewed("Somebody decided otherwise about this before.")
    return first.reviewed_at


def _review(row: InboundEventRow, vault: Vault) -> Review:
    event = kept_event(row, vault)
    said = None
    if event.fields is not None:
        said = "\n".join(str(event.fields[name]) for name in _TEXTS if event.fields.get(name))
    return Review(event, said, row.reviewed_at, row.reviewed_by, row.voided)
