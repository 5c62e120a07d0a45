"""One request to a database and what came of it, on whichever lane."""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from app.journal import EarlyStep, FollowerState, Step
from app.platform.clock import now
from app.platform.db import Database
from app.platform.http import (
    Answer,
    ForbiddenDestination,
    Outbound,
    Unreachable,
    Zone,
    parse_destination,
)
from app.settings import Settings

from .answers import Acknowledged, Retry, Smaller, Verdict, clock_fault, excerpt, read_answer
from .batches import Batch, Batches, message_id
from .endpoints import Endpoint
from .measures import count_batch
from .settling import Attempt, Settler
from .signatures import sign
from .turns import Turns


@dataclass(frozen=True, slots=True)
class Tools:
    """What all couriers of one worker share; ``turns`` are for batches in hand and under way."""

    database: Database
    batches: Batches
    settler: Settler[Step]
    early_settler: Settler[EarlyStep]
    random: Random
    turns: Turns


async def exchange(
    outbound: Outbound,
    endpoint: Endpoint,
    follower: FollowerState,
    batch: Batch,
    *,
    settings: Settings,
) -> tuple[Attempt, Verdict]:
    """Send a batch, judge what comes back, a silence too, and count it."""
    attempt, verdict = await _exchange(outbound, endpoint, follower, batch, settings=settings)
    count_batch(follower, batch, verdict, attempt.status, now())
    return attempt, verdict


async def _exchange(
    outbound: Outbound,
    endpoint: Endpoint,
    follower: FollowerState,
    batch: Batch,
    *,
    settings: Settings,
) -> tuple[Attempt, Verdict]:
    at = now()
    attempt = Attempt(
        follower.id, at, batch.previous, batch.to, batch.entries, duration=0.0, lane=batch.lane
    )
    message = message_id(follower, batch)
    began = time.monotonic()
    try:
        answer = await post(
            outbound, endpoint, batch.body, message=message, at=at, settings=settings
        )
    except Unreachable as error:
        attempt = replace(attempt, duration=time.monotonic() - began)
        if error.kind == "timeout":
            return attempt, Smaller(error.kind, error.detail)
        return attempt, Retry(None, error.kind, error.detail)
    verdict = read_answer(
        answer.status,
        answer.headers,
        answer.body,
        previous=batch.previous,
        to=batch.to,
        at=now(),
        cut=answer.cut,
    )
    if isinstance(verdict, Acknowledged) and verdict.through == batch.previous:
        verdict = Retry(None, "nothing-acknowledged", "the database took no entry")
    fault = clock_fault(answer.headers, now())
    if isinstance(verdict, Retry) and fault:
        verdict = replace(verdict, detail=f"{verdict.detail}; {fault}")
    shown = excerpt(answer.body) or None
    return replace(attempt, status=answer.status, duration=answer.duration, answer=shown), verdict


async def post(
    outbound: Outbound,
    endpoint: Endpoint,
    body: bytes,
    *,
    message: str,
    at: datetime,
    settings: Settings,
) -> Answer:
    """Send one signed message to a database, within the deadline of the settings.

    Raises:
        Unreachable: no answer was had, or the destination is forbidden by now.
    """
    way = endpoint.way
    if way.url is None or way.zone is None:
        raise ValueError("a database that pulls is sent nothing")
    try:
        destination = parse_destination(way.url, Zone(way.zone), settings)
    except ForbiddenDestination as error:
        raise Unreachable("forbidden-destination", error.detail) from None
    headers = {
        "content-type": "application/json",
        **sign(endpoint.secrets_at(at), id=message, at=at, body=body),
    }
    return await outbound.post(
        destination, body, headers, deadline=settings.delivery_deadline_seconds
    )
