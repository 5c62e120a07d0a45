"""Access: which key a secret is, cheaply enough for thousands of requests a second.

A key that was revoked or has expired must stop working within one second in every process, so
what is known of it is used for ``GOOD_FOR`` seconds and no longer. Long before that it is looked up
again in the background, so that a busy key never waits. Where PostgreSQL does not answer, nobody
is let in.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.platform.clock import now
from app.platform.db import Database, Unavailable, unavailable_is_503
from app.platform.logs import get_logger
from app.platform.merged import Merged

from .caller import Caller, Unauthenticated
from .keys import digest, write_last_use
from .quotas import Quotas
from .reads import Reads

if TYPE_CHECKING:
    from asyncpg import Record

    from app.platform.db import RawConnection

GOOD_FOR = 0.8
"""Seconds for which a look-up counts, from when it was begun."""
LOOK_AGAIN = 0.4
"""Seconds after which it is repeated while it still counts."""
DEADLINE = 2.0
"""Seconds after which a look-up is given up."""
_FLUSH_EVERY = 1.0
_LOOK_UP = """
SELECT number, id, name, digest, scopes, channel, database, requests_per_second, checks_per_day,
       expires_at
FROM keys WHERE digest = ANY($1) AND revoked_at IS NULL
"""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look-up found; no caller where the key is unknown or revoked."""

    caller: Caller | None
    expires_at: datetime | None
    at: float


class Access:
    """The door of one process: keys as last looked up, their quotas, their last use."""

    def __init__(self, database: Database) -> None:
        """Take the database; nothing connects before the first key is presented."""
        self.quotas = Quotas(database)
        self.reads = Reads(database)
        self._database = database
        self._connection: RawConnection | None = None
        self._seen: dict[bytes, _Seen] = {}
        self._look_ups: Merged[bytes, _Seen] = Merged(self._look_up)
        self._used: dict[int, datetime] = {}
        self._written: dict[int, datetime] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin to write down in the background what keys use."""
        self._stopping.clear()
        self._flushing = asyncio.create_task(self._flush_until_stopped())

    async def stop(self) -> None:
        """Write down the rest and close the connection."""
        self._stopping.set()
        if self._flushing is not None:
            await self._flushing
            self._flushing = None
            await self._write_down(self.reads.flush(ending=True))
        await self._look_ups.settled()
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def authenticate(self, presented: str) -> Caller:
        """Tell whose key a text is, and count the request.

        Raises:
            Unauthenticated: nobody's, or it is expired or revoked.
            QuotaExceeded: its holder makes too many requests.
            Unavailable: PostgreSQL does not tell.
        """
        at = now()
        caller = await self.recognise(presented, at)
        self._used[caller.key] = at.replace(second=0, microsecond=0)
        self.quotas.count_request(caller)
        return caller

    async def recognise(self, presented: str, at: datetime) -> Caller:
        """Tell whose key a text is at a time, and count nothing.

        Raises:
            Unauthenticated: nobody's, or it is expired or revoked.
            Unavailable: PostgreSQL does not tell.
        """
        hashed = digest(presented)
        seen = await self._see(hashed) if hashed else None
        if seen is None or seen.caller is None:
            raise Unauthenticated("This key is unknown or revoked.", presented=True)
        if seen.expires_at is not None and seen.expires_at <= at:
            raise Unauthenticated("This key has expired.", presented=True)
        return seen.caller

    async def flush(self) -> None:
        """Write down the minute of each key's last use, what the quotas counted, what was read."""
        fresh = {
            key: minute for key, minute in self._used.items() if self._written.get(key) != minute
        }
        if fresh:
            async with self._database.transaction() as session:
                await write_last_use(session, fresh)
            self._written |= fresh
        await self.quotas.flush()
        await self.reads.flush()

    async def _flush_until_stopped(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _FLUSH_EVERY)
            await self._write_down(self.flush())

    async def _write_down(self, flushing: Coroutine[Any, Any, None]) -> None:
        try:
            await flushing
        except Unavailable as error:
            # What was not written is kept, and written with the next.
            log.warning("the use of keys waits to be written down", reason=error.detail)
        except Exception:
            log.exception("the use of keys could not be written down")

    async def _see(self, hashed: bytes) -> _Seen | None:
        seen = self._seen.get(hashed)
        age = math.inf if seen is None else time.monotonic() - seen.at
        if age < LOOK_AGAIN:
            return seen
        answer = self._look_ups.ask(hashed)
        if age < GOOD_FOR:
            return seen
        return await answer

    async def _look_up(self, digests: Sequence[bytes]) -> Mapping[bytes, _Seen]:
        begun = time.monotonic()
        async with unavailable_is_503():
            try:
                async with asyncio.timeout(DEADLINE):
                    rows = await self._fetch(digests)
            except BaseException:
                self._hang_up()
                raise
        found = {hashed: _Seen(None, None, begun) for hashed in digests}
        found |= {row["digest"]: _Seen(_caller(row), row["expires_at"], begun) for row in rows}
        self._remember(found, begun)
        return found

    async def _fetch(self, digests: Sequence[bytes]) -> "list[Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect("keys")
        return await self._connection.fetch(_LOOK_UP, digests)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _remember(self, found: Mapping[bytes, _Seen], at: float) -> None:
        """Keep what was found, the latest last, and forget what no longer counts.

        Made-up keys are remembered like any other, so that one presented again and again asks
        PostgreSQL no more often than a real one; they are gone within a second.
        """
        for hashed, seen in found.items():
            self._seen.pop(hashed, None)
            self._seen[hashed] = seen
        while self._seen:
            oldest = next(iter(self._seen))
            if at - self._seen[oldest].at < GOOD_FOR:
                break
            del self._seen[oldest]


def _caller(row: "Record") -> Caller:
    return Caller(
        key=row["number"],
        id=row["id"],
        name=row["name"],
        scopes=frozenset(row["scopes"]),
        channel=row["channel"],
        database=row["database"],
        requests_per_second=row["requests_per_second"],
        checks_per_day=row["checks_per_day"],
    )
