"""What people said in their own words, until a person has looked: confirmed, or voided.

What is listed blocks already; nothing here has to happen for it to. A wish to be contacted again
is listed too, and lifts nothing: that takes a reinstatement, with its proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier, Unusable, mask, normalise
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Reason
from app.parties import note
from app.platform.ids import new_id
from app.platform.problems import Problem
from app.platform.refusals import NotFound
from app.points import PointKeys

from .desk import points_of
from .dialects import DIALECTS, MISREAD, Act, Fields, Outcome
from .inbound_events import REVIEWED, Done, KeptEvent, kept_event, note_done
from .opt_outs import OptOut, find_opt_out, void
from .people import NO_KEY
from .receipts import accept
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

    ``said`` is what the person wrote, ``masked`` their contact points: None once an erasure took
    them.
    """

    event: KeptEvent
    said: str | None = field(repr=False)
    masked: Sequence[str] | None
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
    keys: PointKeys,
    *,
    is_open: bool,
    region: str,
    limit: int,
    channel: int | None = None,
    after: UUID | None = None,
) -> list[Review]:
    """List what is to be looked at, the oldest first, or what was; of one channel or of all.

    What was voided by itself needs no look any more.
    """
    row = InboundEventRow
    query = select(row).where(row.review).order_by(row.id).limit(limit)
    if is_open:
        gone = select(OptOutRow.id).where(
            OptOutRow.id == row.opt_out, OptOutRow.voided_at.is_not(None)
        )
        kept = row.outcome.in_(REVIEWED)
        query = query.where(row.reviewed_at.is_(None), kept, ~gone.exists())
    else:
        query = query.where(row.reviewed_at.is_not(None))
    if channel is not None:
        query = query.where(row.channel == channel)
    if after is not None:
        query = query.where(row.id > after)
    rows = (await session.scalars(query)).all()
    return [await _review(session, keys, one, region) for one in rows]


async def count_reviews(session: AsyncSession) -> int:
    """Count what is to be looked at; 1,000 stands for more."""
    counted = await session.scalar(
        text("""
            SELECT count(*) FROM (
                SELECT 1 FROM inbound_events e
                WHERE review AND reviewed_at IS NULL AND outcome = ANY(:kept)
                  AND NOT EXISTS (SELECT 1 FROM opt_outs o
                                  WHERE o.id = e.opt_out AND o.voided_at IS NOT NULL)
                LIMIT 1000
            ) counted
        """),
        {"kept": list(REVIEWED)},
    )
    return int(counted)


async def confirm_review(
    session: AsyncSession, keys: PointKeys, event: UUID, *, by: str, region: str, at: datetime
) -> Reviewed:
    """Say that it was an objection, or that a wish was seen; again changes nothing.

    What nobody had understood is recorded only now, as of when it came.

    Raises:
        NotFound: no such event is to be reviewed, or an erasure took what it said.
        AlreadyReviewed: it was voided.
    """
    row = await _find(session, event)
    position = None
    if row.act == Act.UNCLEAR and row.reviewed_at is None:
        position = await _record(session, keys, row, by=by, region=region, at=at)
    decided = await _decide(session, event, voided=False, by=by, at=at)
    if decided == at:
        await note(session, by, "inbound-review.confirmed", f"event:{event}", at)
    elif position is not None:
        raise AlreadyReviewed("Somebody confirmed this at the same moment.")
    return Reviewed(decided, position)


async def _record(
    session: AsyncSession,
    keys: PointKeys,
    row: InboundEventRow,
    *,
    by: str,
    region: str,
    at: datetime,
) -> int:
    """Record what somebody wrote as the widest objection, for a colleague says that it is one."""
    event = kept_event(row, keys.vault)
    people = [] if event.fields is None else people_in(event.dialect, event.fields, region)
    if not people:
        raise NotFound("What this event said is gone.")
    opt_out = OptOut(
        new_id(),
        at,
        row.arrived_at,
        row.channel,
        Reason.OBJECTION,
        EVERY_MEDIUM,
        EVERY_BRAND,
        NO_KEY,
        recorded_by=by,
        evidence={
            "kind": "other",
            "reference": f"inbound:{row.id}",
            "sha256": row.request.hex(),
        },
        verified=False,
    )
    receipt = await accept(session, keys, opt_out, people)
    await note_done(session, [Done(row.id, Outcome.RECORDED, "confirmed", opt_out.id)])
    return receipt.position


async def void_review(
    session: AsyncSession, event: UUID, *, by: str, reason: str, at: datetime
) -> Reviewed:
    """Say that it was no objection: its opt-out is voided, as any that was a mistake.

    What nobody had understood was not recorded, and is not now.

    Raises:
        NotFound: no such event is to be reviewed.
        NothingToVoid: it recorded nothing.
        AlreadyReviewed: it was confirmed.
    """
    row = await _find(session, event)
    if row.act == Act.UNCLEAR and row.opt_out is None:
        return Reviewed(await _decide(session, event, voided=True, by=by, at=at), None)
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


async def _review(
    session: AsyncSession, keys: PointKeys, row: InboundEventRow, region: str
) -> Review:
    event = kept_event(row, keys.vault)
    said = masked = None
    if event.fields is not None:
        said = "\n".join(str(event.fields[name]) for name in _TEXTS if event.fields.get(name))
        if row.opt_out is None:
            masked = masked_in(event.dialect, event.fields, region)
        else:
            masked = [point.masked for point in await points_of(session, keys, row.opt_out)]
    return Review(event, said, masked, row.reviewed_at, row.reviewed_by, row.voided)


def masked_in(dialect: str, fields: Fields, region: str) -> list[str]:
    """Read again whom an event names, masked; what cannot be read is not shown."""
    return [mask(one) for one in people_in(dialect, fields, region)]


def people_in(dialect: str, fields: Fields, region: str) -> list[Identifier]:
    """Read again whom an event names, as far as that can be read."""
    known = DIALECTS.get(dialect)
    if known is None:
        return []
    found: list[Identifier] = []
    try:
        for kind, value in known.translate(fields, {}).identifiers:
            found.append(normalise(kind, value, region=region))
    except (Unusable, *MISREAD):
        return found
    return found
