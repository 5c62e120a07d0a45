"""The courier: one database's conversation, batch after batch, while one worker holds its lease."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from app.journal import (
    FIRST_BATCH,
    OUTAGE_AFTER,
    FollowerState,
    Report,
    Step,
    park,
    pause,
    put_off,
)
from app.platform.clock import now
from app.platform.db import Unavailable
from app.platform.http import Outbound
from app.platform.logs import get_logger

from .answers import (
    Acknowledged,
    Gone,
    Retry,
    Rewind,
    Smaller,
    blames_an_entry,
    concerns_the_batch,
    next_delay,
)
from .batches import Batch, Place, grown
from .endpoints import Endpoint, note_result
from .exchange import Tools, exchange
from .holding import Holding, LeaseLost
from .poison import Hunt, is_suspicious, may_park, takes_a_ping
from .rendering import Form
from .settling import Attempt, Result, keep_attempts

_MOST_REWINDS = 3
"""Rewinds in a row, without an acknowledgement, after which they count as failures."""

log = get_logger(__name__)


class Courier:
    """Tells one database, in order, one request at a time, until it fails or the lease is lost."""

    def __init__(
        self, tools: Tools, follower: FollowerState, endpoint: Endpoint, lease: Holding
    ) -> None:
        """Take a follower that was just claimed, and how its database is told."""
        self._tools = tools
        self._follower = follower
        self._endpoint = endpoint
        self._lease = lease
        self._turn = tools.turns.at(endpoint.way.url)
        self._outbound = Outbound(tools.database.settings)
        self._rewinds = 0
        self._hunt = Hunt()
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
        except (LeaseLost, Unavailable):
            raise
        except Exception as error:
            log.exception("entries could not be told", database=self._follower.id)
            await self._broken(error)
        finally:
            if self._writing is not None:
                # It is written all the same; nobody is left to hear how that went.
                self._writing.cancel()
            await self._outbound.aclose()

    async def _tell_next(self) -> bool:
        """Send the next batch, or wait for one; False when this conversation is over."""
        follower = self._follower
        await self._lease.wait_beyond(follower.scanned, follower.id, follower.fence)
        async with self._turn:
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
        most = self._hunt.most(follower.batch_limit)
        return Place(follower.scope, form, follower.told, follower.scanned, most)

    def _require_lease(self) -> None:
        deadline = self._tools.database.settings.delivery_deadline_seconds
        if not self._lease.holds(self._follower.id, self._follower.fence, deadline):
            raise LeaseLost

    async def _send(self, batch: Batch) -> bool:
        settings = self._tools.database.settings
        attempt, verdict = await exchange(
            self._outbound, self._endpoint, self._follower, batch, settings=settings
        )
        await self._written()
        match verdict:
            case Acknowledged():
                self._rewinds = 0
                self._hunt.accepted(batch.entries)
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
                if self._hunt.is_on or is_suspicious(attempt.status, self._follower.failures):
                    return await self._refused(batch, attempt, verdict)
                return await self._failed(attempt, verdict)

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

    async def _refused(self, batch: Batch, attempt: Attempt, verdict: Smaller | Retry) -> bool:
        """Look for the one entry that is refused, if it is that; it stands alone in the end."""
        settings = self._tools.database.settings
        if not blames_an_entry(attempt.status) or not (
            self._hunt.is_on or await takes_a_ping(self._endpoint, batch, settings)
        ):
            return await self._failed(attempt, verdict)
        if batch.entries > 1:
            self._hunt.refused(batch.entries)
            tried = replace(attempt, error=verdict.error, detail=verdict.detail)
            async with self._tools.database.transaction() as session:
                await keep_attempts(session, [tried])
            return True
        return await self._poisoned(batch, attempt)

    async def _poisoned(self, batch: Batch, attempt: Attempt) -> bool:
        """Stay before the entry that is refused, or go on without it, as the policy says."""
        position = batch.at
        where = f"the database refuses the entry at position {position} by itself"
        why = f"{where}, with {attempt.status}, while it takes a ping"
        if not await may_park(self._tools.database, self._endpoint):
            return await self._failed(attempt, Retry(None, "poison", f"{why}; the others wait"))
        follower = self._follower
        limit = max(follower.batch_limit, FIRST_BATCH)
        async with self._tools.database.transaction() as session:
            parked = await park(
                session,
                follower.id,
                follower.fence,
                position,
                batch_limit=limit,
                error=f"status-{attempt.status}",
                wait=next_delay(OUTAGE_AFTER, self._tools.random),
                at=attempt.at,
            )
            tried = replace(attempt, error="poison", detail=f"{why}; parked")
            await keep_attempts(session, [tried])
            if not parked:
                raise LeaseLost
            error = f"parked: {why}; the others go on"
            await note_result(session, follower.id, error=error, at=attempt.at)
        log.warning("an entry is parked", database=follower.id, position=position)
        self._hunt.end()
        self._endpoint = replace(self._endpoint, last_error=error)
        self._follower = replace(follower, scanned=position, failures=0, batch_limit=limit)
        return True

    async def _broken(self, error: Exception) -> None:
        """Say on the database what stops it here, without a word of what it may show."""
        follower, at = self._follower, now()
        what = f"the entries after position {follower.scanned} cannot be told"
        detail = f"{what} ({type(error).__name__}); the worker's log says more"
        attempt = Attempt(follower.id, at, follower.told, follower.scanned, 0, 0.0)
        await self._put_off(attempt, Retry(None, "internal", detail), refused=True)

    async def _failed(self, attempt: Attempt, verdict: Smaller | Retry) -> bool:
        """Count a failure and plan the next try; False, for this conversation is over."""
        await self._put_off(attempt, verdict, refused=concerns_the_batch(attempt.status))
        return False

    async def _put_off(self, attempt: Attempt, verdict: Smaller | Retry, *, refused: bool) -> None:
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
                refused=refused,
            )
            tried = replace(attempt, error=verdict.error, detail=verdict.detail)
            await keep_attempts(session, [tried])
            if planned:
                error = f"{verdict.error}: {verdict.detail}"
                await note_result(session, follower.id, error=error, at=attempt.at)


def _limit_after(follower: FollowerState, attempt: Attempt, verdict: Smaller | Retry) -> int:
    """Say how many entries the next batch may hold after a failure."""
    if follower.failures + 1 >= OUTAGE_AFTER:
        return 1
    if isinstance(verdict, Smaller):
        return max(1, min(follower.batch_limit, attempt.entries) // 2)
    return follower.batch_limit
