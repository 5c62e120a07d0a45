"""What the law says of contacting somebody now, by each medium, and what that rests on.

The pages decide nothing: ``policy`` judges what ``contacts`` has on record. An objection comes
before any rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.checks import Counsel
from app.contacts import (
    Attempt,
    Consent,
    Contract,
    Profile,
    attempts_on,
    consents_on,
    contracts_on,
    find_profile,
    known_to,
)
from app.identifiers import Identifier, region_of
from app.journal import ALL_MEDIA, EVERY_BRAND, EVERY_MEDIUM, Media
from app.parties import Directory
from app.points import PointKeys, find_point
from app.policy import (
    NOTHING_KNOWN,
    Decision,
    Hearing,
    Known,
    Law,
    Objection,
    Places,
    Terms,
    places_of,
)
from app.registry import State, read_states

_MOST_OFFERS = 6
_MOST_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody would be contacted about; brand None: anything that is not on record."""

    brand: int | None
    object: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What holds for some offers by one medium; ``sentences`` are none where somebody objected."""

    decision: Decision
    sentences: tuple[str, ...]
    next_allowed_at: datetime | None
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Lawful:
    """What the law says of a contact point, and the records about it."""

    at: datetime
    places: Places
    incomplete: bool
    answers: Mapping[Media, Sequence[Answer]]
    consents: Sequence[Consent]
    contracts: Sequence[Contract]
    attempts: Sequence[Attempt]
    profile: Profile | None

    @property
    def on_record(self) -> bool:
        """Tell whether anything but objections is known of the person."""
        return bool(self.consents or self.contracts or self.attempts or self.profile)

    @property
    def brands(self) -> set[int]:
        """List the brands that are named in it."""
        named = {one.brand for one in self.consents} | {one.brand for one in self.contracts}
        return (named | {one.brand for one in self.attempts}) - {EVERY_BRAND}


async def law_in_force(request: Request) -> Law:
    """Give the law as checks ask it, the operator's own pack in it."""
    counsel = request.app.state.counsel
    if not isinstance(counsel, Counsel):
        raise TypeError("the app was started without a counsel")
    return await counsel.law()


async def shown_with(lawful: Lawful, directory: Directory, zone: ZoneInfo) -> dict[str, Any]:
    """Gather what ``lawful.html`` names beside it: brands, and the person's clock.

    ``zone`` is the reader's.
    """
    there = ZoneInfo(lawful.places.zones[0])
    return {
        "there": None if there == zone else there,
        "lawful": lawful,
        "names": {brand: await directory.brand_slug(brand) for brand in lawful.brands},
        "clock": f"{lawful.at.astimezone(there):%H:%M}",
    }


async def what_is_lawful(
    session: AsyncSession,
    keys: PointKeys,
    identifier: Identifier,
    law: Law,
    *,
    language: str,
    region: str,
    at: datetime,
) -> Lawful:
    """Judge a contact by each medium that the contact point carries.

    ``region`` is the country of whoever nothing else tells.
    """
    found = await known_to(session, keys.digests.digests(identifier), at=at)
    known = next(iter(found.values()), NOTHING_KNOWN)
    point = await find_point(session, keys, identifier)
    states = [] if point is None else await read_states(session, [point])
    consents = await consents_on(session, keys.vault, point, channel=None)
    contracts = await contracts_on(session, keys.vault, point, channel=None)
    places = places_of(known.profile, number=region_of(identifier), default=region)
    offers = _offers(consents, contracts)
    answers, incomplete = {}, False
    for medium in ALL_MEDIA:
        if medium in identifier.kind.carries:
            asked = _Asked(law, known, places, medium, states, at, language)
            answers[medium] = asked.answers(offers)
            incomplete |= asked.incomplete
    return Lawful(
        at,
        places,
        incomplete,
        answers,
        consents,
        contracts,
        (await attempts_on(session, point, channel=None))[:_MOST_ATTEMPTS],
        await find_profile(session, keys.vault, point),
    )


def _offers(consents: Sequence[Consent], contracts: Sequence[Contract]) -> list[Offer]:
    """List what somebody may be contacted about by what is on record, and then anything else."""
    named = [Offer(one.brand, one.object) for one in consents]
    named += [Offer(one.brand, one.object) for one in contracts]
    return [*list(dict.fromkeys(named))[:_MOST_OFFERS], Offer(None, None)]


@dataclass(slots=True)
class _Asked:
    """One medium, for whatever may be offered."""

    law: Law
    known: Known
    places: Places
    medium: Media
    states: Sequence[State]
    at: datetime
    language: str
    incomplete: bool = False

    def answers(self, offers: Sequence[Offer]) -> list[Answer]:
        """Put offers together that have the same answer."""
        alike: dict[tuple[Decision, tuple[str, ...], datetime | None], list[Offer]] = {}
        for offer in offers:
            alike.setdefault(self._answer(offer), []).append(offer)
        return [Answer(*answer, tuple(same)) for answer, same in alike.items()]

    def _answer(self, offer: Offer) -> tuple[Decision, tuple[str, ...], datetime | None]:
        objection = self._objection(offer)
        if objection in ("this_medium", "all_media"):
            return "block", (), None
        terms = Terms(brand=offer.brand, object=offer.object)
        hearing = Hearing(self.law, terms, self.medium, self.at)
        ruling = hearing.judge(self.known, self.places, objection=objection)
        self.incomplete |= ruling.incomplete
        sentences = tuple(
            one.french if self.language == "fr" else one.english for one in ruling.reasons
        )
        return ruling.decision, sentences, ruling.next_allowed_at

    def _objection(self, offer: Offer) -> Objection:
        """Tell how far somebody objected to an offer; for one of nobody in particular, to any."""
        brands = (EVERY_BRAND, offer.brand)
        suppressed = Media(0)
        for state in self.states:
            if offer.brand is None or state.brand in brands:
                suppressed |= state.media
        if suppressed == EVERY_MEDIUM:
            return "all_media"
        if self.medium in suppressed:
            return "this_medium"
        return "other_medium" if suppressed else "none"
