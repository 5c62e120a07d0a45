"""The routes of the rules: those in force on a day, and what they come to under given facts."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request

from app.parties import Caller, requires
from app.platform.clock import now
from app.platform.web import router
from app.policy import Law, Places, evaluate, zones_of
from app.settings import Settings

from .counsel import Counsel
from .lawful_models import RulingOut, ruling_fields
from .policies_models import EvaluationIn, PoliciesOut, PoliciesQuery, next_change, shown_pack

policies = router("/v1/policies", "policies")
ROUTERS = (policies,)

Reader = Annotated[Caller, requires("parties:read")]


def _counsel_of(request: Request) -> Counsel:
    counsel = request.app.state.counsel
    if not isinstance(counsel, Counsel):
        raise TypeError("the app was started without a counsel")
    return counsel


@policies.get("")
async def read_policies(
    _: Reader, query: Annotated[PoliciesQuery, Query()], request: Request
) -> PoliciesOut:
    """Show the rules in force on a day, with their sources, and what changes next.

    They were gathered mostly from secondary sources, each with how sure it is; no legal advice. A
    pack that is `incomplete` does not hold the whole law of its countries.
    """
    law = await _counsel_of(request).law()
    on = query.on or now().astimezone(request.app.state.settings.time_zone).date()
    packs = [pack for pack in law.packs if query.country is None or query.country in pack.countries]
    return PoliciesOut(
        on=on,
        packs=[shown_pack(pack, on) for pack in packs],
        next_change=next_change(packs, on),
    )


@policies.post("/evaluate")
async def evaluate_policies(body: EvaluationIn, _: Reader, request: Request) -> RulingOut:
    """Ask what a check would answer under facts as they are given.

    None of them is computed from `at`: a window that is said to be inside is inside. Then
    `next_allowed_at` is the latest that it can be, for nobody said when calls or refusals were.
    """
    law = await _counsel_of(request).law()
    return evaluated(law, body, request.app.state.settings)


def evaluated(law: Law, asked: EvaluationIn, settings: Settings) -> RulingOut:
    """Answer a question about given facts."""
    places = Places((asked.country,), "given", zones_of(asked.country))
    ruling = evaluate(law, places, asked.judged_as, asked.audience, asked.as_facts, at=asked.at)
    until = asked.at + timedelta(seconds=settings.allow_seconds)
    return RulingOut(**ruling_fields(ruling, asked.at, until), evaluated=["law"])
