"""Replaying what providers brought: read again as the channel is set now, and recorded at last.

For a brand that was not registered, an option that was wrong, a dialect that has learned a word. A
replay only ever adds; what comes back by it comes back by the person's own act, at its own time.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.parties import Channel, Directory, list_channels
from app.platform.clock import now
from app.platform.db import Database
from app.points import PointKeys

from .dialects import DIALECTS, Outcome
from .inbound_doors import note_tallies
from .inbound_events import Arrival, Done, Door, KeptEvent, Wanted, next_events, note_understood
from .inbound_links import Links
from .inbound_recording import record_events
from .inbound_understanding import understand

_AT_ONCE = 100
_EVERY_CHANNEL = 32_767


@dataclass(frozen=True, slots=True)
class Replaying:
    """Which events to replay: of one channel, since a time, those that were recorded too."""

    channel: str | None = None
    since: datetime | None = None
    recorded_too: bool = False


async def replay(
    database: Database, keys: PointKeys, directory: Directory, wanted: Replaying
) -> Counter[Outcome]:
    """Replay events in the order in which they came: how many came to which end now.

    What an erasure took cannot be replayed, and what was no objection was not kept.
    """
    counts: Counter[Outcome] = Counter()
    async with database.reading() as session:
        channels = {one.id: one for one in await list_channels(session, limit=_EVERY_CHANNEL)}
    number = None if wanted.channel is None else await directory.channel(wanted.channel)
    chosen = Wanted(number, since=wanted.since)
    after = None
    while True:
        async with database.reading() as session:
            some = await next_events(session, keys.vault, chosen, after=after, limit=_AT_ONCE)
        if not some:
            return counts
        after = some[-1].id
        for one in some:
            if one.fields is None or one.dialect not in DIALECTS:
                continue
            if one.outcome in (Outcome.RECORDED, Outcome.LIFTED) and not wanted.recorded_too:
                continue
            door, arrival = await _understood(one, channels[one.channel], keys, directory, database)
            async with database.transaction() as session:
                done = await _again(session, keys, door, one, arrival)
            counts[done.outcome] += 1


async def _understood(
    one: KeptEvent,
    channel: Channel,
    keys: PointKeys,
    directory: Directory,
    database: Database,
) -> tuple[Door, Arrival]:
    inbound = channel.inbound
    same = inbound is not None and inbound.dialect == one.dialect
    given = inbound.options if same and inbound is not None else {}
    # Nobody waits for an answer here, so none may count as given.
    options = {name: one for name, one in given.items() if not name.startswith("confirmation")}
    door = Door(channel.id, channel.slug, one.dialect, options, one.request, now())
    (arrival,) = await understand(
        door,
        DIALECTS[one.dialect],
        [one.fields or {}],
        keys=keys,
        directory=directory,
        links=Links(database, keys.vault),
        region=database.settings.default_region,
    )
    occurred_at = arrival.occurred_at
    if occurred_at is None and arrival.act.reason is not None:
        occurred_at = one.arrived_at
    return door, replace(arrival, id=one.id, occurred_at=occurred_at)


async def _again(
    session: AsyncSession, keys: PointKeys, door: Door, one: KeptEvent, arrival: Arrival
) -> Done:
    await note_understood(session, keys, arrival)
    (done,) = await record_events(session, keys, door, [arrival])
    if (done.outcome, done.reason) != (one.outcome, one.reason):
        await note_tallies(session, door.channel, {(done.outcome, done.reason): 1}, door.at)
    return done
