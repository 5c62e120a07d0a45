"""What Prometheus is told of doors: what each received, recorded and refused, and how it stands.

All of it is counted in PostgreSQL, whichever process received it. The labels that grow are the
channel's slug and our own words for why.
"""

from collections.abc import Sequence
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.clock import now
from app.platform.metrics import Scraped
from app.settings import Settings

from .inbound_doors import WHOLE, DoorView, view_doors

_DOOR = ("channel", "dialect")


class DoorStandings(Scraped):
    """How the doors for machines stand."""

    def __init__(self, settings: Settings) -> None:
        """Take where the registry is, and how long a door may be silent."""
        super().__init__(settings)
        self._silent_after = timedelta(hours=settings.inbound_silent_hours)

    def describe(self) -> Sequence[Metric]:
        """Name what is told of doors."""
        return _Families().all

    async def read(self, session: AsyncSession) -> Sequence[Metric]:
        """Read how the doors stand, those that are closed left out."""
        families = _Families()
        for door in await view_doors(session, now(), silent_after=self._silent_after):
            if door.state != "closed":
                families.add(door)
        return families.all


class _Families:
    """The figures of one scrape."""

    def __init__(self) -> None:
        self._requests = CounterMetricFamily(
            "optout_door_requests", "Requests that a door let in", labels=_DOOR
        )
        self._refused = CounterMetricFamily(
            "optout_door_refused", "Requests that a door refused whole", labels=(*_DOOR, "reason")
        )
        self._events = CounterMetricFamily(
            "optout_door_events",
            "Events that a door received, by what came of them",
            labels=(*_DOOR, "outcome", "reason"),
        )
        self._silent = GaugeMetricFamily(
            "optout_door_silent",
            "Whether a door that used to speak is quiet for longer than ever (1)",
            labels=_DOOR,
        )
        self._refusing = GaugeMetricFamily(
            "optout_door_refusing", "Whether a door refuses a burst of signatures (1)", labels=_DOOR
        )

    @property
    def all(self) -> Sequence[Metric]:
        return [self._requests, self._refused, self._events, self._silent, self._refusing]

    def add(self, door: DoorView) -> None:
        named = [door.channel.slug, door.inbound.dialect]
        self._requests.add_metric(named, door.spoken.requests if door.spoken else 0)
        self._silent.add_metric(named, door.state == "silent")
        self._refusing.add_metric(named, door.state == "refusing")
        for one in door.tallies:
            if one.of_whole_request:
                self._refused.add_metric([*named, one.reason.removeprefix(WHOLE)], one.count)
            else:
                self._events.add_metric([*named, one.outcome.word, one.reason], one.count)
