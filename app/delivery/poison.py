"""Looking for the one entry that a database refuses, where it refuses a batch and nothing else.

Half as many entries at a time: what is taken is acknowledged on the way, so that n entries cost
log2(n) requests and one more, in which the entry stands alone.
"""

from app.journal import OUTAGE_AFTER, count_parked
from app.platform.db import Database
from app.settings import Settings

from .answers import blames_an_entry
from .batches import Batch
from .endpoints import Endpoint
from .pings import ping

MOST_PARKED = 100
"""Entries parked for one database, after which the next one blocks: it refuses too much."""


class Hunt:
    """What is known of the entry that is refused: that it is among the next so many."""

    def __init__(self) -> None:
        """Suspect nothing."""
        self._suspects = 0

    @property
    def is_on(self) -> bool:
        """Whether an entry is being looked for."""
        return self._suspects > 0

    def most(self, limit: int) -> int:
        """Say how many entries the next batch may hold, that otherwise might hold ``limit``."""
        return max(1, self._suspects // 2) if self._suspects else limit

    def accepted(self, entries: int) -> None:
        """So many were taken: the entry is among the rest, or none is refused any more."""
        self._suspects = max(0, self._suspects - entries)

    def refused(self, entries: int) -> None:
        """So many were refused together: the entry is among them."""
        self._suspects = entries

    def end(self) -> None:
        """Suspect nothing any more."""
        self._suspects = 0


def is_suspicious(status: int | None, failures: int) -> bool:
    """Tell whether a refusal, after so many failures in a row, may lie in one entry."""
    return failures + 1 >= OUTAGE_AFTER and blames_an_entry(status)


async def takes_a_ping(endpoint: Endpoint, batch: Batch, settings: Settings) -> bool:
    """Tell whether the database takes what holds no entry: else it is not the entries' fault."""
    return (await ping(endpoint, journal=str(batch.journal), settings=settings)).delivered


async def may_park(database: Database, endpoint: Endpoint) -> bool:
    """Tell whether the policy of a database, and what it has parked so far, let one more go."""
    if endpoint.on_poison != "park":
        return False
    async with database.reading() as session:
        parked = await count_parked(session, [endpoint.database])
    return parked.get(endpoint.database, 0) < MOST_PARKED
