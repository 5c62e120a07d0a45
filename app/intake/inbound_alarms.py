"""What the operators hear of doors: one that fell silent, one where signatures fail.

Either may mean that objections are lost: a provider that was given another address, a secret that
was changed at one end, or somebody who tries to forge.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.alarms import (
    drop_incidents,
    heal_incident,
    open_incident,
    read_incidents,
)
from app.platform.db import Database
from app.platform.wire import wire_time

from .inbound_doors import DoorView, view_doors

SILENT = "door.silent"
REFUSING = "door.refusing"
RECOVERED = "door.recovered"
_KINDS = {"silent": SILENT, "refusing": REFUSING}
_SUBJECT = "door:"


async def watch_doors(database: Database, at: datetime) -> None:
    """Raise and end what is the matter with doors; writes where something has changed."""
    silent_after = timedelta(hours=database.settings.inbound_silent_hours)
    async with database.reading() as session:
        doors = await view_doors(session, at, silent_after=silent_after)
        known = [one for one in await read_incidents(session) if one.subject.startswith(_SUBJECT)]
    changes = []
    for door in doors:
        kind = _KINDS.get(door.state)
        heard = {one.type for one in known if one.subject == _subject(door)}
        if door.state != "closed" and heard != ({kind} if kind else set()):
            changes.append((door, kind, heard))
    gone = {one.subject for one in known} - {_subject(door) for door in doors}
    if not changes and not gone:
        return
    async with database.transaction() as session:
        for door, kind, heard in changes:
            await _tell(session, door, kind, heard, at)
        for subject in sorted(gone):
            await drop_incidents(session, subject)


def _subject(door: DoorView) -> str:
    return f"{_SUBJECT}{door.channel.slug}"


async def _tell(
    session: AsyncSession, door: DoorView, kind: str | None, heard: set[str], at: datetime
) -> None:
    subject = _subject(door)
    named: dict[str, Any] = {
        "channel": door.channel.slug,
        "party": door.channel.party,
        "dialect": door.inbound.dialect,
    }
    for over in sorted(heard - {kind}):
        await heal_incident(session, over, subject, at, healed=RECOVERED, **named, incident=over)
    if kind is not None:
        last_at = door.spoken and door.spoken.last_at
        named["last_at"] = last_at and wire_time(last_at)
        named["failures"] = door.spoken.failures if kind == REFUSING and door.spoken else 0
        await open_incident(session, kind, subject, at, **named)
