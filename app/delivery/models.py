"""What the routes of this room read and write."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from app.journal import (
    EVERY_MEDIUM,
    Kind,
    KindWord,
    Lane,
    LaneName,
    MediaWords,
    ResultWord,
    Scope,
)
from app.parties import Directory
from app.platform.alarms import Incident
from app.platform.wire import Answer, Flag, Instant, Slug, Whole, WireModel, text

from .databases import NewDatabase, Standing, Start, State
from .endpoints import Format, Mode, OnPoison, Secrets, Way, ZoneName
from .pings import Ping
from .settling import Attempt

Name = Annotated[str, text(120)]
Kinds = Annotated[list[KindWord], Field(min_length=1, max_length=len(Kind))]
Brands = Annotated[list[Slug], Field(min_length=1, max_length=500)]
EntryType = Literal["suppression.added", "suppression.lifted", "identifier.erased"]
EntryLane = Literal["live", "bulk"]
LEFT_OUT: Any = Field(default_factory=lambda: None)
"""The default of what a PATCH may leave out: null is refused where the field has no null."""


class DeliveryIn(WireModel):
    """How a database is told."""

    mode: Mode
    url: Annotated[str | None, text(2_000)] = Field(None, description="Of the webhook")
    recall_url: Annotated[str | None, text(2_000)] = Field(
        None,
        description="Where whoever newly objects is told of at once, in either mode, to be taken "
        "out of call queues that are loaded already: `contacts.recall` with live entries, signed "
        "as a webhook is. Answer 2xx, with `contacts_cancelled` if you like (at most 1,000,000; "
        "not counted again in an outcome). It is tried for 10 minutes and acknowledges nothing: "
        "the entries come by the webhook or the feed as well",
    )
    zone: ZoneName = Field(
        "public",
        description="Of both addresses. public: https to public ones; internal: within "
        "OPTOUT_INTERNAL_NETWORKS",
    )
    identifier_format: Format = "plain"
    accept_weak: Flag = Field(
        default=False,
        description="Needed for `sha256`: a list of phone numbers hashed so is broken in minutes",
    )

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.mode == "webhook" and self.url is None:
            raise ValueError("a webhook needs its url")
        if self.mode == "pull" and self.url is not None:
            raise ValueError("a database that pulls has no url")
        return self

    @property
    def way(self) -> Way:
        """Say it as the rules do."""
        zone = None if self.url is None and self.recall_url is None else self.zone
        return Way(self.mode, self.identifier_format, self.url, zone, self.recall_url)


async def brand_numbers(
    slugs: Sequence[str] | None, directory: Directory
) -> tuple[int, ...] | None:
    """Find the numbers of some brands; None for all of them."""
    named = enumerate(slugs or ())
    numbers = {await directory.brand(slug, f"/brands/{at}") for at, slug in named}
    return None if slugs is None else tuple(sorted(numbers))


class DatabaseIn(WireModel):
    """A prospecting database to be told."""

    slug: Slug
    name: Name
    party: Slug
    media: MediaWords = Field(EVERY_MEDIUM, description="The media it is used for")
    brands: Brands | None = Field(None, description="The brands it is used for; null: all")
    kinds: Kinds = Field(list(Kind), description="The kinds of contact points it holds")
    start: Start = Field(
        "beginning", description="`latest`: what was suppressed before is not told"
    )
    on_poison: OnPoison = Field(
        "block",
        description="Of an entry that it refuses by itself while it takes a ping. `block`: the "
        "others wait behind it; `park`: they go on, it is listed, and tried again and again",
    )
    delivery: DeliveryIn

    async def database(self, directory: Directory) -> NewDatabase:
        """Say it as the rules do.

        Raises:
            UnknownBrand: it names a brand that there is not.
        """
        brands = await brand_numbers(self.brands, directory)
        scope = Scope(frozenset(self.kinds), self.media, brands)
        way, start = self.delivery.way, self.start
        return NewDatabase(self.slug, self.name, self.party, scope, way, start, self.on_poison)


class DatabaseChange(WireModel):
    """What is to be different; what is left out stays. All but the first three: scope `admin`."""

    name: Name = LEFT_OUT
    party: Slug = LEFT_OUT
    on_poison: OnPoison = LEFT_OUT
    media: MediaWords = LEFT_OUT
    brands: Brands | None = None
    kinds: Kinds = LEFT_OUT
    delivery: DeliveryIn = LEFT_OUT

    def given(self, *names: str) -> dict[str, Any]:
        """Tell those of some fields that the request names."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


