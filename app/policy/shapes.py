"""What makes two people the same to a campaign: of thousands who are alike one is judged.

Most times on record lie so far from any limit that they change nothing. What lies near, or is
seldom, stands in a shape as it is.
"""

from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta

from .law import Law
from .records import NO_PROFILE, NOTHING_KNOWN, AttemptRecord, ConsentRecord, Known

MARGIN = timedelta(days=140)
"""Longer than anything waits: no consent of that much life left ends before a next time."""
_FEW = 8
"""Consents and contracts of somebody that are worth remembering."""


class Shapes:
    """Tells the shapes of people under one law."""

    def __init__(self, law: Law) -> None:
        """Find the limits: a consent's shortest life, and the fewest calls that are too many."""
        numbers = [one for pack in law.packs for one in pack.parameters]
        days = min((one.value for one in numbers if one.name == "consent_days"), default=None)
        self._life = None if days is None else timedelta(days=days) - MARGIN
        self._calls = min((one.value for one in numbers if one.name == "attempts"), default=None)

    def of(self, known: Known, at: datetime) -> Hashable:
        """Give a shape: of two people of one shape the answer at that moment is the same."""
        consents, contracts, requests, attempts, profile = known
        plain = self._of_consents(consents, at)
        return (
            tuple(consents) if plain is None else plain,
            contracts,
            requests,
            attempts if self._are_counted(attempts) else (),
            None if profile is NO_PROFILE else profile,
        )

    def lasting(self, known: Known, at: datetime) -> Hashable | None:
        """Give a shape that time changes nothing about, but for the day and the hours.

        None if what is on record has times of its own that may matter, or is too much to be
        worth remembering.
        """
        if known is NOTHING_KNOWN:
            return ()
        consents, contracts, requests, attempts, profile = known
        if requests or len(consents) + len(contracts) > _FEW or self._are_counted(attempts):
            return None
        plain = self._of_consents(consents, at)
        if plain is None:
            return None
        return (plain, contracts, None if profile is NO_PROFILE else profile)

    def _are_counted(self, attempts: Sequence[AttemptRecord]) -> bool:
        if self._calls is not None and len(attempts) >= self._calls:
            return True
        return any(one.refused for one in attempts)

    def _of_consents(self, consents: Sequence[ConsentRecord], at: datetime) -> Hashable | None:
        """Give the shape of consents whose times do not matter now, None if one's may."""
        young = None if self._life is None else at - self._life
        shapes = []
        for one in consents:
            brand, thing, media, given_at, expires_at, withdrawn_at, complete, unproven, slots = one
            if (
                given_at > at
                or expires_at is not None
                or withdrawn_at is not None
                or slots
                or (young is not None and given_at < young)
            ):
                return None
            shapes.append((brand, thing, media.value, complete, unproven))
        return tuple(shapes)
