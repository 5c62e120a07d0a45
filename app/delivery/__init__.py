"""Telling the registered databases, signed and in order, until each has acknowledged.

The room owns how a database is reached: its endpoint and signing secrets, the lease under which
one worker sends to it, the attempts, and what its answers mean. It promises that a database hears
every journal entry that concerns it at least once and in order, that one dead database costs the
others nothing, that nothing is sent inside a transaction or past the guard of
``app.platform.http``, and that only an answer of the database moves its acknowledgement.
"""

from . import tables as tables
from .api import databases
from .digest_api import digest
from .dispatch import Dispatcher
from .endpoints import SEALED
from .feed import HeadWatch
from .journal_api import acknowledgements, journal, outcomes
from .measures import Standings
from .operations import Operations, watch_for_operators
from .parked_api import parked_entries
from .places import pass_over_strangers
from .recall import Recaller
from .reports_api import database_reports, reports
from .settling import forget_attempts
from .snapshot_api import snapshot
from .snapshots import Snapshots

ROUTERS = (
    databases,
    parked_entries,
    journal,
    snapshot,
    digest,
    acknowledgements,
    outcomes,
    reports,
    database_reports,
)

__all__ = [
    "ROUTERS",
    "SEALED",
    "Dispatcher",
    "HeadWatch",
    "Operations",
    "Recaller",
    "Snapshots",
    "Standings",
    "forget_attempts",
    "pass_over_strangers",
    "watch_for_operators",
]
