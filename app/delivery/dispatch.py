"""The dispatcher of one worker: feels the journal's pulse, takes leases, sets couriers on.

Any number of workers may run. Each follower is held by one at a time, under a lease that is kept
while there is nothing to tell, so that a new entry finds its courier ready. A lease is given back
when its courier has ended, in one place, and not before: nobody else may send meanwhile.
"""

import asyncio
import contextlib
import time
from datetime import timedelta
from random import SystemRandom

import structlog

from app.journal import FollowerState, claim, read_pulse, release, renew
from app.parties import Directory
from app.platform.db import Database, Unavailable
from app.points import PointKeys

from .batches import Batches
from .courier import Courier, LeaseLost, Tools
from .endpoints import read_endpoints
from .settling import Settler

PULSE_SECONDS = 0.05
"""How often the journal is looked at."""
_CLAIM_SECONDS = 0.25
"""How often followers that became due are looked for while the journal stands still."""
_CLAIM_AT_ONCE = 500
_PAUSE_SECONDS = 1.0
"""How long to wait when PostgreSQL is away."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Holds followers for one worker and runs a courier for each."""

    def __init__(self, database: Database, keys: PointKeys, directory: Directory) -> None:
        """Take what couriers need; nothing is claimed before ``run``."""
        settings = database.settings
        if settings.delivery_lease_seconds <= 2 * settings.delivery_deadline_seconds:
            raise ValueError(
                "OPTOUT_DELIVERY_LEASE_SECONDS must be more than twice "
                "OPTOUT_DELIVERY_DEADLINE_SECONDS: a lease must outlast a request"
            )
        self._database = database
        self._keys = keys
        self._lease = timedelta(seconds=settings.delivery_lease_seconds)
        # Time enough for the requests under way, and to write down what came of them.
        self._last_words = settings.delivery_deadline_seconds + _PAUSE_SECONDS
        self._tools = Tools(
            database,
            Batches(database, keys, directory),
            Settler(database),
            SystemRandom(),
            asyncio.Semaphore(settings.delivery_slots),
        )
        self._position = 0
        self._changed = asyncio.Event()
        self._held: dict[int, int] = {}
        self._held_until: dict[int, float] = {}
        self._owed: dict[int, int] = {}
        self._couriers: dict[int, asyncio.Task[None]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop, then let the requests under way end and give the leases back."""
        next_claim = 0.0
        try:
            while not stopping.is_set():
                try:
                    longer = await self._feel_pulse()
                    await self._give_back()
                    if longer or time.monotonic() >= next_claim:
                        await self._renew()
                        await self._claim()
                        next_claim = time.monotonic() + _CLAIM_SECONDS
                    await _sleep(PULSE_SECONDS, stopping)
                except Unavailable as error:
                    log.warning("delivery waits for the database", reason=error.detail)
                    await _sleep(_PAUSE_SECONDS, stopping)
            await self._stop()
        finally:
            for courier in self._couriers.values():
                courier.cancel()

    def holds(self, follower: int, fence: int, seconds: float) -> bool:
        """Tell whether a follower is ours under this fence, for so many seconds more."""
        return (
            self._held.get(follower) == fence
            and self._held_until[follower] > time.monotonic() + seconds
        )

    async def wait_beyond(self, position: int, follower: int, fence: int) -> None:
        """Wait until the journal is longer than a position.

        Raises:
            LeaseLost: the follower is ours no more.
        """
        while self._held.get(follower) == fence:
            if self._position > position:
                return
            await self._changed.wait()
        raise LeaseLost

    async def _feel_pulse(self) -> bool:
        """Learn how long the journal is, and which followers are ours no more."""
        async with self._database.reading() as session:
            pulse = await read_pulse(session, list(self._held))
        for follower, fence in list(self._held.items()):
            if pulse.fences.get(follower) != fence:
                self._let_go(follower)
        if pulse.position == self._position:
            return False
        self._position = pulse.position
        self._wake()
        return True

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _renew(self) -> None:
        """Prolong the leases that have lived for a third of their time."""
        soon = time.monotonic() + self._lease.total_seconds() * 2 / 3
        aging = {one: self._held[one] for one, until in self._held_until.items() if until < soon}
        if not aging:
            return
        until = time.monotonic() + self._lease.total_seconds()
        async with self._database.transaction() as session:
            kept = await renew(session, aging, lease=self._lease)
        for follower in aging:
            if follower in kept and follower in self._held:
                self._held_until[follower] = until
            else:
                self._let_go(follower)

    async def _claim(self) -> None:
        """Take followers that are due, and set a courier on each."""
        until = time.monotonic() + self._lease.total_seconds()
        async with self._database.transaction() as session:
            claimed = await claim(
                session,
                most=_CLAIM_AT_ONCE,
                lease=self._lease,
                due_by=self._position,
                # A request that outlived its lease is still under way: one at a time.
                busy=list(self._couriers),
            )
            endpoints = await read_endpoints(session, self._keys.vault, [one.id for one in claimed])
        for follower in claimed:
            if follower.id in endpoints:
                self._held[follower.id] = follower.fence
                self._held_until[follower.id] = until
                courier = Courier(self._tools, follower, endpoints[follower.id], self)
                self._couriers[follower.id] = asyncio.create_task(self._run(courier, follower))

    async def _run(self, courier: Courier, follower: FollowerState) -> None:
        """See a courier through to its end, whatever that is."""
        try:
            await courier.run()
        except LeaseLost:
            log.debug("a lease was lost", database=follower.id)
        except Unavailable as error:
            log.warning("delivery waits for the database", reason=error.detail)
        except Exception:
            # The lease is kept until it runs out: whatever is wrong is not tried at once again.
            log.exception("a courier failed", database=follower.id)
            return
        finally:
            del self._couriers[follower.id]
            if self._held.get(follower.id) == follower.fence:
                self._let_go(follower.id)
        self._owed[follower.id] = follower.fence

    def _let_go(self, follower: int) -> None:
        """Forget a follower; a request under way ends by itself, and the fence judges its word."""
        self._held.pop(follower, None)
        self._held_until.pop(follower, None)
        self._wake()

    async def _give_back(self) -> None:
        """Give back the leases whose couriers have ended; they stay listed until it is written."""
        if not self._owed:
            return
        owed = dict(self._owed)
        async with self._database.transaction() as session:
            await release(session, owed)
        for follower, fence in owed.items():
            if self._owed[follower] == fence:
                del self._owed[follower]

    async def _stop(self) -> None:
        for follower in list(self._held):
            self._let_go(follower)
        if self._couriers:
            await asyncio.wait(list(self._couriers.values()), timeout=self._last_words)
        try:
            await self._give_back()
        except Unavailable as error:
            log.warning("leases run out by themselves", reason=error.detail)


async def _sleep(seconds: float, stopping: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
