"""What the routes of this room read and write."""

import re
from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema

from app.platform.pages import PageQuery
from app.platform.wire import SEEN, Answer, Instant, Json, Slug, WireModel, text

from .audit import AuditEntry
from .brands import Brand
from .caller import Scope
from .channels import Channel, NewChannel
from .inbound_models import InboundIn, InboundOut
from .keys import Key, NewKey
from .parties import Contract, NewParty, Party
from .tables import Coverage

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _day(value: object) -> date:
    # Left to itself pydantic takes seconds since 1970, and Python takes weeks.
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a date is needed, as 2026-01-31")
    return date.fromisoformat(value)


Name = Annotated[str, Field(min_length=1, max_length=120, pattern=SEEN)]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
PartyKind = Literal["department", "subcontractor", "supplier"]
ChannelKind = Literal[
    "call_centre",
    "customer_service",
    "dpo",
    "email_provider",
    "sms_provider",
    "survey_provider",
    "web",
    "post",
    "other",
]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2")]
Email = Annotated[str, Field(max_length=320, pattern=r"^[^\s@\x00]+@[^\s@\x00]+$")]

LEFT_OUT: Any = Field(default_factory=lambda: None)
"""The default of what a PATCH may leave out: null is refused where the field has no null."""


class Change(WireModel):
    """The body of a PATCH: what it leaves out stays as it is."""

    def given(self) -> dict[str, Any]:
        """Tell the fields that the request names."""
        return {name: getattr(self, name) for name in self.model_fields_set}


_COVERAGE = Field(
    None,
    description="What checks look at: the suppressions alone, or the law as well; null: what "
    "OPTOUT_COVERAGE says",
)


class BrandIn(WireModel):
    """A brand to register."""

    slug: Slug
    name: Name
    coverage: Coverage | None = _COVERAGE


class BrandChange(Change):
    """What to change of a brand."""

    name: Name = LEFT_OUT
    coverage: Coverage | None = LEFT_OUT


class BrandOut(Answer):
    """A brand."""

    slug: str
    name: str
    coverage: Coverage | None = Field(
        None,
        description="Not there: what OPTOUT_COVERAGE says",
        exclude_if=lambda coverage: coverage is None,
    )
    created_at: Instant

    @classmethod
    def of(cls, brand: Brand) -> Self:
        """Show a brand."""
        return cls(
            slug=brand.slug,
            name=brand.name,
            coverage=brand.coverage,
            created_at=brand.created_at,
        )


class PartyContractIn(WireModel):
    """The contract under which a party acts."""

    reference: Annotated[str, text(200)]
    signed_on: Day

    def contract(self) -> Contract:
        """Read it."""
        return Contract(self.reference, self.signed_on)


class PartyContractOut(Answer):
    """The contract under which a party acts."""

    reference: str
    signed_on: date


class PartyIn(WireModel):
    """A party to register."""

    slug: Slug
    name: Name
    kind: PartyKind
    country: Country
    contact_email: Email
    contract: PartyContractIn | None = None

    def party(self) -> NewParty:
        """Read it."""
        contract = None if self.contract is None else self.contract.contract()
        return NewParty(self.slug, self.name, self.kind, self.country, self.contact_email, contract)


class PartyChange(Change):
    """New values of a party; a contract of null takes it away."""

    name: Name = LEFT_OUT
    kind: PartyKind = LEFT_OUT
    country: Country = LEFT_OUT
    contact_email: Email = LEFT_OUT
    contract: PartyContractIn | None = None

    def given(self) -> dict[str, Any]:
        """Tell the fields that the request names."""
        given = super().given()
        if self.contract is not None:
            given["contract"] = self.contract.contract()
        return given


class PartyOut(Answer):
    """A party: who answers for channels and databases."""

    slug: str
    name: str
    kind: str
    country: str
    contact_email: str
    contract: PartyContractOut | None
    created_at: Instant

    @classmethod
    def of(cls, party: Party) -> Self:
        """Show a party."""
        contract = party.contract
        return cls(
            slug=party.slug,
            name=party.name,
            kind=party.kind,
            country=party.country,
            contact_email=party.contact_email,
            contract=contract
            and PartyContractOut(reference=contract.reference, signed_on=contract.signed_on),
            created_at=party.created_at,
        )


