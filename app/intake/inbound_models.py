"""What the doors for machines show, as the wire has it."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema

from app.platform.pages import PageQuery
from app.platform.wire import Answer, Instant, Slug

from .dialects import Outcome
from .inbound_doors import DoorState, DoorView
from .inbound_events import KeptEvent
from .inbound_reviews import masked_in


class TallyOut(Answer):
    """How often a door's events came to one end for one reason.

    A reason that begins with `request:` counts whole requests.
    """

    outcome: str
    reason: str = Field(description="Empty where there is nothing to say")
    count: int
    last_at: Instant


class DoorOut(Answer):
    """A channel that a provider speaks to, and what came of it."""

    channel: Slug
    dialect: str
    state: DoorState = Field(
        description="`silent`: it used to speak and is quiet for longer than ever; `refusing`: a "
        "burst of bad signatures; `unheard`: nothing was ever let in; `closed`: nobody can be, for "
        "no secret is set, or the registry does not speak this dialect"
    )
    requests: int = Field(description="Let in, since the door was made")
    first_at: Instant | None
    last_at: Instant | None
    refused_at: Instant | None = Field(description="When a signature was refused last")
    events: dict[str, int] = Field(description="How many came to which end")
    tallies: list[TallyOut] = Field(description="The same by reason, the most frequent first")

    @classmethod
    def of(cls, door: DoorView) -> Self:
        """Show a door."""
        spoken = door.spoken
        return cls(
            channel=door.channel.slug,
            dialect=door.inbound.dialect,
            state=door.state,
            requests=0 if spoken is None else spoken.requests,
            first_at=None if spoken is None else spoken.first_at,
            last_at=None if spoken is None else spoken.last_at,
            refused_at=None if spoken is None else spoken.failed_at,
            events={outcome.word: door.came_to(outcome) for outcome in Outcome},
            tallies=[
                TallyOut(
                    outcome=tally.outcome.word,
                    reason=tally.reason,
                    count=tally.count,
                    last_at=tally.last_at,
                )
                for tally in door.tallies
            ],
        )


OutcomeWord = Literal["recorded", "lifted", "refused", "waiting"]
Truth = Annotated[
    bool,
    BeforeValidator(lambda value: {"true": True, "false": False}.get(value, value)),
    WithJsonSchema({"type": "boolean"}),
    Field(strict=True),
]
"""A true or false in the query, spelled so."""


class EventQuery(PageQuery):
    """Which events to list."""

    channel: Slug | None = None
    outcome: OutcomeWord | None = None
    review: Truth | None = None
    since: Annotated[Instant | None, Field(description="When it arrived")] = None


class EventOut(Answer):
    """One event that a provider brought."""

    id: UUID
    channel: Slug
    dialect: str
    arrived_at: Instant
    occurred_at: Instant | None
    act: str = Field(description="What it says somebody did; `nothing` where it cannot be read")
    outcome: str
    reason: str
    review: bool = Field(description="A person is to confirm or void what was recorded")
    opt_out: UUID | None
    identifiers: list[str] | None = Field(
        description="Masked; null once an erasure took what was kept"
    )
    request_sha256: str = Field(description="Of the request that brought it, to the byte")

    @classmethod
    def of(cls, one: KeptEvent, channel: str, *, region: str) -> Self:
        """Show an event."""
        return cls(
            id=one.id,
            channel=channel,
            dialect=one.dialect,
            arrived_at=one.arrived_at,
            occurred_at=one.occurred_at,
            act=one.act.word,
            outcome=one.outcome.word,
            reason=one.reason,
            review=one.review,
            opt_out=one.opt_out,
            identifiers=masked_of(one, region=region),
            request_sha256=one.request.hex(),
        )


def masked_of(one: KeptEvent, *, region: str) -> list[str] | None:
    """Read again whom an event names, masked; None: an erasure took what was kept."""
    return None if one.fields is None else masked_in(one.dialect, one.fields, region)
