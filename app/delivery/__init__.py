"""Telling the registered databases, signed and in order, until each has acknowledged.

The room owns how a database is reached: its endpoint and signing secrets, the lease under which
one worker sends to it, the attempts, and what its answers mean. It promises that a database hears
every journal entry that concerns it at least once and in order, that one dead database costs the
others nothing, that nothing is sent inside a transaction or past the guard of
``app.platform.http``, and that only an answer of the database moves its acknowledgement.
"""

from . import tables as tables
from .acts import (
    pause_database,
    ping_database,
    renew_secret,
    replay_database,
    require_allowed,
    resume_database,
)
from .api import databases
from .databases import Standing, add_database, read_standings, remove_database
from .digest_api import digest
from .dispatch import Dispatcher
from .endpoints import SEALED, Secrets, WeakFormat, read_errors
from .feed import HeadWatch
from .journal_api import acknowledgements, journal, outcomes
from .measures import Standings
from .models import DatabaseIn
from .operations import Operations, watch_for_operators
from .parked_api import parked_entries
from .pings import Ping
from .places import pass_over_strangers
from .recall import Recaller
from .reports_api import database_reports, reports
from .settling import Attempt, forget_attempts, list_attempts
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
    "Attempt",
    "DatabaseIn",
    "Dispatcher",
    "HeadWatch",
    "Operations",
    "Ping",
    "Recaller",
    "Secrets",
    "Snapshots",
    "Standing",
    "Standings",
    "WeakFormat",
    "add_database",
    "forget_attempts",
    "list_attempts",
    "pass_over_strangers",
    "pause_database",
    "ping_database",
    "read_errors",
    "read_standings",
    "remove_database",
    "renew_secret",
    "replay_database",
    "require_allowed",
    "resume_database",
    "watch_for_operators",
]
