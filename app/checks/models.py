"""The question about one person over the wire, and its answer."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.journal import Kind, KindWord, MediumWord, ReasonWord
from app.platform.wire import Answer, Instant, Slug, WireModel, text

from .terms import CampaignIn

LONGEST_VALUE = 400
Value = Annotated[str, text(LONGEST_VALUE)]
Region = Annotated[
    str | None,
    Field(
        pattern="^[A-Z]{2}$",
        description="Region of a phone in national form; left out: OPTOUT_DEFAULT_REGION",
    ),
]


class PointIn(WireModel):
    """A contact point, named by its kind."""

    phone: Value | None = None
    email: Value | None = None
    siren: Value | None = None
    customer: Value | None = None

    def given(self) -> Iterator[tuple[Kind, str]]:
        """List what was given, in the order of the fields."""
        for kind, value in (
            (Kind.PHONE, self.phone),
            (Kind.EMAIL, self.email),
            (Kind.SIREN, self.siren),
            (Kind.CUSTOMER, self.customer),
        ):
            if value is not None:
                yield kind, value


class CheckIn(PointIn):
    """May I contact this person by this medium, for this brand?"""

    medium: MediumWord
    brand: Slug | None = Field(None, description="Left out: block if any brand is suppressed")
    region: Region = None
    campaign: CampaignIn | None = Field(
        None, description="What for; looked at where the law is asked"
    )
    at: Instant | None = Field(
        None, description="A past moment, judged by the rules of its day; needs `evidence:read`"
    )

    @model_validator(mode="after")
    def _asks_about_somebody(self) -> Self:
        if next(self.given(), None) is None:
            raise ValueError("one of phone, email, siren, customer is needed")
        return self


class ReasonOut(Answer):
    """One reason for the decision."""

    code: Literal["opted_out"]
    since: Instant = Field(description="When the oldest standing ground occurred")
    brand: Slug | None
    reason: ReasonWord


class MaskedOut(Answer):
    """A contact point, masked."""

    kind: KindWord
    masked: str


class CheckOut(Answer):
    """The answer: nobody is contacted without an `allow`."""

    decision: Literal["allow", "block"]
    reasons: list[ReasonOut]
    identifier: MaskedOut = Field(description="The contact point that decided")
    evaluated: list[Literal["suppressions"]] = Field(description="What was looked at")
    position: int = Field(description="Journal position that this answer is sure to have seen")
    checked_at: Instant
    valid_until: Instant | None = Field(
        description="Until when an `allow` may be acted on without asking again"
    )