class ChannelIn(WireModel):
    """A channel to register."""

    slug: Slug
    name: Name
    kind: ChannelKind
    party: Slug
    inbound: InboundIn | None = None

    def channel(self) -> NewChannel:
        """Read it."""
        inbound = None if self.inbound is None else self.inbound.inbound()
        return NewChannel(self.slug, self.name, self.kind, self.party, inbound)


class ChannelChange(Change):
    """New values of a channel; an inbound of null takes the provider and its secret away."""

    name: Name = LEFT_OUT
    kind: ChannelKind = LEFT_OUT
    party: Slug = LEFT_OUT
    inbound: InboundIn | None = None

    def given(self) -> dict[str, Any]:
        """Tell the fields that the request names."""
        given = super().given()
        if self.inbound is not None:
            given["inbound"] = self.inbound.inbound()
        return given


class ChannelOut(Answer):
    """A channel: where opt-outs come from."""

    slug: str
    name: str
    kind: str
    party: str
    inbound: InboundOut | None
    created_at: Instant

    @classmethod
    def of(cls, channel: Channel) -> Self:
        """Show a channel."""
        return cls(
            slug=channel.slug,
            name=channel.name,
            kind=channel.kind,
            party=channel.party,
            inbound=channel.inbound and InboundOut.of(channel.inbound),
            created_at=channel.created_at,
        )


class KeyIn(WireModel):
    """A key to make; limits left out are those of the settings."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=50)]
    channel: Slug | None = None
    database: Slug | None = None
    expires_at: Instant | None = None
    requests_per_second: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    checks_per_day: Annotated[int, Field(strict=True, ge=1, le=10**12)] | None = None
    rows_per_day: Annotated[int, Field(strict=True, ge=1, le=10**12)] | None = None
    snapshots_per_day: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None

    def key(self, *, channel: str | None, database: str | None) -> NewKey:
        """Read it, bound as given here."""
        return NewKey(
            self.name,
            self.scopes,
            channel,
            database,
            self.expires_at,
            self.requests_per_second,
            self.checks_per_day,
            self.rows_per_day,
            self.snapshots_per_day,
        )


class KeyOut(Answer):
    """A key, without its text."""

    id: UUID
    name: str
    scopes: list[str]
    channel: str | None
    database: str | None
    requests_per_second: int | None
    checks_per_day: int | None
    rows_per_day: int | None
    snapshots_per_day: int | None
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None = Field(description="To the minute")

    @classmethod
    def of(cls, shown: Key, **more: str) -> Self:
        """Show a key, with what a model below adds."""
        return cls(
            id=shown.id,
            name=shown.name,
            scopes=list(shown.scopes),
            channel=shown.channel,
            database=shown.database,
            requests_per_second=shown.requests_per_second,
            checks_per_day=shown.checks_per_day,
            rows_per_day=shown.rows_per_day,
            snapshots_per_day=shown.snapshots_per_day,
            created_at=shown.created_at,
            expires_at=shown.expires_at,
            revoked_at=shown.revoked_at,
            last_used_at=shown.last_used_at,
            **more,
        )


class IssuedKeyOut(KeyOut):
    """A key just made, with its text."""

    key: str | None = Field(description="`optout_…`, shown this once; null when replayed")


class AuditQuery(PageQuery):
    """Which acts to list."""

    actor: Annotated[str, text(120)] | None = Field(None, description="`key:<id>`, or `cli`")
    action: Annotated[str, text(64)] | None = Field(None, description="As `brand.created`")
    subject: Annotated[str, text(120)] | None = Field(None, description="As `brand:sauerkraut`")
    since: Instant | None = None
    until: Instant | None = Field(None, description="Not included")


class AuditOut(Answer):
    """One act."""

    id: UUID
    at: Instant
    actor: str = Field(description="`key:<id>`, or `cli`")
    actor_name: str | None = Field(description="The key's name")
    action: str
    subject: str
    detail: Json

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Show an act."""
        return cls(
            id=entry.id,
            at=entry.at,
            actor=entry.actor,
            actor_name=entry.actor_name,
            action=entry.action,
            subject=entry.subject,
            detail=dict(entry.detail),
        )
