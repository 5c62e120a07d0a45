"""The courier: one database's conversation, batch after batch, while one worker holds its lease."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Protocol

import structlog

from app.journal import FollowerState, Report, Step, pause, put_off
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

from .answers import (
    Acknowledged,
    Gone,
    Retry,
    Rewind,
    Smaller,
    Verdict,
    excerpt,
    next_delay,
    read_answer,
)
from .batches import Batch, Batches, Place, grown, message_id
from .endpoints import Endpoint, note_result
from .rendering import Form
from .settling import Attempt, Result, Settler, keep_attempts
from .signatures import sign

_SLOW_START_AFTER = 3
"""Failures in a row after which the next batch holds one entry."""
_MOST_REWINDS = 3
"""Rewinds in a row, without an acknowledgement, after which they count as failures."""

log = structlog.get_logger(__name__)


class Lease(Protocol):
    """What the courier asks of the lease it works under."""

    def holds(self, follower: int, fence: int, seconds: float) -> bool:
        """Tell whether the follower is held for so many seconds more."""

    async def wait_beyond(self, position: int, follower: int, fence: int) -> None:
        """Wait until the journal is longer than a position; raises LeaseLost."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all couriers of one worker share; ``slots`` are for batches in hand and under way."""

    database: Database
    batches: Batches
    settler: Settler
    random: Random
    slots: asyncio.Semaphore


class LeaseLost(Exception):  # noqa: N818 - no fault: somebody paused, changed or took it over
    """The follower is no longer ours; what was sent will be sent again by whoever holds it."""


