"""Contracts, attempts and profiles over the wire."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from app.journal import MediumWord
from app.parties import Directory
from app.platform.wire import Answer, Flag, Instant, Slug, WireModel, text
from app.points import IdentifierIn, MaskedOut
from app.policy import object_key

from .attempts import Attempt, NewAttempt, require_attempt
from .contracts import Contract, NewContract, require_contract
from .profiles import NewProfile, Profile, require_profile
from .wire import InTurns, Offered, Reading, Sent
from .words import Audience, Outcome


def _day(value: object) -> date:
    if type(value) is date:
        return value
    if isinstance(value, str) and len(value) == len("2026-01-31"):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("a day is needed, as 2026-01-31")


Day = Annotated[
    date,
    BeforeValidator(_day),
    PlainSerializer(date.isoformat, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A day of the calendar."""
OutcomeWord = Literal["answered", "unanswered", "busy", "voicemail", "failed", "sent"]
AudienceWord = Literal["unknown", "consumer", "professional"]


class ContractIn(Sent[NewContract]):
    """That somebody is a customer: on the days [`from_on`, `to_on`)."""

    identifier: IdentifierIn
    brand: Slug
    object: Offered
    from_on: Day
    to_on: Day | None = Field(
        None, description="The first day on which it no longer runs; left out: it has no end"
    )
    opt_out_offered: Flag = Field(
        default=False,
        description="Whether the person could object when the address was collected, and can in "
        "each message",
    )
    reference: Annotated[str | None, text(200)] = Field(None, description="Your own; kept sealed")

    @property
    def named_brand(self) -> str | None:
        """The brand that it names."""
        return self.brand

    def read(self, reading: Reading, *, pointer: str = "") -> NewContract:
        """Read it.

        Raises:
            UnusableRecord: its dates are reversed.
        """
        new = NewContract(
            self.identifier.read(region=reading.region, pointer=f"{pointer}/identifier"),
            reading.names.brand(self.brand),
            object_key(self.object),
            self.from_on,
            self.to_on,
            self.opt_out_offered,
            self.reference,
        )
        require_contract(new, pointer=pointer)
        return new


class ContractOut(Answer):
    """A contract."""

    id: UUID
    recorded_at: Instant
    brand: Slug
    object: str
    from_on: Day
    to_on: Day | None
    opt_out_offered: bool
    reference: str | None

    @classmethod
    async def of(cls, one: Contract, directory: Directory) -> Self:
        """Show a contract."""
        return cls(
            id=one.id,
            recorded_at=one.recorded_at,
            brand=await directory.brand_slug(one.brand),
            object=one.object,
            from_on=one.from_on,
            to_on=one.to_on,
            opt_out_offered=one.opt_out_offered,
            reference=one.reference,
        )


class AttemptIn(Sent[NewAttempt]):
    """That somebody was called or written to, answered or not."""

    identifier: IdentifierIn
    medium: MediumWord
    attempted_at: Instant
    brand: Slug | None = Field(None, description="Left out: it counts for every brand")
    outcome: OutcomeWord = "unanswered"
    party: Slug | None = Field(None, description="Who made it")

    @property
    def named_brand(self) -> str | None:
        """The brand that it names."""
        return self.brand

    @property
    def named_parties(self) -> tuple[str | None, ...]:
        """Who made it."""
        return (self.party,)

    def read(self, reading: Reading, *, pointer: str = "") -> NewAttempt:
        """Read it.

        Raises:
            UnusableRecord: it has not been made yet, or is too old to count.
        """
        new = NewAttempt(
            self.identifier.read(region=reading.region, pointer=f"{pointer}/identifier"),
            self.medium,
            self.attempted_at,
            reading.names.brand(self.brand),
            Outcome.of(self.outcome),
            reading.names.party(self.party),
        )
        kept = timedelta(days=reading.attempts_days)
        require_attempt(new, at=reading.at, kept=kept, pointer=pointer)
        return new


class AttemptOut(Answer):
    """An attempt."""

    medium: MediumWord
    attempted_at: Instant
    brand: Slug | None
    outcome: OutcomeWord
    party: Slug | None

    @classmethod
    async def of(cls, one: Attempt, directory: Directory) -> Self:
        """Show an attempt."""
        shown: Any = one.outcome.word
        return cls(
            medium=one.medium,
            attempted_at=one.attempted_at,
            brand=await directory.brand_slug(one.brand) if one.brand else None,
            outcome=shown,
            party=None if one.party is None else await directory.party_slug(one.party),
        )


