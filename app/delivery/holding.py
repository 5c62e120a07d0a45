"""What one worker holds on one lane: leases, and a courier under way for each.

A lease is given back when its courier has ended, in one place, and not before: nobody else may
send on that lane meanwhile.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any

from app.journal import LaneName, release, renew
from app.platform.db import Database, Unavailable
from app.platform.logs import get_logger

from .presence import Presence

log = get_logger(__name__)


class LeaseLost(Exception):  # noqa: N818 - no fault: somebody paused, changed or took it over
    """The follower is no longer ours; what was sent will be sent again by whoever holds it."""


class Growth:
    """How far the journal and its live entries reach, as this worker knows; wakes who waits."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        self.position = 0
        self.live = 0
        self.changed = asyncio.Event()

    def learn(self, position: int, live: int) -> bool:
        """Take what the pulse told; tells whether the journal is another length."""
        if (position, live) == (self.position, self.live):
            return False
        self.position, self.live = position, live
        self.wake()
        return True

    def wake(self) -> None:
        """Let all who wait look again."""
        self.changed.set()
        self.changed = asyncio.Event()


class Holding:
    """The followers that one worker holds on one lane."""

    def __init__(
        self, lane: LaneName, growth: Growth, presence: Presence, database: Database
    ) -> None:
        """Hold nothing yet."""
        self._lane = lane
        self._growth = growth
        self._presence = presence
        self._database = database
        self._lease = timedelta(seconds=database.settings.delivery_lease_seconds)
        self._held: dict[int, int] = {}
        self._held_until: dict[int, float] = {}
        self._owed: dict[int, int] = {}
        self._couriers: dict[int, asyncio.Task[None]] = {}

    @property
    def reached(self) -> int:
        """The last position that concerns this lane: of any entry, or of a live one."""
        return self._growth.position if self._lane == "main" else self._growth.live

    @property
    def held(self) -> list[int]:
        """Those that are held."""
        return list(self._held)

    @property
    def busy(self) -> list[int]:
        """Those that have a courier, who may outlive the lease: one request at a time."""
        return list(self._couriers)

    def holds(self, follower: int, fence: int, seconds: float) -> bool:
        """Tell whether a follower is ours under this fence, for so many seconds more."""
        return (
            self._presence.is_sure
            and self._held.get(follower) == fence
            and self._held_until[follower] > time.monotonic() + seconds
        )

    async def wait_beyond(self, position: int, follower: int, fence: int) -> None:
        """Wait until there is something beyond a position.

        Raises:
            LeaseLost: the follower is ours no more.
        """
        while self._held.get(follower) == fence:
            if self.reached > position:
                return
            await self._growth.changed.wait()
        raise LeaseLost

    def take(
        self, follower: int, fence: int, *, until: float, courier: Coroutine[Any, Any, None]
    ) -> None:
        """Set a courier on a follower that was claimed; ``until`` is monotonic."""
        self._held[follower] = fence
        self._held_until[follower] = until
        self._couriers[follower] = asyncio.create_task(self._see_through(follower, fence, courier))

    def compare(self, fences: Mapping[int, int]) -> None:
        """Let go of those whose fences are others by now."""
        for follower, fence in list(self._held.items()):
            if fences.get(follower) != fence:
                self._let_go(follower)

    async def renew(self) -> None:
        """Prolong the leases that have lived for a third of their time."""
        soon = time.monotonic() + self._lease.total_seconds() * 2 / 3
        aging = {one: self._held[one] for one, until in self._held_until.items() if until < soon}
        if not aging:
            return
        until = time.monotonic() + self._lease.total_seconds()
        async with self._database.transaction() as session:
            kept = await renew(session, aging, lease=self._lease, lane=self._lane)
        for follower in aging:
            if follower in kept and follower in self._held:
                self._held_until[follower] = until
            else:
                self._let_go(follower)

    async def give_back(self) -> None:
        """Give back the leases whose couriers have ended; they stay listed until it is written."""
        if not self._owed:
            return
        owed = dict(self._owed)
        async with self._database.transaction() as session:
            await release(session, owed, lane=self._lane)
        for follower, fence in owed.items():
            if self._owed[follower] == fence:
                del self._owed[follower]

    async def end(self, *, seconds: float) -> None:
        """Let go of everybody, and wait so long for the requests under way."""
        for follower in self.held:
            self._let_go(follower)
        if self._couriers:
            await asyncio.wait(list(self._couriers.values()), timeout=seconds)

    def break_off(self) -> None:
        """Break off what is under way: somebody else may send soon."""
        for courier in self._couriers.values():
            courier.cancel()

    async def _see_through(
        self, follower: int, fence: int, courier: Coroutine[Any, Any, None]
    ) -> None:
        """See a courier through to its end, whatever that is."""
        try:
            await courier
        except asyncio.CancelledError:
            self._owed[follower] = fence
            raise
        except LeaseLost:
            log.debug("a lease was lost", database=follower, lane=self._lane)
        except Unavailable as error:
            log.warning("delivery waits for the database", reason=error.detail)
        except Exception:
            # The lease is kept until it runs out: whatever is wrong is not tried at once again.
            log.exception("a courier failed", database=follower, lane=self._lane)
            return
        finally:
            del self._couriers[follower]
            if self._held.get(follower) == fence:
                self._let_go(follower)
        self._owed[follower] = fence

    def _let_go(self, follower: int) -> None:
        """Forget a follower; a request under way ends by itself, and the fence judges its word."""
        self._held.pop(follower, None)
        self._held_until.pop(follower, None)
        self._growth.wake()
