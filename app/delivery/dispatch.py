"""The dispatcher of one worker: feels the journal's pulse, takes leases, sets couriers on.

Any number of workers may run. Each lane of a follower is held by one at a time. The lease of the
main lane is kept while there is nothing to tell, so that a new entry finds its courier ready; that
of the express lane is taken when a backlog stands before live entries.
"""

import asyncio
import contextlib
import time
from datetime import timedelta
from random import SystemRandom

from app.journal import EarlyState, FollowerState, claim, claim_early, read_pulse
from app.parties import Directory
from app.platform.db import Database, OwnConnection, Unavailable
from app.platform.logs import get_logger
from app.points import PointKeys

from .batches import Batches
from .courier import Courier
from .endpoints import Endpoint, read_endpoints
from .exchange import Tools
from .express import ExpressCourier
from .holding import Growth, Holding
from .presence import Presence
from .settling import early_settler, main_settler
from .turns import Turns

PULSE_SECONDS = 0.05
"""How often the journal is looked at."""
_CLAIM_SECONDS = 0.25
"""How often followers that became due are looked for while the journal stands still."""
_CLAIM_AT_ONCE = 500
_PAUSE_SECONDS = 1.0
"""How long to wait when PostgreSQL is away."""

log = get_logger(__name__)


class Dispatcher:
    """Holds followers for one worker and runs a courier for each lane of theirs."""

    def __init__(self, database: Database, keys: PointKeys, directory: Directory) -> None:
        """Take what couriers need; nothing is claimed before ``run``."""
        settings = database.settings
        self._database = database
        self._keys = keys
        self._lease = timedelta(seconds=settings.delivery_lease_seconds)
        # Time enough for the requests under way, and to write down what came of them.
        self._last_words = settings.delivery_deadline_seconds + _PAUSE_SECONDS
        self._tools = Tools(
            database,
            Batches(database, keys, directory),
            main_settler(database),
            early_settler(database),
            SystemRandom(),
            Turns(settings),
        )
        self._growth = Growth()
        self._presence = Presence(database)
        self._connection = OwnConnection(database, "pulse")
        self._main = Holding("main", self._growth, self._presence, database)
        self._express = Holding("express", self._growth, self._presence, database)
        self._lanes = (self._main, self._express)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop, then let the requests under way end and give the leases back."""
        next_claim = 0.0
        watch = asyncio.create_task(self._watch())
        try:
            while not stopping.is_set():
                try:
                    longer = await self._feel_pulse()
                    for lane in self._lanes:
                        await lane.give_back()
                    if longer or time.monotonic() >= next_claim:
                        await self._hold_and_claim()
                        next_claim = time.monotonic() + _CLAIM_SECONDS
                    await _sleep(PULSE_SECONDS, stopping)
                except Unavailable as error:
                    log.warning("delivery waits for the database", reason=error.detail)
                    await _sleep(_PAUSE_SECONDS, stopping)
            await self._stop()
        finally:
            watch.cancel()
            for lane in self._lanes:
                lane.break_off()
            self._presence.end()
            self._connection.close()

    async def _hold_and_claim(self) -> None:
        """Keep what is held, free what the dead held, and take what is due."""
        await self._presence.confirm()
        for lane in self._lanes:
            await lane.renew()
        await self._presence.void_others()
        await self._claim()

    async def _watch(self) -> None:
        """Break off in time where others may soon find our lock free, whatever else hangs."""
        doubts = 0
        while True:
            await asyncio.sleep(_CLAIM_SECONDS)
            # Twice, since a process that stood still looks before it has had time to ask.
            doubts = 0 if self._presence.is_sure else doubts + 1
            if doubts > 1:
                for lane in self._lanes:
                    lane.break_off()

    async def _feel_pulse(self) -> bool:
        """Learn how long the journal is, and which followers are ours no more."""
        held, early = self._main.held, self._express.held
        pulse = await self._connection.use(lambda connection: read_pulse(connection, held, early))
        self._main.compare(pulse.fences)
        self._express.compare(pulse.early)
        return self._growth.learn(pulse.position, pulse.live)

    async def _claim(self) -> None:
        """Take lanes that are due, and set a courier on each."""
        until = time.monotonic() + self._lease.total_seconds()
        async with self._database.transaction() as session:
            claimed = await claim(
                session,
                most=_CLAIM_AT_ONCE,
                lease=self._lease,
                due_by=self._growth.position,
                busy=self._main.busy,
                worker=self._presence.number,
            )
            early = await claim_early(
                session,
                most=_CLAIM_AT_ONCE,
                lease=self._lease,
                live=self._growth.live,
                busy=self._express.busy,
                worker=self._presence.number,
            )
            ids = {one.id for one in claimed} | {one.id for one in early}
            endpoints = await read_endpoints(session, self._keys.vault, ids) if ids else {}
        for follower in claimed:
            if follower.id in endpoints:
                self._set_on(follower, endpoints[follower.id], until)
        for lane in early:
            if lane.id in endpoints:
                self._set_on_express(lane, endpoints[lane.id], until)

    def _set_on(self, follower: FollowerState, endpoint: Endpoint, until: float) -> None:
        courier = Courier(self._tools, follower, endpoint, self._main)
        self._main.take(follower.id, follower.fence, until=until, courier=courier.run())

    def _set_on_express(self, lane: EarlyState, endpoint: Endpoint, until: float) -> None:
        courier = ExpressCourier(self._tools, lane, endpoint, self._express)
        self._express.take(lane.id, lane.fence, until=until, courier=courier.run())

    async def _stop(self) -> None:
        await asyncio.gather(*(lane.end(seconds=self._last_words) for lane in self._lanes))
        try:
            for lane in self._lanes:
                await lane.give_back()
        except Unavailable as error:
            log.warning("leases run out by themselves", reason=error.detail)
        await self._tools.batches.settled()


async def _sleep(seconds: float, stopping: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
