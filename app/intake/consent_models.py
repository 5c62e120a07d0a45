"""Consents over the wire: what callers send as their proof, and what is told of one."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from app.contacts import (
    MENTIONS,
    Consent,
    ConsentState,
    InTurns,
    LineCounts,
    LineOut,
    Mention,
    NewConsent,
    Offered,
    PositiveAct,
    Reading,
    Sent,
    SourceKind,
    evidence_until,
    read_wording,
    require_sound,
)
from app.journal import MediumWord
from app.parties import Directory
from app.platform.pages import PageQuery
from app.platform.wire import Answer, Instant, Slug, WireModel, parse_time, text
from app.points import IdentifierIn, MaskedOut
from app.policy import object_key

MentionWord = Literal["who", "what", "period", "withdrawal", "copy"]
ActWord = Literal[
    "none",
    "pre_ticked_box",
    "ticked_box",
    "button",
    "signature",
    "spoken",
    "written",
    "double_opt_in",
]
SourceWord = Literal["form", "paper", "call", "supplier"]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Exact = Annotated[str | None, text(20_000)]
_OF_MENTION = {(one.name or "").lower(): one for one in MENTIONS}


def _local(value: object) -> datetime:
    """Read a time and keep its offset: the clock on the wall is part of the proof."""
    at = parse_time(value)
    return datetime.fromisoformat(value.upper()) if isinstance(value, str) else at


LocalInstant = Annotated[
    datetime, BeforeValidator(_local), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A time with its offset, as RFC 3339 writes it."""


class WordingIn(WireModel):
    """What the person was shown or told, to the letter."""

    version: Annotated[str, text(80)]
    sha256: Digest | None = Field(None, description="Of the text in UTF-8")
    text: _Exact = Field(
        None, description="May be left out where this wording was sent before: name its `sha256`"
    )


class SourceIn(WireModel):
    """Where a consent was collected."""

    kind: SourceWord
    reference: Annotated[str | None, text(200)] = Field(None, description="Of the form or paper")
    supplier: Slug | None = Field(None, description="The party that sold or lent the contact")
    lot: Annotated[str | None, text(120)] = Field(None, description="The supplier's delivery")

    @model_validator(mode="after")
    def _names_a_supplier(self) -> Self:
        from_one = self.kind == "supplier"
        if from_one != (self.supplier is not None) or from_one != (self.lot is not None):
            raise ValueError("a supplier and its lot belong to the kind supplier, and to no other")
        return self


class ProofIn(WireModel):
    """Where the person's own proof lies; a template shows what everybody saw, and is none."""

    kind: Literal[
        "form_record", "call_recording", "signed_document", "email", "sms", "template", "other"
    ]
    reference: Annotated[str, text(500)]
    sha256: Digest | None = None


class TechnicalIn(WireModel):
    """What the machine that took the consent saw of the person."""

    ip: Annotated[str | None, text(45)] = None
    user_agent: Annotated[str | None, text(500)] = None
    url: Annotated[str | None, text(2_000)] = None
    transaction: Annotated[str | None, text(200)] = None


class SlotIn(WireModel):
    """A time at which the person agreed to be called, [`from_at`, `to_at`)."""

    from_at: Instant
    to_at: Instant


