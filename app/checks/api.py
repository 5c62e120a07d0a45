"""The routes of checks: may I contact this person? One, or ten thousand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Request, Response

from app.identifiers import mask
from app.journal import EVERY_BRAND, Kind
from app.parties import (
    Caller,
    Directory,
    QuotaExceeded,
    Quotas,
    Reads,
    ThePurpose,
    UnknownBrand,
    UnusualUse,
    require_scope,
    requires,
)
from app.platform.clock import now
from app.platform.db import database_of
from app.platform.openapi import RATE_LIMIT, responses
from app.platform.problems import FieldError, Problem
from app.platform.web import BatchRoute, router
from app.platform.wire import Answer
from app.points import PointKeys, UnusableIdentifier, read_identifier
from app.settings import Settings

from .batch_models import BatchIn, BatchOut, render_batch
from .batches import decide_many, digest_lines
from .counsel import Counsel
from .decisions import Verdict, decide
from .lawful import Lawful, ask_the_law
from .lawful_batches import LawfulBatchOut, judge_many, render_lawful
from .lawful_models import LawfulCheckOut
from .lookups import Found, Hit, LookUps
from .models import CheckIn, CheckOut, MaskedOut, ReasonOut
from .replay import stood
from .terms import CampaignIn

checks = router("/v1/checks", "checks")
batches = router("/v1/checks/batch", "checks", route_class=BatchRoute)
ROUTERS = (checks, batches)

Checker = Annotated[Caller, requires("checks")]


class UnusableMoment(Problem):
    """The moment to be judged has not come yet.

    A check without `at` is about now; one with it replays the past.
    """

    type = "unusable-moment"
    title = "The moment cannot be judged"
    status = 422


@dataclass(frozen=True, slots=True)
class Desk:
    """All that an answer needs of the process that gives it.

    The routes take it from the request themselves: FastAPI spends as long on each dependency as
    on reading the body.
    """

    look_ups: LookUps
    counsel: Counsel
    quotas: Quotas
    keys: PointKeys
    directory: Directory
    settings: Settings
    reads: Reads


def _desk_of(request: Request) -> Desk:
    desk = request.app.state.desk
    if not isinstance(desk, Desk):
        raise TypeError("the app was started without a desk for checks")
    return desk


@checks.post(
    "",
    response_model=CheckOut | LawfulCheckOut,
    responses=responses(
        UnusableIdentifier, UnknownBrand, UnusableMoment, QuotaExceeded, UnusualUse
    ),
)
async def check(body: CheckIn, caller: Checker, request: Request) -> Response:
    """Ask before contacting somebody.

    Of several contact points of one person, one that is suppressed blocks. Where the law is asked
    too, for the brand or by the setting, the answer is `allow`, `block`, `defer` until
    `next_allowed_at`, or `review` for a human to decide; a standing objection blocks before that.
    The answer has seen every opt-out whose receipt was sent before the request. No answer means:
    do not contact.
    """
    at = now()
    desk = _desk_of(request)
    if body.at is not None:
        require_scope(caller, "evidence:read")
        if body.at > at:
            raise UnusableMoment(
                "The moment has not come yet.", errors=[FieldError("/at", "it has not come yet")]
            )
    brand = None if body.brand is None else await desk.directory.brand(body.brand)
    region = body.region or desk.settings.default_region
    identifiers = [
        read_identifier(kind, value, region=region, pointer=f"/{kind.word}")
        for kind, value in body.given()
    ]
    terms = (body.campaign or _NO_CAMPAIGN).terms(brand, region=region)
    await desk.quotas.count_checked(caller, len(identifiers))
    points = [desk.keys.digests.digests(identifier) for identifier in identifiers]
    found = await _find(desk, request, points, body)
    verdict = decide(_by_point(points, found), brand=brand)
    covered = found[0].covered
    position = min(one.position for one in found)
    if verdict.decision == "allow" and covered.asks_the_law(
        brand, otherwise=desk.counsel.is_default
    ):
        is_known = any(one.is_known for one in found)
        question = Lawful(terms, body.medium, body.at, identifiers, points, at, is_known)
        return _json(await ask_the_law(desk.counsel, question, position, desk.settings))
    decisive = identifiers[verdict.decided_by]
    allowed_for = timedelta(seconds=desk.settings.allow_seconds)
    may_act = verdict.decision == "allow" and body.at is None
    return rendered(
        CheckOut(
            decision=verdict.decision,
            reasons=await _reasons(verdict, desk.directory),
            identifier=MaskedOut(kind=decisive.kind, masked=mask(decisive)),
            evaluated=["suppressions"],
            position=position,
            checked_at=body.at or at,
            valid_until=at + allowed_for if may_act else None,
        )
    )


_NO_CAMPAIGN = CampaignIn()


def rendered(answer: Answer) -> Response:
    """Write an answer straight, which costs less than to have it described and checked again."""
    return _json(answer.model_dump_json())


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


async def _find(
    desk: Desk, request: Request, points: Sequence[Sequence[bytes]], body: CheckIn
) -> Sequence[Found]:
    """Find what stands, or stood, under each digest."""
    if body.at is not None:
        async with database_of(request).reading() as session:
            return await stood(session, points, medium=body.medium, at=body.at)
    return await desk.look_ups.one([(digest, body.medium) for point in points for digest in point])


def _by_point(points: Sequence[Sequence[bytes]], found: Sequence[Found]) -> list[list[Hit]]:
    """Gather what was found under the digests of each contact point, or about it as a whole."""
    if len(found) == len(points):
        return [[*one.hits] for one in found]
    answers = iter(found)
    return [[hit for _ in digests for hit in next(answers).hits] for digests in points]


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


@batches.post(
    "",
    response_model=BatchOut | LawfulBatchOut,
    responses={
        200: {"headers": RATE_LIMIT},
        **responses(UnknownBrand, UnusableIdentifier, QuotaExceeded, UnusualUse),
    },
)
async def check_batch(
    body: BatchIn, caller: Checker, request: Request, purpose: ThePurpose
) -> Response:
    """Ask about at most 10,000 people at once, as of one journal position.

    A contact point that cannot be understood is answered `block`, `unusable`. Where the law is
    asked too, each line says why not, and when a `defer` may become an `allow`. The audit notes
    how many were asked about and what for, many batches of a minute in one line.
    """
    at = now()
    desk = _desk_of(request)
    brand = None if body.brand is None else await desk.directory.brand(body.brand)
    region = body.region or desk.settings.default_region
    terms = (body.campaign or _NO_CAMPAIGN).terms(brand, region=region)
    allowance = await desk.quotas.count_checked(caller, len(body.items))
    subject = f"medium:{body.medium.word}"
    rows = len(body.items)
    await desk.reads.note(caller, "checks.read", subject, rows=rows, purpose=purpose, at=at)
    normals: list[tuple[Kind, str | None]] = []
    digests = await digest_lines(
        desk.keys.digests,
        [(item.kind, item.value) for item in body.items],
        region=region,
        normals=normals,
    )
    decided = await decide_many(desk.look_ups, digests, medium=body.medium, brand=brand)
    if decided.covered.asks_the_law(brand, otherwise=desk.counsel.is_default):
        lines = await judge_many(
            desk.counsel, decided, normals, digests, terms=terms, medium=body.medium, at=at
        )
        answer = render_lawful(body.items, lines, position=decided.position, at=at)
    else:
        answer = render_batch(body.items, decided, at=at)
    if allowance is not None:
        answer.headers.update(allowance.headers)
    return answer
