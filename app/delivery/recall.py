"""Recalls: a call centre hears at once whom to take out of the queues that it has loaded.

A dialler calls from queues that were filled hours ago, and a database that pulls may ask once an
hour. That it hears of an objection is the main lane's promise; a recall is speed alone. So it
brings only live entries that newly suppress, is tried for as long as such a queue may live, and is
then left to the main lane: nothing else waits for it, and losing one loses no opt-out.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import SystemRandom

from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import (
    Change,
    Entry,
    FollowerState,
    find_window,
    keep_recalled,
    read_entries,
    read_followers,
    read_head,
)
from app.parties import Directory
from app.platform.clock import now
from app.platform.db import Database, OwnConnection, Unavailable
from app.platform.http import Answer, Outbound, Unreachable
from app.platform.logs import get_logger
from app.platform.wire import wire_time
from app.points import PointKeys, open_points
from app.registry import media_added

from .answers import excerpt, next_delay, retry_after
from .endpoints import Endpoint, read_endpoints
from .exchange import post
from .recall_lanes import RecallLane, any_due, claim_recalls, move_recalls, put_off_recalls
from .rendering import Form, render_entries
from .settling import Attempt, keep_attempts

WORTH = timedelta(minutes=10)
"""For how long an entry is recalled: it is not when it is older, however often that failed."""
MOST_CANCELLED = 1_000_000
"""Contacts that one answer may say it cancelled; more is no count."""
_LONGEST_WAIT = timedelta(minutes=1)
_MOST_ENTRIES = 100
_LOOK_THROUGH = 1_000
_EVERY_SECONDS = 0.1
_AWAY_SECONDS = 1.0
_AT_ONCE = 50

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recall:
    """A list to be sent, none where ``entries`` is 0; the lane moves on to ``upto``.

    ``more`` stands behind it.
    """

    id: str
    upto: int
    entries: int
    more: bool
    body: bytes = field(repr=False)


class Recaller:
    """Sends the recalls of one worker, to each database one after another."""

    def __init__(self, database: Database, keys: PointKeys, directory: Directory) -> None:
        """Take what is needed; nothing is claimed before ``run``."""
        self._database = database
        self._keys = keys
        self._directory = directory
        self._deadline = database.settings.delivery_deadline_seconds
        # Longer than a request and what is written after it, so that nobody else sends meanwhile.
        self._lease = timedelta(seconds=2 * self._deadline + _AWAY_SECONDS)
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._connection = OwnConnection(database, "recalls")

    async def run(self, stopping: asyncio.Event) -> None:
        """Recall until told to stop, then let the requests under way end."""
        try:
            while not stopping.is_set():
                try:
                    await self._claim()
                    await _sleep(_EVERY_SECONDS, stopping)
                except Unavailable as error:
                    log.warning("recalls wait for the database", reason=error.detail)
                    await _sleep(_AWAY_SECONDS, stopping)
            if self._under_way:
                await asyncio.wait([*self._under_way.values()], timeout=self._deadline)
        finally:
            for task in self._under_way.values():
                task.cancel()
            self._connection.close()

    async def _claim(self) -> None:
        busy, free = [*self._under_way], _AT_ONCE - len(self._under_way)
        if not free or not await self._connection.use(partial(any_due, busy=busy)):
            return
        async with self._database.transaction() as session:
            lanes = await claim_recalls(session, busy=busy, most=free, lease=self._lease)
            ids = [lane.database for lane in lanes]
            endpoints = await read_endpoints(session, self._keys.vault, ids)
        for lane in lanes:
            if lane.database in endpoints:
                recalling = self._see_through(lane, endpoints[lane.database])
                self._under_way[lane.database] = asyncio.create_task(recalling)

    async def _see_through(self, lane: RecallLane, endpoint: Endpoint) -> None:
        """Send what waits at one database; what fails waits for the lease or the next try."""
        outbound = Outbound(self._database.settings)
        current: RecallLane | None = lane
        try:
            while current is not None:
                current = await self._send_next(outbound, current, endpoint)
        except Unavailable as error:
            log.warning("recalls wait for the database", reason=error.detail)
        except Exception:
            log.exception("a recall failed", database=lane.database)
        finally:
            del self._under_way[lane.database]
            await outbound.aclose()

    async def _send_next(
        self, outbound: Outbound, lane: RecallLane, endpoint: Endpoint
    ) -> RecallLane | None:
        """Send the next list: where the lane stands then, None if it was given back."""
        async with self._database.reading() as session:
            follower = (await read_followers(session, [lane.database])).get(lane.database)
            if follower is None:
                return None
            recall = await self._read(session, lane, follower, endpoint)
        cancelled, attempt = 0, None
        if recall.entries:
            attempt, answer = await self._post(outbound, lane, endpoint, recall)
            if attempt.error is not None:
                await self._put_off(lane, attempt, answer)
                return None
            cancelled = 0 if answer is None else read_cancelled(answer)
        async with self._database.transaction() as session:
            await keep_attempts(session, [attempt] if attempt else [])
            lease = self._lease if recall.more else None
            kept = await move_recalls(session, lane, after=recall.upto, lease=lease)
            if kept and cancelled:
                await keep_recalled(session, lane.database, recall.upto, cancelled, now())
        return replace(lane, after=recall.upto, failures=0) if kept and recall.more else None

    async def _read(
        self, session: AsyncSession, lane: RecallLane, follower: FollowerState, endpoint: Endpoint
    ) -> Recall:
        head = await read_head(session)
        window = await find_window(
            session,
            follower.scope,
            after=lane.after,
            head=head.position,
            most=_LOOK_THROUGH,
            live=True,
        )
        wanted = await self._wanted(session, follower, window.positions)
        entries = wanted[:_MOST_ENTRIES]
        upto = entries[-1].position if len(wanted) > len(entries) else window.upto
        shown = await render_entries(
            session,
            self._keys,
            self._directory,
            [entry.position for entry in entries],
            form=Form(endpoint.way.identifier_format, endpoint.identifier_key),
            media=follower.scope.media,
        )
        body = b'{"type":"contacts.recall","timestamp":"%s","data":{"journal":"%s","entries":[%s]}}'
        named = f"{head.journal}/{lane.database}/{[str(entry.id) for entry in entries]}"
        digest = hashlib.blake2b(named.encode(), digest_size=16).hexdigest()
        return Recall(
            f"msg_{digest}",
            upto,
            len(entries),
            upto < head.position,
            body % (wire_time(now()).encode(), str(head.journal).encode(), b",".join(shown)),
        )

    async def _wanted(
        self, session: AsyncSession, follower: FollowerState, positions: Sequence[int]
    ) -> list[Entry]:
        """Choose the entries that are young, newly suppress here, still do, and can be told."""
        young = now() - WORTH
        added = [
            entry
            for entry in await read_entries(session, positions)
            if entry.change is Change.ADDED and entry.recorded_at >= young
        ]
        if not added:
            return []
        media = await media_added(session, added)
        newly = [entry for entry in added if media[entry.position] & follower.scope.media]
        points = await open_points(session, self._keys, {entry.point for entry in newly})
        return [entry for entry in newly if points[entry.point].identifier is not None]

    async def _post(
        self, outbound: Outbound, lane: RecallLane, endpoint: Endpoint, recall: Recall
    ) -> tuple[Attempt, Answer | None]:
        there = replace(endpoint, way=replace(endpoint.way, url=endpoint.way.recall_url))
        at, began = now(), time.monotonic()
        attempt = Attempt(
            lane.database, at, lane.after, recall.upto, recall.entries, 0.0, lane="recall"
        )
        try:
            answer = await post(
                outbound,
                there,
                recall.body,
                message=recall.id,
                at=at,
                settings=self._database.settings,
            )
        except Unreachable as error:
            spent = time.monotonic() - began
            return replace(attempt, duration=spent, error=error.kind, detail=error.detail), None
        attempt = replace(
            attempt,
            status=answer.status,
            duration=answer.duration,
            answer=excerpt(answer.body) or None,
        )
        if 200 <= answer.status < 300:  # noqa: PLR2004 - "2xx" in the contract
            return attempt, answer
        detail = f"the recall address answered {answer.status}"
        return replace(attempt, error=f"status-{answer.status}", detail=detail), answer

    async def _put_off(self, lane: RecallLane, attempt: Attempt, answer: Answer | None) -> None:
        wait = min(next_delay(lane.failures + 1, SystemRandom()), _LONGEST_WAIT)
        told = None if answer is None else answer.headers.get("retry-after")
        asked = None if told is None else retry_after(told, now())
        if asked is not None:
            wait = max(wait, min(asked, WORTH))
        async with self._database.transaction() as session:
            await keep_attempts(session, [attempt])
            await put_off_recalls(session, lane, wait=wait)


def read_cancelled(answer: Answer) -> int:
    """Read how many contacts an answer says it cancelled; 0 where it does not say it properly."""
    if answer.cut:
        return 0
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return 0
    told = document.get("contacts_cancelled") if isinstance(document, dict) else None
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told <= MOST_CANCELLED:
        return 0
    return told


async def _sleep(seconds: float, stopping: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
