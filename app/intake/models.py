"""What the door takes and gives, as the wire shows it."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field

from app.journal import (
    EVERY_BRAND,
    EVERY_MEDIUM,
    KindWord,
    Media,
    MediaWords,
    Reason,
    ReasonWord,
    ResultWord,
)
from app.parties import Directory
from app.platform.pages import PageQuery
from app.platform.wire import Answer, Instant, Slug, WireModel, text
from app.points import IdentifierIn, MaskedOut
from app.registry import State

from .history import Act
from .opt_outs import OptOut
from .receipts import Propagation, Receipt, Status, Suppressed


class EvidenceIn(WireModel):
    """Where the proof lies; it stays there."""

    kind: Literal["call_recording", "email", "letter", "sms", "web_form", "other"]
    reference: Annotated[str, text(500)]
    sha256: Annotated[str | None, Field(pattern="^[0-9a-f]{64}$")] = None


class OptOutIn(WireModel):
    """Somebody said: stop contacting me."""

    identifiers: Annotated[list[IdentifierIn], Field(min_length=1, max_length=20)]
    media: MediaWords | None = Field(
        None, description="Left out: every medium; for `hard_bounce`, email"
    )
    brand: Slug | None = Field(None, description="Left out: every brand")
    reason: ReasonWord = Reason.OBJECTION
    occurred_at: Instant | None = Field(None, description="When it was said; left out: now")
    channel: Slug | None = Field(None, description="Left out: the channel the key is bound to")
    recorded_by: Annotated[str | None, text(120)] = Field(None, description="The agent")
    reference: Annotated[str | None, text(200)] = Field(
        None, description="Your own, unique per channel: the same again is the same receipt"
    )
    evidence: EvidenceIn | None = None

    @property
    def scope(self) -> Media:
        """The media that are meant."""
        if self.media is None:
            return Media.EMAIL if self.reason == Reason.HARD_BOUNCE else EVERY_MEDIUM
        return self.media


class SuppressedOut(Answer):
    """What is suppressed for one contact point."""

    kind: KindWord
    masked: str
    media: MediaWords
    brand: Slug | None
    since: Instant | None = Field(
        description="When the oldest standing ground occurred; null where nothing is suppressed"
    )
    version: int

    @classmethod
    async def of(cls, one: Suppressed, directory: Directory) -> Self:
        """Show what is suppressed."""
        return cls(
            kind=one.kind,
            masked=one.masked,
            media=one.media,
            brand=await brand_slug(directory, one.brand),
            since=one.since,
            version=one.version,
        )


class PropagationCount(Answer):
    """How many databases are concerned, and how many have acknowledged."""

    databases: int
    acknowledged: int


class OptOutOut(Answer):
    """An opt-out as it was taken."""

    id: UUID
    recorded_at: Instant
    occurred_at: Instant
    channel: Slug
    reason: ReasonWord
    media: MediaWords
    brand: Slug | None
    voided_at: Instant | None

    @classmethod
    async def of(cls, opt_out: OptOut, directory: Directory) -> Self:
        """Show an opt-out."""
        return cls(
            id=opt_out.id,
            recorded_at=opt_out.recorded_at,
            occurred_at=opt_out.occurred_at,
            channel=await directory.channel_slug(opt_out.channel),
            reason=opt_out.reason,
            media=opt_out.media,
            brand=await brand_slug(directory, opt_out.brand),
            voided_at=opt_out.voided_at,
        )


class ReceiptOut(Answer):
    """The receipt of an opt-out: it holds from now on, and every check knows it."""

    id: UUID
    position: int = Field(description="Journal position of the last entry it wrote")
    recorded_at: Instant
    occurred_at: Instant
    channel: Slug
    reason: ReasonWord
    media: MediaWords
    brand: Slug | None
    suppressions: list[SuppressedOut]
    propagation: PropagationCount

    @classmethod
    async def of(cls, receipt: Receipt, directory: Directory) -> Self:
        """Show a receipt."""
        opt_out = receipt.opt_out
        return cls(
            id=opt_out.id,
            position=receipt.position,
            recorded_at=opt_out.recorded_at,
            occurred_at=opt_out.occurred_at,
            channel=await directory.channel_slug(opt_out.channel),
            reason=opt_out.reason,
            media=opt_out.media,
            brand=await brand_slug(directory, opt_out.brand),
            suppressions=[await SuppressedOut.of(one, directory) for one in receipt.suppressed],
            propagation=PropagationCount(
                databases=receipt.databases, acknowledged=receipt.acknowledged
            ),
        )


class HopOut(Answer):
    """One database that the opt-out concerns."""

    database: Slug
    party: Slug
    status: Status
    acknowledged_at: Instant | None
    outcome: ResultWord | None
    lag_seconds: float = Field(
        description="From the recording to the acknowledgement, or to now while it is awaited"
    )


class PropagationOut(Answer):
    """Who has been told, and when."""

    position: int
    databases: list[HopOut]
    time_to_silence_seconds: float | None = Field(
        description="From the recording to the last acknowledgement; null until all have"
    )


class OptOutQuery(PageQuery):
    """Which opt-outs to list; times are those of the recording, `until` is excluded."""

    channel: Slug | None = None
    reason: ReasonWord | None = None
    brand: Slug | None = None
    since: Instant | None = None
    until: Instant | None = None


class VoidIn(WireModel):
    """Why an opt-out was a mistake."""

    reason: Annotated[str, text(500)]


class VoidOut(Answer):
    """A voided opt-out and the suppressions that changed by it."""

    id: UUID
    voided_at: Instant
    position: int | None = Field(description="Of the last entry it wrote; null if nothing changed")


class ReinstatementIn(WireModel):
    """The person's own, later, positive act, with its proof."""

    identifier: IdentifierIn
    media: MediaWords | None = Field(None, description="Left out: every medium")
    brand: Slug | None = Field(None, description="Left out: every brand")
    occurred_at: Instant
    channel: Slug | None = Field(None, description="Left out: the channel the key is bound to")
    evidence: EvidenceIn


