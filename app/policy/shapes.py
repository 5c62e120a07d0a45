"""What makes two people the same to a campaign: of thousands who are alike one is judged.

Most times on record lie so far from any limit that they change nothing. What lies near, or is
seldom, stands in a shape as it is.
"""

from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta

from .law import Law
from .records import NO_PROFILE, ConsentRecord, Known

_MARGIN = timedelta(days=140)
"""Longer than anything waits: no consent of that much life left ends before a next time."""


class Shapes:
    """Tells the shapes of people at one moment under one law."""

    def __init__(self, law: Law, at: datetime) -> None:
        """Find the limits: a consent's shortest life, and the fewest calls that are too many."""
        numbers = [one for pack in law.packs for one in pack.parameters]
        days = min((one.value for one in numbers if one.name == "consent_days"), default=None)
        self._at = at
        self._young = at - (timedelta(days=days) - _MARGIN) if days is not None else None
        self._calls = min((one.value for one in numbers if one.name == "attempts"), default=None)

    def of(self, known: Known) -> Hashable:
        """Give a shape: of two people of one shape the answer is the same."""
        consents, contracts, requests, attempts, profile = known
        calls: Hashable = ()
        if attempts and (
            (self._calls is not None and len(attempts) >= self._calls)
            or any(one.refused for one in attempts)
        ):
            calls = attempts
        return (
            self._of_consents(consents),
            contracts,
            requests,
            calls,
            None if profile is NO_PROFILE else profile,
        )

    def _of_consents(self, consents: Sequence[ConsentRecord]) -> Hashable:
        at, young = self._at, self._young
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
                return tuple(consents)
            shapes.append((brand, thing, media.value, complete, unproven))
        return tuple(shapes)
