"""The routes of checks: may I contact this person? One, or ten thousand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Request, Response

from app.identifiers import mask
from app.journal import EVERY_BRAND
from app.parties import (
    Caller,
    Directory,
    QuotaExceeded,
    Quotas,
    Reads,
    ThePurpose,
    UnknownBrand,
    UnusualUse,
    requires,
)
from app.platform.clock import now
from app.platform.openapi import RATE_LIMIT, responses
from app.platform.web import BatchRoute, router
from app.points import PointKeys, UnusableIdentifier, read_identifier
from app.settings import Settings

from .batch_models import BatchIn, BatchOut, render_batch
from .batches import decide_many, digest_lines
from .decisions import Verdict, decide
from .lookups import Found, Hit, LookUps, Question
from .models import CheckIn, CheckOut, MaskedOut, ReasonOut

checks = router("/v1/checks", "checks")
batches = router("/v1/checks/batch", "checks", route_class=BatchRoute)
ROUTERS = (checks, batches)

Checker = Annotated[Caller, requires("checks")]


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
    reads: Reads


def _desk_of(request: Request) -> Desk:
    desk = request.app.state.desk
    if not isinstance(desk, Desk):
        raise TypeError("the app was started without a desk for checks")
    return desk


@checks.post("", responses=responses(UnusableIdentifier, UnknownBrand, QuotaExceeded, UnusualUse))
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


@batches.post(
    "",
    response_model=BatchOut,
    responses={
        200: {"headers": RATE_LIMIT},
        **responses(UnknownBrand, QuotaExceeded, UnusualUse),
    },
)
async def check_batch(
    body: BatchIn, caller: Checker, request: Request, purpose: ThePurpose
) -> Response:
    """Ask about at most 10,000 people at once, as of one journal position.

    A contact point that cannot be understood is answered `block`, `unusable`. The audit notes how
    many were asked about and what for, many batches of a minute in one line.
    """
    at = now()
    desk = _desk_of(request)
    brand = None if body.brand is None else await desk.directory.brand(body.brand)
    allowance = await desk.quotas.count_checked(caller, len(body.items))
    await desk.reads.note(
        caller,
        "checks.read",
        f"medium:{body.medium.word}",
        rows=len(body.items),
        purpose=purpose,
        at=at,
    )
    decided = await decide_many(
        desk.look_ups,
        await digest_lines(
            desk.keys.digests,
            [(item.kind, item.value) for item in body.items],
            region=body.region or desk.settings.default_region,
        ),
        medium=body.medium,
        brand=brand,
    )
    answer = render_batch(body.items, decided, at=at)
    if allowance is not None:
        answer.headers.update(allowance.headers)
    return answer