class ReinstatementOut(Answer):
    """What a reinstatement changed."""

    id: UUID
    position: int | None = Field(description="Of the last entry it wrote; null if nothing changed")
    recorded_at: Instant
    occurred_at: Instant
    channel: Slug
    media: MediaWords
    brand: Slug | None
    suppressions: list[SuppressedOut] = Field(description="Those that changed, as they are now")


class ErasureIn(WireModel):
    """Somebody asks to be forgotten."""

    identifiers: Annotated[list[IdentifierIn], Field(min_length=1, max_length=20)]
    reference: Annotated[str | None, text(200)] = None


class ErasedOut(Answer):
    """One contact point of an erasure."""

    kind: KindWord
    masked: str
    known: bool = Field(description="Whether the registry held it")


class ErasureOut(Answer):
    """A request to be forgotten, as taken."""

    id: UUID
    recorded_at: Instant
    position: int | None = Field(description="Of the last entry it wrote; null if none is known")
    identifiers: list[ErasedOut]


class ErasureState(Answer):
    """How far an erasure is."""

    id: UUID
    recorded_at: Instant
    completed_at: Instant | None = Field(description="When the values were destroyed")
    reference: str | None


class StateOut(Answer):
    """What is suppressed for the contact point and a brand, or every brand."""

    brand: Slug | None
    media: MediaWords
    since: Instant | None
    version: int
    position: int

    @classmethod
    async def of(cls, state: State, directory: Directory) -> Self:
        """Show a state."""
        return cls(
            brand=await brand_slug(directory, state.brand),
            media=state.media,
            since=state.since,
            version=state.version,
            position=state.position,
        )


class HistoryOut(Answer):
    """An opt-out, a line of an import, or a reinstatement about the contact point."""

    type: Literal["opt_out", "import", "reinstatement"]
    id: UUID = Field(description="Of the opt-out, the import or the reinstatement")
    line: int | None = Field(description="Of the import's file")
    occurred_at: Instant
    recorded_at: Instant
    channel: Slug
    reason: ReasonWord | None
    brand: Slug | None
    media: MediaWords
    standing: MediaWords = Field(description="Media for which it still stands")
    voided_at: Instant | None

    @classmethod
    async def of(cls, act: Act, directory: Directory) -> Self:
        """Show an act."""
        return cls(
            type=act.type,
            id=act.id,
            line=act.line,
            occurred_at=act.occurred_at,
            recorded_at=act.recorded_at,
            channel=await directory.channel_slug(act.channel),
            reason=act.reason,
            brand=await brand_slug(directory, act.brand),
            media=act.media,
            standing=act.standing,
            voided_at=act.voided_at,
        )


class SearchOut(Answer):
    """What the registry knows of one contact point."""

    identifier: MaskedOut
    suppressions: list[StateOut]
    history: list[HistoryOut] = Field(description="The latest first, at most 500")


async def brand_slug(directory: Directory, brand: int) -> str | None:
    """Name a brand; None for every brand."""
    return None if brand == EVERY_BRAND else await directory.brand_slug(brand)


async def brand_number(directory: Directory, slug: str | None, pointer: str = "/brand") -> int:
    """Find a brand's number, or that of every brand; ``pointer`` says where it is named.

    Raises:
        UnknownBrand: there is no such brand.
    """
    return EVERY_BRAND if slug is None else await directory.brand(slug, pointer)


async def propagation_out(
    propagation: Propagation, directory: Directory, parties: dict[int, str]
) -> PropagationOut:
    """Show who was told; ``parties`` names the party of each database's number."""
    return PropagationOut(
        position=propagation.position,
        databases=[
            HopOut(
                database=await directory.database_slug(hop.follower),
                party=parties[hop.follower],
                status=hop.status,
                acknowledged_at=hop.told.acknowledged_at,
                outcome=hop.told.result,
                lag_seconds=hop.lag,
            )
            for hop in propagation.hops
        ],
        time_to_silence_seconds=propagation.time_to_silence,
    )
