"""What Prometheus is told of delivery: counted where it happens, and read where databases stand.

Counts are added up over the processes of one machine. How databases stand is read from PostgreSQL
at each scrape, so that it is right whichever process is asked, and when every worker is dead. The
one label that grows is the database's slug.
"""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import FollowerState, count_parked, read_head, read_lags
from app.parties import list_databases
from app.platform.alarms import count_waiting
from app.platform.clock import now
from app.platform.mails import longest_wait
from app.platform.metrics import Scraped, counter, gauge, histogram

from .answers import Acknowledged, Gone, Rewind, Verdict
from .batches import Batch

_BATCHES = counter(
    "optout_delivery_batches_total", "Batches sent, by what came of them", ("lane", "outcome")
)
_REWINDS = counter(
    "optout_delivery_rewinds_total", "Answers 409 that named the position a database still wants"
)
_CONFLICTS = counter(
    "optout_delivery_fence_conflicts_total",
    "Results refused because somebody else decides about the database by now",
)
_PROPAGATION = histogram(
    "optout_propagation_seconds",
    "Seconds from the recording of a batch's oldest entry to the batch's first acknowledgement by "
    "webhook",
    ("lane",),
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400),
)
_SEEN = gauge("optout_worker_seen_timestamp_seconds", "When a worker last looked at the databases")


def count_batch(
    follower: FollowerState, batch: Batch, verdict: Verdict, status: int | None, at: datetime
) -> None:
    """Count one request to a database and what came of it."""
    _BATCHES.labels(batch.lane, _outcome(verdict, status)).inc()
    if isinstance(verdict, Rewind):
        _REWINDS.inc()
    known = max(follower.acknowledged, follower.registered_after)
    # What is told again, or was recorded before the database was registered, took no time.
    if isinstance(verdict, Acknowledged) and batch.oldest is not None and batch.previous >= known:
        _PROPAGATION.labels(batch.lane).observe(max(0.0, (at - batch.oldest).total_seconds()))


def count_conflicts(results: int) -> None:
    """Count results that a raised fence refused."""
    _CONFLICTS.inc(results)


def note_worker() -> None:
    """Note that a worker lives and looks at the databases."""
    _SEEN.set_to_current_time()


def _outcome(verdict: Verdict, status: int | None) -> str:
    if isinstance(verdict, Acknowledged):
        return "acknowledged"
    if isinstance(verdict, Rewind):
        return "rewound"
    if isinstance(verdict, Gone):
        return "gone"
    if status is None:
        return verdict.error
    # A database may answer any number.
    return "unreadable" if status // 100 == 2 else f"status-{status // 100}xx"  # noqa: PLR2004 - "2xx"


class Standings(Scraped):
    """How the databases stand."""

    def describe(self) -> Sequence[GaugeMetricFamily]:
        """Name what is told of them."""
        return _Families().all

    async def read(self, session: AsyncSession) -> Sequence[GaugeMetricFamily]:
        """Read how the databases stand."""
        families = _Families()
        await families.read(session)
        return families.all

    def away(self) -> Sequence[GaugeMetricFamily]:
        """Say that PostgreSQL is away."""
        up = _Families().up
        up.add_metric([], 0)
        return [up]


class _Families:
    """The gauges of one scrape."""

    def __init__(self) -> None:
        self.up = GaugeMetricFamily(
            "optout_postgres_up", "Whether PostgreSQL answers (1) or not (0)"
        )
        self._clock = GaugeMetricFamily(
            "optout_clock_ahead_seconds",
            "Seconds by which this machine's clock is ahead of PostgreSQL's; behind: negative",
        )
        self._head = GaugeMetricFamily("optout_journal_head_position", "The journal's last entry")
        self._entries = _by_database("lag_entries", "Entries after the place of a database")
        self._seconds = _by_database(
            "lag_seconds", "Seconds for which a database has owed the oldest of them"
        )
        self._paused = _by_database("paused", "Whether a database is told nothing (1)")
        self._failing = _by_database("failing", "Whether the last request to a database failed (1)")
        self._parked = _by_database("parked_entries", "Entries parked because they were refused")
        self._alarms = GaugeMetricFamily(
            "optout_alarms_waiting", "Alarms that no operations address has taken yet"
        )
        self._mails = GaugeMetricFamily(
            "optout_mails_waiting_seconds", "Seconds for which the oldest unsent mail has waited"
        )

    @property
    def all(self) -> list[GaugeMetricFamily]:
        return [
            self.up,
            self._clock,
            self._head,
            self._entries,
            self._seconds,
            self._paused,
            self._failing,
            self._parked,
            self._alarms,
            self._mails,
        ]

    async def read(self, session: AsyncSession) -> None:
        before = now()
        theirs: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
        ours = before + (now() - before) / 2
        self._clock.add_metric([], (ours - theirs).total_seconds())
        self._head.add_metric([], (await read_head(session)).position)
        self._alarms.add_metric([], await count_waiting(session))
        self._mails.add_metric([], await longest_wait(session))
        slugs = {one.id: one.slug for one in await list_databases(session)}
        parked = await count_parked(session, list(slugs))
        for lag in await read_lags(session, now()):
            if lag.follower in slugs:
                database = [slugs[lag.follower]]
                self._entries.add_metric(database, lag.entries)
                self._seconds.add_metric(database, lag.seconds)
                self._paused.add_metric(database, lag.paused)
                self._failing.add_metric(database, lag.failing)
                self._parked.add_metric(database, parked.get(lag.follower, 0))
        self.up.add_metric([], 1)


def _by_database(name: str, meaning: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"optout_database_{name}", meaning, labels=("database",))