class ConsentIn(Sent[NewConsent]):
    """Somebody consented: to one brand, about one object, by one medium, with the proof of it."""

    identifier: IdentifierIn
    brand: Slug = Field(description="The company to which it was given")
    object: Offered = Field(description="What may be offered: goods or services")
    medium: MediumWord
    given_at: LocalInstant = Field(description="With the offset of the place where it was given")
    expires_at: Instant | None = Field(
        None, description="As the wording says; a consent to calls ends after a year at the latest"
    )
    wording: WordingIn
    mentions: Annotated[list[MentionWord], Field(max_length=5)] = Field(
        description="Which of the five were made: who calls, for what and by choice, for how long, "
        "how to withdraw, the right to a copy"
    )
    positive_act: ActWord = Field(description="`none` and `pre_ticked_box` are no positive act")
    source: SourceIn
    collected_by: Slug | None = Field(None, description="The third party that collected it")
    called_by: Slug | None = Field(None, description="The third party that calls")
    slots: Annotated[list[SlotIn], Field(max_length=20)] = Field(
        default_factory=list, description="Times that the person agreed to"
    )
    evidence: ProofIn | None = Field(None, description="Kept sealed, for three years")
    technical: TechnicalIn | None = Field(None, description="Kept as the evidence is")

    @property
    def named_brand(self) -> str | None:
        """The brand that it names."""
        return self.brand

    @property
    def named_parties(self) -> tuple[str | None, ...]:
        """The parties that it names."""
        return self.collected_by, self.called_by, self.source.supplier

    def read(self, reading: Reading, *, pointer: str = "") -> NewConsent:
        """Read it.

        Raises:
            UnusableRecord: it contradicts the calendar or itself.
        """
        names = reading.names
        supplier = names.party(self.source.supplier, pointer="/source/supplier")
        new = NewConsent(
            self.identifier.read(region=reading.region, pointer=f"{pointer}/identifier"),
            names.brand(self.brand),
            object_key(self.object),
            self.medium,
            self.given_at.astimezone(UTC),
            int((self.given_at.utcoffset() or timedelta(0)).total_seconds() // 60),
            self.expires_at,
            read_wording(
                self.wording.text,
                self.wording.version,
                self.wording.sha256,
                pointer=f"{pointer}/wording",
            ),
            _mentions(self.mentions),
            PositiveAct.of(self.positive_act),
            SourceKind.of(self.source.kind),
            names.party(self.collected_by, pointer="/collected_by") or supplier,
            names.party(self.called_by, pointer="/called_by"),
            tuple((slot.from_at, slot.to_at) for slot in self.slots),
            self._told(),
        )
        require_sound(new, at=reading.at, pointer=pointer)
        return new

    def _told(self) -> dict[str, Any]:
        """Tell what is sealed beside it."""
        told = {
            "source": self.source.model_dump(exclude_none=True),
            "evidence": self.evidence and self.evidence.model_dump(exclude_none=True),
            "technical": self.technical and self.technical.model_dump(exclude_none=True),
        }
        return {name: one for name, one in told.items() if one}


def _mentions(words: list[MentionWord]) -> Mention:
    made = Mention(0)
    for word in words:
        made |= _OF_MENTION[word]
    return made


class WordingOut(Answer):
    """A wording by its name."""

    version: str
    sha256: str
    text: str | None


class SourceOut(Answer):
    """Where a consent was collected; null what is destroyed, or was not said."""

    kind: SourceWord
    reference: str | None
    supplier: str | None
    lot: str | None


class ConsentOut(Answer):
    """A consent as it stands."""

    id: UUID
    recorded_at: Instant
    brand: Slug
    object: str
    medium: MediumWord
    given_at: Instant
    given_at_local: str = Field(description="With the offset that it was given in")
    expires_at: Instant | None
    valid_until: Instant | None = Field(description="When it ends by itself, by wording and law")
    withdrawn_at: Instant | None
    state: ConsentState = Field(description="What it is worth now for its brand, object and medium")
    lacks: list[str] = Field(
        description="What the proof lacks: `mention_…`, `positive_act`, `own_proof`"
    )
    objection_stands: bool = Field(
        description="Whether an objection forbids the medium for this brand all the same: a "
        "consent lifts none, a reinstatement does"
    )
    wording: WordingOut
    mentions: list[MentionWord]
    positive_act: ActWord
    source: SourceOut
    collected_by: Slug | None
    called_by: Slug | None
    slots: list[SlotIn]
    evidence: ProofIn | None
    technical: TechnicalIn | None
    evidence_until: Instant = Field(description="When the evidence is destroyed")
    evidence_destroyed: bool
    copies: list[Instant] = Field(description="When copies were asked for, the latest first")

    @classmethod
    async def of(
        cls, one: Consent, directory: Directory, *, objection_stands: bool, at: datetime
    ) -> Self:
        """Show a consent."""

        async def party(number: int | None) -> str | None:
            return None if number is None else await directory.party_slug(number)

        source: dict[str, Any] = one.told.get("source", {})
        evidence, technical = one.told.get("evidence"), one.told.get("technical")
        words: Any = one.positive_act.word
        kind: Any = one.source.word
        mentions: Any = [word for word, bit in _OF_MENTION.items() if bit in one.mentions]
        return cls(
            id=one.id,
            recorded_at=one.recorded_at,
            brand=await directory.brand_slug(one.brand),
            object=one.object,
            medium=one.medium,
            given_at=one.given_at,
            given_at_local=one.given_where.isoformat(),
            expires_at=one.expires_at,
            valid_until=one.valid_until,
            withdrawn_at=one.withdrawn_at,
            state=one.state(at),
            lacks=one.lacks,
            objection_stands=objection_stands,
            wording=WordingOut(
                version=one.wording.version,
                sha256=one.wording.sha256.hex(),
                text=one.wording.text,
            ),
            mentions=mentions,
            positive_act=words,
            source=SourceOut(
                kind=kind,
                reference=source.get("reference"),
                supplier=source.get("supplier"),
                lot=source.get("lot"),
            ),
            collected_by=await party(one.collected_by),
            called_by=await party(one.called_by),
            slots=[SlotIn(from_at=begin, to_at=end) for begin, end in one.slots],
            evidence=evidence and ProofIn.model_validate(evidence),
            technical=technical and TechnicalIn.model_validate(technical),
            evidence_until=evidence_until(one.given_at),
            evidence_destroyed=one.destroyed,
            copies=list(one.copies),
        )


class RecordedConsent(ConsentOut):
    """A consent as it was taken."""

    identifier: MaskedOut


class ConsentsIn(WireModel):
    """At most 10,000 consents; of those with one wording the first may hold its text."""

    items: Annotated[list[Any], InTurns(ConsentIn)]


class ConsentLineOut(LineOut):
    """What became of one consent of many."""

    complete: bool | None = Field(None, description="Whether its proof lacks nothing")
    objection_stands: bool | None = Field(
        None, description="Whether an objection forbids the medium all the same"
    )


class ConsentLinesOut(Answer):
    """What became of the consents of a batch, in their order."""

    counts: LineCounts
    objections: int = Field(description="Consents of people whose objection stands")
    results: list[ConsentLineOut]


class ConsentsOut(Answer):
    """The consents of one contact point, the latest first, 200 at most."""

    identifier: MaskedOut
    consents: list[ConsentOut]


class ConsentQuery(PageQuery):
    """Which consents to list."""

    brand: Slug | None = None


class CopyOut(Answer):
    """A copy of a consent: what the person is sent or given."""

    id: UUID
    requested_at: Instant
    url: str = Field(description="A page that the person opens without an account")
