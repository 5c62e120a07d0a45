"""What Prometheus is told of jobs: how many are under way, how long one has waited for a process.

All of it is read from PostgreSQL, whichever process is asked: one that is dead or stands still
tells nothing itself.
"""

from collections.abc import Sequence

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.metrics import Scraped
from app.settings import Settings

from .running import CONNECTION

SEEN_SECONDS = 30.0
"""How long ago a process may have looked for a job that counts as living; it does all the time."""

# When another role asked last is not for everybody to see: that it is there must do then.
_STANDING = text("""
SELECT (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = :name
          AND coalesce(query_start > now() - make_interval(secs => :seen), true)) AS processes,
       count(*) FILTER (WHERE state = 'running' AND due_at > now()) AS under_way,
       count(*) FILTER (WHERE due_at <= now()) AS waiting,
       coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now())), 0)
         AS seconds,
       coalesce(sum(done_rows), 0) AS rows
FROM jobs WHERE state IN ('queued', 'running')
""")


class JobStandings(Scraped):
    """How the jobs stand, and whether anybody is there to do them."""

    def __init__(self, settings: Settings, *, seen_seconds: float = SEEN_SECONDS) -> None:
        """Take where the registry is, and how long ago a living process may have been seen."""
        super().__init__(settings)
        self._seen_seconds = seen_seconds

    def describe(self) -> Sequence[GaugeMetricFamily]:
        """Name what is told of jobs."""
        return [
            GaugeMetricFamily("optout_jobs_processes", "Processes of jobs that look for one"),
            GaugeMetricFamily("optout_jobs_under_way", "Jobs that a living process works on"),
            GaugeMetricFamily("optout_jobs_waiting", "Jobs that a process might take up now"),
            GaugeMetricFamily(
                "optout_jobs_waiting_seconds", "Seconds for which the oldest of them has waited"
            ),
            GaugeMetricFamily(
                "optout_jobs_done_rows", "Rows done so far of the jobs that have not ended"
            ),
        ]

    async def read(self, session: AsyncSession) -> Sequence[GaugeMetricFamily]:
        """Read how the jobs stand."""
        values = {"name": f"optout {CONNECTION}", "seen": self._seen_seconds}
        row = (await session.execute(_STANDING, values)).one()
        families = self.describe()
        for family, value in zip(families, row, strict=True):
            family.add_metric([], float(value))
        return families