class DeliveryOut(Answer):
    """How a database is told."""

    mode: Mode
    url: str | None
    recall_url: str | None
    zone: ZoneName | None
    identifier_format: Format


class AlarmOut(Answer):
    """What the operators were told of and what lasts."""

    type: str = Field(description="`database.lagging`, `database.gone` or `database.parked`")
    threshold_seconds: int | None = Field(description="Of a lag: 900, 3600 or 86400")
    since: Instant

    @classmethod
    def of(cls, incident: Incident | None) -> Self | None:
        """Show the alarm of a database, if there is one."""
        if incident is None:
            return None
        return cls(
            type=incident.type, threshold_seconds=incident.level or None, since=incident.since
        )


class DatabaseOut(Answer):
    """A database, how it is told, and how far it is."""

    slug: Slug
    name: str
    party: Slug
    media: MediaWords
    brands: list[Slug] | None
    kinds: list[KindWord]
    delivery: DeliveryOut
    state: State = Field(description="A failing one is tried until it answers")
    acknowledged_position: int = Field(
        description="Every entry up to here is acknowledged, parked or does not concern it"
    )
    lag_entries: int
    lag_seconds: float = Field(description="Age of the oldest entry that it has not acknowledged")
    last_error: str | None
    last_error_at: Instant | None
    on_poison: OnPoison
    parked_entries: int = Field(description="Listed at `/parked`; none of them is acknowledged")
    alarm: AlarmOut | None = Field(
        description="Sent to OPTOUT_OPERATIONS_URL too, where that is set; null: all is well"
    )
    created_at: Instant

    @classmethod
    async def shown(cls, standing: Standing, directory: Directory) -> dict[str, Any]:
        """Collect the fields."""
        scope, way = standing.follower.scope, standing.endpoint.way
        brands = scope.brands
        return {
            "slug": standing.database.slug,
            "name": standing.database.name,
            "party": standing.database.party,
            "media": scope.media,
            "brands": None
            if brands is None
            else [await directory.brand_slug(brand) for brand in brands],
            "kinds": sorted(scope.kinds),
            "delivery": DeliveryOut(
                mode=way.mode,
                url=way.url,
                recall_url=way.recall_url,
                zone=way.zone,
                identifier_format=way.identifier_format,
            ),
            "state": standing.state,
            "acknowledged_position": standing.follower.scanned,
            "lag_entries": standing.lag_entries,
            "lag_seconds": standing.lag_seconds,
            "last_error": standing.endpoint.last_error,
            "last_error_at": standing.endpoint.last_error_at,
            "on_poison": standing.endpoint.on_poison,
            "parked_entries": standing.parked,
            "alarm": AlarmOut.of(standing.alarm),
            "created_at": standing.database.created_at,
        }

    @classmethod
    async def of(cls, standing: Standing, directory: Directory) -> "DatabaseOut":
        """Show a database."""
        return DatabaseOut(**await cls.shown(standing, directory))


class DatabaseIssued(DatabaseOut):
    """A database with its secrets, which are shown this once."""

    signing_secret: str | None = Field(description="Shown once; null in a replay")
    identifier_key: str | None = Field(
        description="Base64; the key of `hmac-sha256`, shown once; null for other formats"
    )

    @classmethod
    async def with_secrets(
        cls, standing: Standing, directory: Directory, secrets: Secrets | None
    ) -> Self:
        """Show a database and what was issued to it."""
        return cls(
            **await cls.shown(standing, directory),
            signing_secret=None if secrets is None else secrets.signing_secret,
            identifier_key=None if secrets is None else secrets.identifier_key,
        )


