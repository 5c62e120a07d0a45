"""What is on record about somebody, as far as facts are computed from it.

Whoever keeps the records gives them as they are: which of them counts for a brand, an object, a
medium and a moment is decided here, so that it is decided in one place. A ``brand`` is the number
of the company for which somebody may be contacted; records of all brands are given. They are
tuples, for a batch makes ten thousand of them.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from app.journal import Media

from .facts import Purpose, Sector, Subscriber
from .words import Audience


class ConsentRecord(NamedTuple):
    """A consent as it was recorded.

    ``complete``: no mention, wording or positive act is missing. ``unproven``: a third party
    collected it and this person's own proof is not there. ``expires_at`` is what the wording says,
    None where it says nothing; the law may end it earlier. ``slots`` are times that were agreed.
    """

    brand: int
    object: str
    media: Media
    given_at: datetime
    expires_at: datetime | None = None
    withdrawn_at: datetime | None = None
    complete: bool = False
    unproven: bool = False
    slots: tuple[tuple[datetime, datetime], ...] = ()


class ContractRecord(NamedTuple):
    """A contract, in force on the days [``from_on``, ``to_on``); None: it has no end.

    ``opt_out_offered``: when the address was collected for it, and in each message since, the
    person could object free of charge.
    """

    brand: int
    object: str
    from_on: date
    to_on: date | None = None
    opt_out_offered: bool = False


class RequestRecord(NamedTuple):
    """That the person asked to be contacted about something."""

    brand: int
    object: str
    at: datetime


class AttemptRecord(NamedTuple):
    """An attempt to call, answered or not; ``refused``: the person said not to call again.

    ``brand`` is None where it is not known: it counts for every brand.
    """

    brand: int | None
    at: datetime
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """Who somebody is; None and ``unknown`` where nobody has said, with evidence, who.

    ``zone`` is an IANA name. ``fits`` are the objects that fit a professional's occupation.
    """

    audience: Audience = "unknown"
    country: str | None = None
    zone: str | None = None
    subscriber: Subscriber = "unknown"
    fits: frozenset[str] = frozenset()


NO_PROFILE = Profile()


class Known(NamedTuple):
    """All that is on record about one contact point.

    ``attempts`` are calls, the newest first: all that were refused, and of the others those of
    the last ``ATTEMPT_DAYS`` days, at most ``MOST_ATTEMPTS`` of each brand.
    """

    consents: tuple[ConsentRecord, ...] = ()
    contracts: tuple[ContractRecord, ...] = ()
    requests: tuple[RequestRecord, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    profile: Profile = NO_PROFILE


NOTHING_KNOWN = Known()

ATTEMPT_DAYS = 92
"""Days back for which attempts are needed: no pack may count over more."""
MOST_ATTEMPTS = 10
"""Attempts of a brand that are needed: no pack may allow as many."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a campaign would contact people for.

    ``brand`` None: it does not say for which company. ``object`` None: nor about what goods or
    services. ``caller_id`` is the number shown, in E.164; ``slot`` a time that it says was agreed.
    """

    brand: int | None = None
    object: str | None = None
    sector: Sector = "none"
    purpose: Purpose = "prospecting"
    automated: bool = False
    caller_id: str | None = None
    slot: datetime | None = None