class Courier:
    """Tells one database, in order, one request at a time, until it fails or the lease is lost."""

    def __init__(
        self, tools: Tools, follower: FollowerState, endpoint: Endpoint, lease: Lease
    ) -> None:
        """Take a follower that was just claimed, and how its database is told."""
        self._tools = tools
        self._follower = follower
        self._endpoint = endpoint
        self._lease = lease
        self._outbound = Outbound(tools.database.settings)
        self._rewinds = 0
        self._writing: asyncio.Task[bool] | None = None

    async def run(self) -> None:
        """Send what is due as it becomes due; ends after a failure, which plans the next try.

        Raises:
            LeaseLost: somebody else decides about this follower now.
            Unavailable: PostgreSQL does not answer.
        """
        try:
            while await self._tell_next():
                pass
            await self._written()
        finally:
            if self._writing is not None:
                # It is written all the same; nobody is left to hear how that went.
                self._writing.cancel()
            await self._outbound.aclose()

    async def _tell_next(self) -> bool:
        """Send the next batch, or wait for one; False when this conversation is over."""
        follower = self._follower
        await self._lease.wait_beyond(follower.scanned, follower.id, follower.fence)
        async with self._tools.slots:
            batch = await self._tools.batches.after(self._place())
            if batch.entries:
                self._require_lease()
                return await self._send(batch)
        # Nothing that concerns it: its place moves on, without a request.
        await self._written()
        self._advance(told=follower.told, scanned=batch.to, acknowledged=None)
        await self._written()
        return True

    def _place(self) -> Place:
        follower, endpoint = self._follower, self._endpoint
        form = Form(endpoint.way.identifier_format, endpoint.identifier_key)
        return Place(follower.scope, form, follower.told, follower.scanned, follower.batch_limit)

    def _require_lease(self) -> None:
        deadline = self._tools.database.settings.delivery_deadline_seconds
        if not self._lease.holds(self._follower.id, self._follower.fence, deadline):
            raise LeaseLost

    async def _send(self, batch: Batch) -> bool:
        attempt, verdict = await self._exchange(batch)
        await self._written()
        match verdict:
            case Acknowledged():
                self._rewinds = 0
                self._advance(
                    told=verdict.through,
                    scanned=verdict.through,
                    acknowledged=verdict.through,
                    attempt=attempt,
                    reports=verdict.outcomes,
                )
                if not batch.full:
                    await self._written()
                return True
            case Rewind():
                return await self._rewound(verdict.expected - 1, attempt)
            case Gone():
                return await self._gone(attempt)
            case Smaller() | Retry():
                return await self._failed(attempt, verdict)

    async def _exchange(self, batch: Batch) -> tuple[Attempt, Verdict]:
        """Send a batch and judge what comes back, a silence too."""
        follower, at = self._follower, now()
        attempt = Attempt(follower.id, at, batch.previous, batch.to, batch.entries, duration=0.0)
        message = message_id(follower, batch)
        began = time.monotonic()
        try:
            answer = await post(
                self._outbound,
                self._endpoint,
                batch.body,
                message=message,
                at=at,
                settings=self._tools.database.settings,
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
        shown = excerpt(answer.body) or None
        return replace(
            attempt, status=answer.status, duration=answer.duration, answer=shown
        ), verdict

    async def _written(self) -> None:
        """Wait until what was acknowledged last is written down.

        Raises:
            LeaseLost: it was refused, for somebody else decides about this follower now.
        """
        writing, self._writing = self._writing, None
        if writing is not None and not await writing:
            raise LeaseLost

    def _advance(
        self,
        *,
        told: int,
        scanned: int,
        acknowledged: int | None,
        attempt: Attempt | None = None,
        reports: Sequence[Report] = (),
    ) -> None:
        """Begin to write down where the follower stands now.

        In a backlog the next batch is sent meanwhile: a crash repeats at most two.
        """
        old = self._follower
        limit, failures = old.batch_limit, old.failures
        if acknowledged is not None:
            limit, failures = grown(limit), 0
        step = Step(old.id, old.fence, old.told, told, scanned, acknowledged, limit, now())
        healed = acknowledged is not None and self._endpoint.last_error is not None
        result = Result(step, attempt, reports, healed)
        self._writing = asyncio.create_task(self._tools.settler.settle(result))
        if healed:
            self._endpoint = replace(self._endpoint, last_error=None)
        self._follower = replace(
            old, told=told, scanned=scanned, batch_limit=limit, failures=failures
        )

    async def _rewound(self, to: int, attempt: Attempt) -> bool:
        """Go where the database says that it stands; it said so, but that is no proof."""
        self._rewinds += 1
        if self._rewinds > _MOST_REWINDS or to == self._follower.told:
            detail = f"the database answered 409 and expects position {to + 1}"
            return await self._failed(attempt, Retry(None, "status-409", detail))
        self._advance(told=to, scanned=to, acknowledged=None, attempt=attempt)
        await self._written()
        return True

    async def _gone(self, attempt: Attempt) -> bool:
        """Pause: the database says that it is gone, and a person has to look."""
        detail = "the database answered 410: it wants nothing more; paused"
        follower = self._follower
        async with self._tools.database.transaction() as session:
            paused = await pause(session, follower.id, fence=follower.fence)
            await keep_attempts(session, [replace(attempt, error="gone", detail=detail)])
            if paused:
                await note_result(session, follower.id, error=f"gone: {detail}", at=attempt.at)
                log.warning("a database is gone", database=follower.id)
        return False

    async def _failed(self, attempt: Attempt, verdict: Smaller | Retry) -> bool:
        """Count a failure and plan the next try."""
        follower = self._follower
        failures = follower.failures + 1
        wait = next_delay(failures, self._tools.random)
        if isinstance(verdict, Retry) and verdict.after is not None:
            wait = max(wait, verdict.after)
        async with self._tools.database.transaction() as session:
            planned = await put_off(
                session,
                follower.id,
                follower.fence,
                wait=wait,
                batch_limit=_limit_after(follower, attempt, verdict),
            )
            tried = replace(attempt, error=verdict.error, detail=verdict.detail)
            await keep_attempts(session, [tried])
            if planned:
                error = f"{verdict.error}: {verdict.detail}"
                await note_result(session, follower.id, error=error, at=attempt.at)
        return False


def _limit_after(follower: FollowerState, attempt: Attempt, verdict: Smaller | Retry) -> int:
    """Say how many entries the next batch may hold after a failure."""
    if follower.failures + 1 >= _SLOW_START_AFTER:
        return 1
    if isinstance(verdict, Smaller):
        return max(1, min(follower.batch_limit, attempt.entries) // 2)
    return follower.batch_limit


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