class PingOut(Answer):
    """What came of a ping."""

    delivered: bool
    status: int | None
    duration_ms: int | None
    error: str | None
    detail: str | None

    @classmethod
    def of(cls, ping: Ping) -> Self:
        """Show a ping."""
        return cls(
            delivered=ping.delivered,
            status=ping.status,
            duration_ms=None if ping.duration is None else round(ping.duration * 1000),
            error=ping.error,
            detail=ping.detail,
        )


class SecretOut(Answer):
    """A new signing secret, shown this once; the one before signs beside it for 24 hours."""

    signing_secret: str | None = Field(description="Null in a replay")


class ReplayIn(WireModel):
    """From where to tell again."""

    from_position: Annotated[Whole, Field(ge=1)]


class DeliveryAttemptOut(Answer):
    """One request to a database."""

    id: UUID
    at: Instant
    lane: LaneName | Literal["recall"]
    previous: int | None = Field(description="Null where none was said: not on the lane main")
    to: int
    entries: int
    status: int | None
    error: str | None
    detail: str | None
    answer: str | None = Field(description="The beginning of what it answered, masked")
    duration_ms: int

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """Show an attempt."""
        return cls(
            id=attempt.id,
            at=attempt.at,
            lane=attempt.lane,
            previous=attempt.previous if attempt.lane == "main" else None,
            to=attempt.upto,
            entries=attempt.entries,
            status=attempt.status,
            error=attempt.error,
            detail=attempt.detail,
            answer=attempt.answer,
            duration_ms=round(attempt.duration * 1000),
        )


def journal_cursor(description: str | None = None) -> FieldInfo:
    """Bound the text of a cursor of the journal."""
    bounds: FieldInfo = Field(max_length=200, pattern="^[A-Za-z0-9_-]+$", description=description)
    return bounds


class JournalQuery(WireModel):
    """From where, how many, and how long to wait."""

    cursor: Annotated[
        str | None,
        journal_cursor(
            "`next_cursor` of before, a `Journal-Cursor`, or `latest`; left out: from the beginning"
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 500
    wait: Annotated[
        float, Field(ge=0, le=25, description="Seconds to wait for an entry if there is none")
    ] = 0
    lane: Literal["live"] | None = Field(None, description="`live`: without what files brought")

    @property
    def only(self) -> Lane | None:
        """The one lane that is asked for."""
        return None if self.lane is None else Lane.LIVE


class EntryIdentifier(Answer):
    """A contact point in the database's format; an erased one has no value any more."""

    kind: KindWord
    format: Literal["plain", "hmac-sha256", "sha256", "erased"]
    value: str | None


class EntryOut(Answer):
    """One change: the whole state now of a contact point and brand. The highest version counts."""

    position: int
    id: UUID
    type: EntryType
    lane: EntryLane
    occurred_at: Instant
    recorded_at: Instant
    identifier: EntryIdentifier
    brand: Slug | None
    media: MediaWords
    version: int
    reason: str


class FeedOut(Answer):
    """The next entries that concern the database."""

    entries: list[EntryOut]
    next_cursor: str
    has_more: bool
    head: int = Field(description="The journal's last position")


class AcknowledgementIn(WireModel):
    """Applied up to here."""

    cursor: Annotated[str, journal_cursor()]


class AcknowledgementOut(Answer):
    """How far the database has acknowledged."""

    acknowledged_position: int


class OutcomeIn(WireModel):
    """What was done with one entry."""

    position: Annotated[Whole, Field(ge=1)]
    outcome: ResultWord
    applied_at: Instant | None = None
    contacts_cancelled: Annotated[Whole, Field(le=2**31 - 1)] | None = None


class OutcomesIn(WireModel):
    """What was done with some entries; of two about one, the later counts."""

    outcomes: Annotated[list[OutcomeIn], Field(min_length=1, max_length=1_000)]


class OutcomesOut(Answer):
    """How many were taken."""

    recorded: int