class ProfileEvidenceIn(WireModel):
    """How one knows who somebody is."""

    kind: Literal["declared", "register", "contract", "website", "other"]
    reference: Annotated[str, text(500)]
    checked_on: Day | None = None


class ProfileIn(Sent[NewProfile]):
    """Who stands behind a contact point; the whole profile, in place of the one before."""

    identifier: IdentifierIn
    audience: AudienceWord = Field(
        "unknown", description="Unknown is judged as a consumer; a professional needs evidence"
    )
    evidence: ProfileEvidenceIn | None = Field(None, description="Kept sealed")
    country: Annotated[str | None, Field(pattern="^[A-Z]{2}$")] = Field(
        None,
        description="ISO 3166-1 alpha-2 of where they live; overseas territories by their own. "
        "Left out: the number's",
    )
    time_zone: Annotated[str | None, text(64)] = Field(
        None, description="IANA name, as America/Guadeloupe. Left out: the country's"
    )
    sole_trader: Flag | None = Field(
        None, description="Whether a professional is a natural person; left out: not known"
    )
    fits: Annotated[list[Offered], Field(max_length=50)] = Field(
        default_factory=list, description="Objects that fit a professional's occupation"
    )

    @model_validator(mode="after")
    def _fits_a_professional(self) -> Self:
        if self.fits and self.audience != "professional":
            raise ValueError("only a professional has objects that fit")
        return self

    def read(self, reading: Reading, *, pointer: str = "") -> NewProfile:
        """Read it.

        Raises:
            UnusableRecord: there is no such time zone, or no evidence of a professional.
        """
        new = NewProfile(
            self.identifier.read(region=reading.region, pointer=f"{pointer}/identifier"),
            Audience.of(self.audience),
            self.sole_trader,
            self.country,
            self.time_zone,
            tuple(dict.fromkeys(object_key(one) for one in self.fits)),
            None if self.evidence is None else self.evidence.model_dump(mode="json"),
        )
        require_profile(new, pointer=pointer)
        return new


class ProfileOut(Answer):
    """A profile."""

    recorded_at: Instant
    audience: AudienceWord
    evidence: ProfileEvidenceIn | None
    country: str | None
    time_zone: str | None
    sole_trader: bool | None
    fits: list[str]

    @classmethod
    def of(cls, one: Profile) -> Self:
        """Show a profile."""
        known: Any = one.audience.word
        return cls(
            recorded_at=one.recorded_at,
            audience=known,
            evidence=one.evidence and ProfileEvidenceIn.model_validate(one.evidence),
            country=one.country,
            time_zone=one.time_zone,
            sole_trader=one.sole_trader,
            fits=list(one.fits),
        )


class RecordedAttempt(Answer):
    """An attempt as it was taken."""

    identifier: MaskedOut
    recorded_at: Instant
    fresh: bool = Field(description="False: this very attempt was on record already")


class RecordedContract(ContractOut):
    """A contract as it was taken."""

    identifier: MaskedOut


class RecordedProfile(ProfileOut):
    """A profile as it was taken."""

    identifier: MaskedOut


class ContractsIn(WireModel):
    """At most 10,000 contracts."""

    items: Annotated[list[Any], InTurns(ContractIn)]


class AttemptsIn(WireModel):
    """At most 10,000 attempts."""

    items: Annotated[list[Any], InTurns(AttemptIn)]


class ProfilesIn(WireModel):
    """At most 10,000 profiles."""

    items: Annotated[list[Any], InTurns(ProfileIn)]


class ContractsOut(Answer):
    """The contracts of one contact point, the latest first."""

    identifier: MaskedOut
    contracts: list[ContractOut]


class AttemptsOut(Answer):
    """The attempts on one contact point, the latest first, 200 at most."""

    identifier: MaskedOut
    attempts: list[AttemptOut]


class FoundProfile(Answer):
    """The profile of one contact point; null if nobody said anything."""

    identifier: MaskedOut
    profile: ProfileOut | None
