"""Presence: that this worker lives, said by a lock that ends with its connection.

A killed worker's leases need not run out: whoever sees that its lock is free voids them. A worker
that merely lost that connection takes the lock again before anybody may; if it cannot, it lets go
of what it holds first.
"""

import asyncio
import time
from random import SystemRandom
from typing import TYPE_CHECKING

from app.journal import absent_workers, take_presence, void_leases
from app.platform.db import Database, unavailable_is_503

if TYPE_CHECKING:
    from app.platform.db import RawConnection

SURE_SECONDS = 2.0
"""How long a worker may rely on its lock without having looked."""
GRACE_SECONDS = 3.0
"""How long a lock must be seen free before leases are void: longer than anybody relies on it."""
_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 1.0


class Presence:
    """One worker's lock, and what it sees of the others'."""

    def __init__(self, database: Database) -> None:
        """Draw a number; nothing connects before ``confirm``."""
        self.number = SystemRandom().randrange(1, 2**31)
        self._database = database
        self._connection: RawConnection | None = None
        self._locked = False
        self._confirmed = float("-inf")
        self._absent: dict[int, float] = {}
        self._look_at = 0.0

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have found the lock free for long enough to void our leases."""
        return time.monotonic() - self._confirmed < SURE_SECONDS

    async def confirm(self) -> None:
        """See that the lock is ours; take it, on a new connection if need be.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        began = time.monotonic()
        async with unavailable_is_503():
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._take()
            except BaseException:
                self.end()
                raise
        self._confirmed = began

    async def _take(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection, self._locked = await self._database.connect("worker"), False
        # Refused, it is still held by our own old connection, of which PostgreSQL has not heard
        # the end.
        self._locked = await take_presence(self._connection, self.number, already=self._locked)

    async def void_others(self) -> None:
        """Void the leases of workers that are gone, which a look a second tells.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        at = time.monotonic()
        if at < self._look_at:
            return
        self._look_at = at + _LOOK_SECONDS
        async with self._database.reading() as session:
            absent = await absent_workers(session) - {self.number}
        self._absent = {worker: self._absent.get(worker, at) for worker in absent}
        gone = [worker for worker, since in self._absent.items() if at - since >= GRACE_SECONDS]
        if gone:
            async with self._database.transaction() as session:
                await void_leases(session, gone)

    def end(self) -> None:
        """Give the lock back with its connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
