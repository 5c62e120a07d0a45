"""One check that asks the law too: who it is about, where they are, what the rules come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.identifiers import Identifier, region_of
from app.journal import Kind, Media
from app.policy import NOTHING_KNOWN, Known, Terms, places_of
from app.settings import Settings

from .counsel import Counsel, together
from .lawful_models import written_answer


@dataclass(frozen=True, slots=True)
class Lawful:
    """A question about one person on whom no ground stands.

    ``moment`` is a past one to be judged, None for now, which is ``at``. ``points`` are the
    digests of each contact point. Not ``is_known``: none of them is in the registry.
    """

    terms: Terms
    medium: Media
    moment: datetime | None
    identifiers: Sequence[Identifier]
    points: Sequence[Sequence[bytes]]
    at: datetime
    is_known: bool


async def ask_the_law(counsel: Counsel, question: Lawful, position: int, settings: Settings) -> str:
    """Answer by the law: a ``LawfulCheckOut`` in JSON.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    sitting = await counsel.sitting()
    judged_at = question.moment or question.at
    known = await _known(counsel, question, judged_at)
    phone = next((one for one in question.identifiers if one.kind is Kind.PHONE), None)
    places = places_of(
        known.profile,
        number=None if phone is None else region_of(phone),
        default=settings.default_region,
    )
    told = sitting.judge(known, places, terms=question.terms, media=question.medium, at=judged_at)
    allowed_for = timedelta(seconds=settings.allow_seconds)
    return written_answer(
        told,
        at=judged_at,
        until=question.at + allowed_for if question.moment is None else None,
        decisive=_decisive(question.identifiers, question.medium),
        position=position,
    )


async def _known(counsel: Counsel, question: Lawful, judged_at: datetime) -> Known:
    """Find what is on record about the person, or was."""
    if not question.is_known:
        return NOTHING_KNOWN
    digests = [digest for point in question.points for digest in point]
    if question.moment is None:
        return await counsel.known(digests)
    found = await counsel.known_at(digests, judged_at, past=True)
    return together([found[digest] for digest in digests if digest in found])


def _decisive(identifiers: Sequence[Identifier], medium: Media) -> Identifier:
    """Name the contact point by which the person would be reached."""
    return next((one for one in identifiers if medium in one.kind.carries), identifiers[0])
