"""The doors of machines as they are spoken to: how often, how steadily, and what is turned away."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.parties import Channel, Inbound, list_channels

from .dialects import DIALECTS, Outcome
from .tables import InboundDoor, InboundTally

BURST = timedelta(minutes=10)
"""Refused signatures further apart than this are of two bursts."""
_EVERY_CHANNEL = 32_767
MOST_FAILURES = 5
"""How many refused signatures of one burst the operators hear of."""
_STEADY = 10
"""Requests after which a door is one that used to speak."""
_PATIENCE = 4
"""How many times as long as it was ever quiet a door may be, before it is missed."""
WHOLE = "request:"
"""What the reason of a whole request that was refused begins with, in the tallies."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a door's events, or whole requests, came to one end for one reason."""

    channel: int
    outcome: Outcome
    reason: str
    count: int
    last_at: datetime

    @property
    def of_whole_request(self) -> bool:
        """Tell whether requests are counted, not events."""
        return self.reason.startswith(WHOLE)


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a door is spoken to; ``longest_gap`` is in seconds, ``failures`` those of one burst."""

    channel: int
    requests: int
    first_at: datetime | None
    last_at: datetime | None
    longest_gap: int
    failures: int
    failing_since: datetime | None
    failed_at: datetime | None


async def note_request(session: AsyncSession, channel: int, at: datetime) -> None:
    """Count a request that was let in. Locks the door's row until the commit: do it late.

    How long it is quiet at times is learned from its first requests; later on a silence that was
    one too many teaches nothing, or the next one would be heard of four times later.
    """
    await session.execute(
        text("""
            INSERT INTO inbound_doors AS d (channel, requests, first_at, last_at)
            VALUES (:channel, 1, :at, :at)
            ON CONFLICT (channel) DO UPDATE SET
                requests = d.requests + 1,
                first_at = coalesce(d.first_at, excluded.first_at),
                last_at = greatest(d.last_at, excluded.last_at),
                longest_gap = CASE
                    WHEN d.requests < :steady OR excluded.last_at - d.last_at <= make_interval(
                        secs => greatest(86400, :patience * d.longest_gap))
                    THEN greatest(d.longest_gap, coalesce(
                        extract(epoch FROM excluded.last_at - d.last_at)::int8, 0))
                    ELSE d.longest_gap END
        """),
        {"channel": channel, "at": at, "steady": _STEADY, "patience": _PATIENCE},
    )


async def note_failures(session: AsyncSession, channel: int, count: int, at: datetime) -> None:
    """Count requests whose signature was refused, and those of the present burst."""
    await session.execute(
        text("""
            INSERT INTO inbound_doors (channel, failures, failing_since, failed_at)
            VALUES (:channel, :count, :at, :at)
            ON CONFLICT (channel) DO UPDATE SET
                failures = :count
                    + CASE WHEN inbound_doors.failed_at > :since THEN inbound_doors.failures
                           ELSE 0 END,
                failing_since =
                    CASE WHEN inbound_doors.failed_at > :since THEN inbound_doors.failing_since
                         ELSE :at END,
                failed_at = :at
        """),
        {"channel": channel, "count": count, "at": at, "since": at - BURST},
    )


async def note_tallies(
    session: AsyncSession, channel: int, tallies: Mapping[tuple[Outcome, str], int], at: datetime
) -> None:
    """Count what became of some events; the last statement, for it locks what all count with."""
    if not tallies:
        return
    ordered = sorted(tallies.items())
    await session.execute(
        text("""
            INSERT INTO inbound_tallies AS t (channel, outcome, reason, count, last_at)
            SELECT :channel, outcome, reason, count, :at
            FROM unnest(CAST(:outcomes AS int2[]), CAST(:reasons AS text[]),
                        CAST(:counts AS int8[])) AS g (outcome, reason, count)
            ON CONFLICT (channel, outcome, reason) DO UPDATE
            SET count = t.count + excluded.count, last_at = greatest(t.last_at, excluded.last_at)
        """),
        {
            "channel": channel,
            "at": at,
            "outcomes": [outcome for (outcome, _), _ in ordered],
            "reasons": [reason for (_, reason), _ in ordered],
            "counts": [count for _, count in ordered],
        },
    )


async def note_refusals(
    session: AsyncSession, refused: Sequence[tuple[int, str]], at: datetime
) -> None:
    """Count requests that were refused whole, each by its channel and reason."""
    by_channel: dict[int, Counter[tuple[Outcome, str]]] = {}
    for channel, reason in refused:
        counter = by_channel.setdefault(channel, Counter())
        counter[Outcome.REFUSED, f"{WHOLE}{reason}"] += 1
    for channel, counter in sorted(by_channel.items()):
        await note_failures(session, channel, counter.total(), at)
        await note_tallies(session, channel, counter, at)


async def read_doors(session: AsyncSession) -> dict[int, Spoken]:
    """Tell how each door is spoken to, by its channel."""
    rows = await session.scalars(select(InboundDoor))
    return {
        row.channel: Spoken(
            row.channel,
            row.requests,
            row.first_at,
            row.last_at,
            row.longest_gap,
            row.failures,
            row.failing_since,
            row.failed_at,
        )
        for row in rows
    }


async def read_tallies(session: AsyncSession) -> dict[int, list[Tally]]:
    """Tell what became of what each door received, by its channel, the most frequent first."""
    found: dict[int, list[Tally]] = {}
    for row in await session.scalars(select(InboundTally)):
        tally = Tally(row.channel, Outcome(row.outcome), row.reason, row.count, row.last_at)
        found.setdefault(row.channel, []).append(tally)
    for tallies in found.values():
        tallies.sort(key=lambda tally: (-tally.count, tally.outcome, tally.reason))
    return found


DoorState = Literal["speaking", "silent", "refusing", "unheard", "closed"]
DOOR_STATES: tuple[DoorState, ...] = get_args(DoorState)


@dataclass(frozen=True, slots=True)
class DoorView:
    """A channel that a provider speaks to, how it is spoken to, and what came of it."""

    channel: Channel
    inbound: Inbound
    spoken: Spoken | None
    tallies: Sequence[Tally]
    state: DoorState

    def came_to(self, outcome: Outcome) -> int:
        """Count the events that came to an end."""
        return sum(
            one.count for one in self.tallies if one.outcome is outcome and not one.of_whole_request
        )


async def view_doors(
    session: AsyncSession, at: datetime, *, silent_after: timedelta, after: int = 0
) -> list[DoorView]:
    """Show every door, in the order in which their channels were made, from number ``after``."""
    spoken, tallies = await read_doors(session), await read_tallies(session)
    views = []
    for one in await list_channels(session, limit=_EVERY_CHANNEL, after=after):
        if one.inbound is not None:
            state: DoorState = "closed"
            dialect = DIALECTS.get(one.inbound.dialect)
            if dialect is not None and (one.inbound.has_secret or not dialect.has_secret):
                state = state_of(spoken.get(one.id), at, silent_after=silent_after)
            found = tallies.get(one.id, [])
            views.append(DoorView(one, one.inbound, spoken.get(one.id), found, state))
    return views


def state_of(spoken: Spoken | None, at: datetime, *, silent_after: timedelta) -> DoorState:
    """Tell how a door is that a provider can speak to.

    ``refusing``: a burst of signatures that are not the provider's. ``silent``: nothing was let in
    for so long, and for four times as long as it was ever quiet before. ``unheard``: nothing ever.
    """
    if spoken is None:
        return "unheard"
    if (
        spoken.failed_at is not None
        and spoken.failures >= MOST_FAILURES
        and spoken.failed_at > at - BURST
    ):
        return "refusing"
    if spoken.last_at is None:
        return "unheard"
    quiet = max(silent_after, _PATIENCE * timedelta(seconds=spoken.longest_gap))
    if spoken.requests >= _STEADY and at - spoken.last_at > quiet:
        return "silent"
    return "speaking"
