"""One check that asks the law too: who it is about, where they are, what the rules come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.identifiers import Identifier, mask, region_of
from app.journal import Kind, Media
from app.policy import NOTHING_KNOWN, Hearing, Terms, places_of
from app.settings import Settings

from .counsel import Counsel, together
from .lawful_models import LawfulCheckOut, ruling_fields
from .models import MaskedOut


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


async def ask_the_law(
    counsel: Counsel, question: Lawful, position: int, settings: Settings
) -> LawfulCheckOut:
    """Answer by the law.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    law = await counsel.law()
    digests = [digest for point in question.points for digest in point]
    judged_at = question.moment or question.at
    if not question.is_known:
        known = NOTHING_KNOWN
    elif question.moment is None:
        known = await counsel.known(digests)
    else:
        found = await counsel.known_at(digests, judged_at)
        known = together([found[digest] for digest in digests if digest in found])
    decisive = _decisive(question.identifiers, question.medium)
    phones = (one for one in question.identifiers if one.kind is Kind.PHONE)
    phone = next(phones, None)
    places = places_of(
        known.profile,
        number=None if phone is None else region_of(phone),
        default=settings.default_region,
    )
    ruling = Hearing(law, question.terms, question.medium, judged_at).judge(known, places)
    until = question.at + timedelta(seconds=settings.allow_seconds)
    return LawfulCheckOut(
        **ruling_fields(ruling, judged_at, until if question.moment is None else None),
        evaluated=["suppressions", "law"],
        identifier=MaskedOut(kind=decisive.kind, masked=mask(decisive)),
        position=position,
    )


def _decisive(identifiers: Sequence[Identifier], medium: Media) -> Identifier:
    """Name the contact point by which the person would be reached."""
    return next((one for one in identifiers if medium in one.kind.carries), identifiers[0])
