"""The routes of checks: may I contact this person? One, or ten thousand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, Self

from fastapi import Request
from pydantic import Field, model_validator

from app.identifiers import mask
from app.journal import EVERY_BRAND, Kind, KindWord, MediumWord, ReasonWord
from app.parties import Caller, Directory, QuotaExceeded, Quotas, UnknownBrand, requires
from app.platform.clock import now
from app.platform.openapi import responses
from app.platform.web import BatchRoute, router
from app.platform.wire import Answer, Instant, Slug, WireModel, text
from app.points import PointKeys, UnusableIdentifier, read_identifier
from app.settings import Settings

from .batches import ALLOW, UNUSABLE, Line, decide_many, digest_lines
from .decisions import Verdict, decide
from .lookups import Found, Hit, LookUps, Question

checks = router("/v1/checks", "checks")
batches = router("/v1/checks/batch", "checks", route_class=BatchRoute)
ROUTERS = (checks, batches)

Checker = Annotated[Caller, requires("checks")]

Value = Annotated[str, text(400)]
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


class ItemIn(PointIn):
    """One line of a batch: exactly one contact point."""

    ref: Annotated[str | None, text(200)] = Field(None, description="Your own, given back")

    @model_validator(mode="after")
    def _asks_about_one(self) -> Self:
        if len(list(self.given())) != 1:
            raise ValueError("exactly one of phone, email, siren, customer is needed")
        return self


class BatchIn(WireModel):
    """The same question about many people."""

    medium: MediumWord
    brand: Slug | None = Field(None, description="Left out: block if any brand is suppressed")
    region: Region = None
    items: Annotated[list[ItemIn], Field(max_length=10_000)]


class ResultOut(Answer):
    """The answer to one line."""

    ref: str | None
    decision: Literal["allow", "block"]
    code: Literal["opted_out", "unusable"] | None
    since: Instant | None


class CountsOut(Answer):
    """How many lines were answered how; they add up to the lines."""

    allow: int
    block: int
    unusable: int


class BatchOut(Answer):
    """The answers, in the order of the lines."""

    position: int
    checked_at: Instant
    results: list[ResultOut]
    counts: CountsOut


@dataclass(frozen=True, slots=True)
class Desk:
    """All that an answer needs of the process that gives it.

    The routes take it from the request themselves: FastAPI spends as long on each dependency as
    on reading the body.
    """

    look_ups: LookUps
    quotas: Quotas
    keys: PointKeys
    directory: Directory
    settings: Settings


def _desk_of(request: Request) -> Desk:
    desk = request.app.state.desk
    if not isinstance(desk, Desk):
        raise TypeError("the app was started without a desk for checks")
    return desk


@checks.post("", responses=responses(UnusableIdentifier, UnknownBrand, QuotaExceeded))
async def check(body: CheckIn, caller: Checker, request: Request) -> CheckOut:
    """Ask before contacting somebody.

    Of several contact points of one person, one that is suppressed blocks. The answer has seen
    every opt-out whose receipt was sent before the request. No answer means: do not contact.
    """
    at = now()
    desk = _desk_of(request)
    brand = None if body.brand is None else await desk.directory.brand(body.brand)
    region = body.region or desk.settings.default_region
    identifiers = [
        read_identifier(kind, value, region=region, pointer=f"/{kind.word}")
        for kind, value in body.given()
    ]
    await desk.quotas.count_checked(caller, len(identifiers))
    asked = [
        [(digest, body.medium) for digest in desk.keys.digests.digests(identifier)]
        for identifier in identifiers
    ]
    found = await desk.look_ups.one([question for questions in asked for question in questions])
    verdict = decide(_by_point(asked, found), brand=brand)
    decisive = identifiers[verdict.decided_by]
    allowed_for = timedelta(seconds=desk.settings.allow_seconds)
    return CheckOut(
        decision=verdict.decision,
        reasons=await _reasons(verdict, desk.directory),
        identifier=MaskedOut(kind=decisive.kind, masked=mask(decisive)),
        evaluated=["suppressions"],
        position=min(one.position for one in found),
        checked_at=at,
        valid_until=at + allowed_for if verdict.decision == "allow" else None,
    )


def _by_point(asked: Sequence[Sequence[Question]], found: Sequence[Found]) -> list[list[Hit]]:
    """Gather what was found under the digests of each contact point."""
    answers = iter(found)
    return [[hit for _ in questions for hit in next(answers).hits] for questions in asked]


async def _reasons(verdict: Verdict, directory: Directory) -> list[ReasonOut]:
    return [
        ReasonOut(
            code="opted_out",
            since=hit.since,
            brand=None if hit.brand == EVERY_BRAND else await directory.brand_slug(hit.brand),
            reason=hit.reason,
        )
        for hit in verdict.hits
    ]


@batches.post("", responses=responses(UnknownBrand, QuotaExceeded))
async def check_batch(body: BatchIn, caller: Checker, request: Request) -> BatchOut:
    """Ask about at most 10,000 people at once, as of one journal position.

    A contact point that cannot be understood is answered `block`, `unusable`.
    """
    at = now()
    desk = _desk_of(request)
    brand = None if body.brand is None else await desk.directory.brand(body.brand)
    await desk.quotas.count_checked(caller, len(body.items))
    region = body.region or desk.settings.default_region
    given = [next(item.given()) for item in body.items]
    decided = await decide_many(
        desk.look_ups,
        await digest_lines(desk.keys.digests, given, region=region),
        medium=body.medium,
        brand=brand,
    )
    lines = decided.lines
    results = [_result(item.ref, line) for item, line in zip(body.items, lines, strict=True)]
    allow, unusable = lines.count(ALLOW), lines.count(UNUSABLE)
    counts = CountsOut(allow=allow, block=len(results) - allow - unusable, unusable=unusable)
    return BatchOut(position=decided.position, checked_at=at, results=results, counts=counts)


def _result(ref: str | None, line: Line) -> ResultOut:
    return ResultOut(ref=ref, decision=line.decision, code=line.code, since=line.since)
