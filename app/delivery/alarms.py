"""What the operators hear of databases: one that lags, one that is gone, one with parked entries.

Each is an incident, read from where the databases stand, so that any number of workers may look
and a worker that starts again tells nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Lag, count_parked, read_lags
from app.parties import RegisteredDatabase, list_databases
from app.platform.alarms import Incident, heal_incident, open_incident, read_incidents
from app.platform.db import Database

from .endpoints import read_errors

LAGGING = "database.lagging"
GONE = "database.gone"
PARKED = "database.parked"
RECOVERED = "database.recovered"
THRESHOLDS = (900, 3_600, 86_400)
"""Seconds of lag at which the operators hear of a database: 15 minutes, an hour, a day."""
_CAUGHT_UP = 60
"""Seconds of lag below which one that lagged has recovered; not at the threshold, where a
database may stand for hours and cross it every minute."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What is the matter with a database now; ``level`` is a lag's threshold."""

    level: int = 0
    data: Mapping[str, object] = field(default_factory=dict)


def subject_of(slug: str) -> str:
    """Name a database as the subject of an incident."""
    return f"database:{slug}"


async def watch(database: Database, at: datetime) -> None:
    """Raise and end what is the matter with databases; writes where something has changed."""
    async with database.reading() as session:
        changes = await _changes(session, at)
    if not changes:
        return
    async with database.transaction() as session:
        for one, kind, trouble in changes:
            subject = subject_of(one.slug)
            named: dict[str, object] = {"database": one.slug, "party": one.party}
            if trouble is None:
                data = named | {"incident": kind}
                await heal_incident(session, kind, subject, at, healed=RECOVERED, **data)
            else:
                data = {**named, **trouble.data}
                await open_incident(session, kind, subject, at, level=trouble.level, **data)


async def _changes(
    session: AsyncSession, at: datetime
) -> list[tuple[RegisteredDatabase, str, _Trouble | None]]:
    """List what began, rose or ended (None) since it was last heard of."""
    lags = {lag.follower: lag for lag in await read_lags(session, at)}
    errors = await read_errors(session)
    parked = await count_parked(session, list(lags))
    known = {(one.type, one.subject): one for one in await read_incidents(session)}
    changes: list[tuple[RegisteredDatabase, str, _Trouble | None]] = []
    for one in await list_databases(session):
        if one.id not in lags:
            continue
        lag = lags[one.id]
        troubles = _troubles(lag, errors.get(one.id), parked.get(one.id, 0))
        for kind in (LAGGING, GONE, PARKED):
            heard, trouble = known.get((kind, subject_of(one.slug))), troubles.get(kind)
            if trouble is not None and (heard is None or heard.level < trouble.level):
                changes.append((one, kind, trouble))
            if heard is not None and trouble is None and _is_over(kind, lag):
                changes.append((one, kind, None))
    return changes


def _troubles(lag: Lag, last_error: str | None, parked: int) -> dict[str, _Trouble]:
    troubles = {}
    reached = [one for one in THRESHOLDS if lag.seconds >= one]
    if reached:
        data = {
            "threshold_seconds": reached[-1],
            "lag_seconds": round(lag.seconds),
            "lag_entries": lag.entries,
            "state": "paused" if lag.paused else "failing" if lag.failing else "active",
            "last_error": last_error,
        }
        troubles[LAGGING] = _Trouble(reached[-1], data)
    if lag.paused and (last_error or "").startswith("gone:"):
        troubles[GONE] = _Trouble(data={"last_error": last_error})
    if parked:
        troubles[PARKED] = _Trouble(data={"parked_entries": parked})
    return troubles


def _is_over(kind: str, lag: Lag) -> bool:
    return kind != LAGGING or lag.seconds < _CAUGHT_UP


async def worst_of(session: AsyncSession, slugs: list[str]) -> dict[str, Incident]:
    """Tell the worst that lasts at some databases: what needs a person goes before a lag."""
    found: dict[str, Incident] = {}
    for one in await read_incidents(session, [subject_of(slug) for slug in slugs]):
        slug = one.subject.removeprefix(subject_of(""))
        if slug not in found or found[slug].type == LAGGING:
            found[slug] = one
    return found
