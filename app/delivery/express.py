"""The express courier: one database's live entries, told early while a backlog drains.

Only a 2xx counts on this lane. Whatever else comes, the main lane brings the entries in their
place: so an entry that is refused by itself is left to it, and nothing is ever stuck here.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from app.journal import (
    OUTAGE_AFTER,
    Ahead,
    EarlyState,
    EarlyStep,
    ParkedEntry,
    Report,
    due_parked,
    find_window,
    holds_early,
    look_ahead,
    put_off_early,
    retry_parked,
    take_parked,
)
from app.platform.clock import now
from app.platform.db import Unavailable
from app.platform.http import Outbound
from app.platform.logs import get_logger

from .answers import (
    Acknowledged,
    Retry,
    Smaller,
    Verdict,
    blames_an_entry,
    concerns_the_batch,
    next_delay,
)
from .batches import Batch, Place, grown
from .endpoints import Endpoint
from .exchange import Tools, exchange
from .holding import Holding, LeaseLost
from .rendering import Form
from .settling import Attempt, Result, keep_attempts

_IDLE_SECONDS = 30.0
"""How long it waits for a further live entry before it gives the lane back."""
_PARKED_AT_ONCE = 10

log = get_logger(__name__)


class ExpressCourier:
    """Tells one database its live entries, one request at a time, while that is wanted."""

    def __init__(self, tools: Tools, lane: EarlyState, endpoint: Endpoint, lease: Holding) -> None:
        """Take a lane that was just claimed, and how its database is told."""
        self._tools = tools
        self._lane = lane
        self._endpoint = endpoint
        self._lease = lease
        self._turn = tools.turns.at(endpoint.way.url)
        self._form = Form(endpoint.way.identifier_format, endpoint.identifier_key)
        self._outbound = Outbound(tools.database.settings)
        self._failures = lane.failures
        self._seen = -1
        self._most: int | None = None

    async def run(self) -> None:
        """Send what is wanted as it comes; ends after a failure, which plans the next try.

        Raises:
            LeaseLost: somebody else decides about this lane now.
            Unavailable: PostgreSQL does not answer.
        """
        try:
            await self._retry_parked()
            while await self._live_entry() and await self._tell_next():
                pass
        except (LeaseLost, Unavailable):
            raise
        except Exception:
            # What it is stands on the main lane, which comes to it; here it is only spaced out.
            log.exception("live entries could not be told", database=self._lane.id)
            await self._write_put_off([], limit=1)
        finally:
            await self._outbound.aclose()

    async def _retry_parked(self) -> None:
        """Try parked entries that are due once more, each alone."""
        async with self._tools.database.reading() as session:
            parked = await due_parked(session, self._lane.id, most=_PARKED_AT_ONCE)
        for entry in parked:
            async with self._turn:
                await self._retry(entry)

    async def _retry(self, entry: ParkedEntry) -> None:
        place = Place(self._lane.follower.scope, self._form, 0, 0, 1, "express")
        batch = await self._tools.batches.alone(place, entry.position)
        if not batch.entries:
            raise LeaseLost  # the registration changed, and with it what is parked
        self._require_lease()
        attempt, verdict = await self._exchange(batch)
        taken = isinstance(verdict, Acknowledged)
        tried = attempt if taken else _failed(attempt, verdict)
        wait = next_delay(entry.tries + OUTAGE_AFTER, self._tools.random)
        if isinstance(verdict, Retry) and verdict.after is not None:
            wait = max(wait, verdict.after)
        async with self._tools.database.transaction() as session:
            if not await holds_early(session, self._lane.id, self._lane.fence):
                raise LeaseLost
            await keep_attempts(session, [tried])
            if taken:
                here = {"after": entry.position - 1, "upto": entry.position}
                await take_parked(session, self._lane.id, **here, at=now())
            else:
                error = tried.error or "unknown"
                await retry_parked(session, self._lane.id, entry.position, error=error, wait=wait)

    async def _live_entry(self) -> bool:
        """Wait for a live entry; False if none comes for a while."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._lease.wait_beyond(self._seen, self._lane.id, self._lane.fence)
        except TimeoutError:
            return False
        return True

    async def _tell_next(self) -> bool:
        """Send the next live entries, if the main lane is still far from them."""
        async with self._turn:
            live = self._lease.reached
            async with self._tools.database.reading() as session:
                ahead = await look_ahead(session, self._lane.id, live=live)
            if ahead is None or not ahead.wanted:
                return False
            place = self._place(ahead)
            try:
                batch = await self._tools.batches.after(place)
            except Unavailable:
                raise
            except Exception:
                log.exception("live entries cannot be told", database=self._lane.id)
                return await self._leave_out(ahead, place)
            if batch.entries:
                self._require_lease()
                return await self._send(ahead, batch)
        await self._move(ahead, batch.to, acknowledged=False)
        return True

    async def _leave_out(self, ahead: Ahead, place: Place) -> bool:
        """Try half as many where some cannot be shown; the one that cannot is left out."""
        if place.most > 1:
            self._most = place.most // 2
            return True
        async with self._tools.database.reading() as session:
            window = await find_window(
                session, place.scope, after=ahead.after, head=self._lease.reached, most=1, live=True
            )
        await self._move(ahead, window.upto, acknowledged=False)
        return True

    def _place(self, ahead: Ahead) -> Place:
        if self._most is None and ahead.outage:
            self._most = 1
        most = min(self._most or ahead.most, ahead.most)
        scope = self._lane.follower.scope
        return Place(scope, self._form, ahead.after, ahead.after, most, "express")

    def _require_lease(self) -> None:
        deadline = self._tools.database.settings.delivery_deadline_seconds
        if not self._lease.holds(self._lane.id, self._lane.fence, deadline):
            raise LeaseLost

    async def _exchange(self, batch: Batch) -> tuple[Attempt, Verdict]:
        settings, follower = self._tools.database.settings, self._lane.follower
        return await exchange(self._outbound, self._endpoint, follower, batch, settings=settings)

    async def _send(self, ahead: Ahead, batch: Batch) -> bool:
        attempt, verdict = await self._exchange(batch)
        if isinstance(verdict, Acknowledged):
            self._failures = 0
            self._most = grown(batch.entries)
            await self._move(
                ahead, verdict.through, acknowledged=True, attempt=attempt, reports=verdict.outcomes
            )
            return True
        tried = _failed(attempt, verdict)
        if blames_an_entry(attempt.status):
            return await self._narrow(ahead, batch, tried)
        return await self._put_off(ahead, batch, tried, verdict)

    async def _narrow(self, ahead: Ahead, batch: Batch, tried: Attempt) -> bool:
        """Look for the entry that is refused: half as many at once, and that one is left out."""
        if batch.entries == 1:
            await self._move(ahead, batch.to, acknowledged=False, attempt=tried)
            return True
        self._most = batch.entries // 2
        async with self._tools.database.transaction() as session:
            await keep_attempts(session, [tried])
        return True

    async def _put_off(self, ahead: Ahead, batch: Batch, tried: Attempt, verdict: Verdict) -> bool:
        """Count a failure and plan the next try.

        What fails alone again and again is left out too: whatever the answer says, it may lie in
        the entry.
        """
        again = self._failures > 0 and batch.entries == 1 and concerns_the_batch(tried.status)
        if again:
            await self._move(ahead, batch.to, acknowledged=False)
        after = verdict.after if isinstance(verdict, Retry) else None
        limit = 1 if self._failures + 1 >= OUTAGE_AFTER else max(1, batch.entries // 2)
        await self._write_put_off([tried], limit=limit, after=after)
        return False

    async def _write_put_off(
        self, tried: Sequence[Attempt], *, limit: int, after: timedelta | None = None
    ) -> None:
        wait = next_delay(self._failures + 1, self._tools.random)
        if after is not None:
            wait = max(wait, after)
        lane = self._lane
        async with self._tools.database.transaction() as session:
            await put_off_early(session, lane.id, lane.fence, wait=wait, batch_limit=limit)
            await keep_attempts(session, tried)

    async def _move(
        self,
        ahead: Ahead,
        upto: int,
        *,
        acknowledged: bool,
        attempt: Attempt | None = None,
        reports: tuple[Report, ...] = (),
    ) -> None:
        """Write down where the lane stands now.

        Raises:
            LeaseLost: it was refused, for somebody else decides about this lane now.
        """
        step = EarlyStep(
            self._lane.id,
            self._lane.fence,
            ahead.told,
            ahead.after,
            upto,
            acknowledged,
            self._most or ahead.most,
            now(),
        )
        if not await self._tools.early_settler.settle(Result(step, attempt, reports)):
            raise LeaseLost
        self._seen = upto


def _failed(attempt: Attempt, verdict: Verdict) -> Attempt:
    """Name what came instead of a 2xx; what the main lane would do about it is not done here."""
    if isinstance(verdict, Retry | Smaller):
        return replace(attempt, error=verdict.error, detail=verdict.detail)
    detail = f"the database answered {attempt.status}; on the express lane only 2xx counts"
    return replace(attempt, error=f"status-{attempt.status}", detail=detail)
