"""What the operators hear of doors: one that fell silent, one where signatures fail.

Either may mean that objections are lost: a provider that was given another address, a secret that
was changed at one end, or somebody who tries to forge.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.parties import Channel, list_channels
from app.platform.alarms import (
    Incident,
    drop_incidents,
    heal_incident,
    open_incident,
    read_incidents,
)
from app.platform.db import Database
from app.platform.wire import wire_time

from .inbound_doors import Spoken, read_doors, state_of

SILENT = "door.silent"
REFUSING = "door.refusing"
RECOVERED = "door.recovered"
_KINDS = {"silent": SILENT, "refusing": REFUSING}
_EVERY_CHANNEL = 32_767
_SUBJECT = "door:"


async def watch_doors(database: Database, at: datetime) -> None:
    """Raise and end what is the matter with doors; writes where something has changed."""
    silent_after = timedelta(hours=database.settings.inbound_silent_hours)
    async with database.reading() as session:
        spoken = await read_doors(session)
        if not spoken:
            return
        channels = await list_channels(session, limit=_EVERY_CHANNEL)
        known = [one for one in await read_incidents(session) if one.subject.startswith(_SUBJECT)]
    changes = []
    for channel in channels:
        if channel.inbound is not None and channel.id in spoken:
            door = spoken[channel.id]
            kind = _KINDS.get(state_of(door, at, silent_after=silent_after))
            heard = {one.type for one in known if one.subject == _subject(channel.slug)}
            if heard != ({kind} if kind else set()):
                changes.append((channel, door, kind, heard))
    gone = _without_door(known, channels)
    if not changes and not gone:
        return
    async with database.transaction() as session:
        for channel, door, kind, heard in changes:
            await _tell(session, channel, door, kind, heard, at)
        for subject in sorted(gone):
            await drop_incidents(session, subject)


def _subject(slug: str) -> str:
    return f"{_SUBJECT}{slug}"


def _without_door(known: Sequence[Incident], channels: Sequence[Channel]) -> set[str]:
    """Tell which incidents are about a door that was taken away."""
    open_ = {_subject(one.slug) for one in channels if one.inbound is not None}
    return {one.subject for one in known} - open_


async def _tell(
    session: AsyncSession,
    channel: Channel,
    door: Spoken,
    kind: str | None,
    heard: set[str],
    at: datetime,
) -> None:
    subject = _subject(channel.slug)
    named: dict[str, Any] = {
        "channel": channel.slug,
        "party": channel.party,
        "dialect": None if channel.inbound is None else channel.inbound.dialect,
    }
    for over in sorted(heard - {kind}):
        await heal_incident(session, over, subject, at, healed=RECOVERED, **named, incident=over)
    if kind is not None:
        named["last_at"] = None if door.last_at is None else wire_time(door.last_at)
        named["failures"] = door.failures if kind == REFUSING else 0
        await open_incident(session, kind, subject, at, **named)
