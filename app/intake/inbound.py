"""The doors for machines: a provider's signed request comes in, every objection in it is recorded.

Nothing is answered before it is committed: a provider that is told nothing tries again, and what
came before is known by its id.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from app.parties import Channel, Directory, find_channel, inbound_secret
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.logs import get_logger
from app.platform.merged import Merged
from app.platform.problems import Problem
from app.platform.refusals import NotFound
from app.points import PointKeys, find_many
from app.registry import bounced_among

from .dialects import (
    DIALECTS,
    Act,
    Dialect,
    NotGenuine,
    Outcome,
    Reply,
    Request,
    Taken,
    Unreadable,
)
from .inbound_doors import WHOLE, note_refusals, note_request, note_tallies
from .inbound_events import Arrival, Done, Door, claim_token, keep_events, sha256
from .inbound_fetching import Fetcher
from .inbound_links import Links
from .inbound_recording import record_events
from .inbound_room import Room
from .inbound_understanding import understand

Answer = TypeVar("Answer")

_LARGE = 262_144
_AT_ONCE = 100
"""Events of one transaction: what holds the head of the journal, and with it everybody's
opt-outs."""

log = get_logger(__name__)


class BadSignature(Problem):
    """The request is not signed as this channel's provider signs, or too old, or a replay.

    Nothing was recorded. Compare the secret of the channel (`PATCH /v1/channels/{slug}`) with what
    the provider shows, and the address that it was given with OPTOUT_PUBLIC_URL.
    """

    type = "bad-signature"
    title = "The signature is not the provider's"
    status = 401


class UnreadableEvents(Problem):
    """The request is signed as it should be, and its body is none that the dialect reads.

    Nothing was recorded; the door's list tells that it came.
    """

    type = "unreadable-events"
    title = "The events cannot be read"
    status = 422


class _Refusal:
    """One request that was refused whole; each is counted, however alike."""

    __slots__ = ("channel", "reason")

    def __init__(self, channel: int, reason: str) -> None:
        self.channel = channel
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a request came to: each event, and how many came to which end."""

    taken: Sequence[Taken]
    counts: Counter[tuple[Outcome, str]]


class Doors:
    """The doors of one process."""

    def __init__(self, database: Database, keys: PointKeys, directory: Directory) -> None:
        """Open nothing yet."""
        self._database = database
        self._keys = keys
        self._directory = directory
        self._links = Links(database, keys.vault)
        self.room = Room()
        self.fetcher = Fetcher(database.settings)
        # However many are refused at once, PostgreSQL counts them in one statement at a time.
        self._refusals: Merged[_Refusal, None] = Merged(self._count)

    async def open(self, dialect: str, channel: str) -> tuple[Channel, Dialect]:
        """Find the channel that speaks a dialect.

        Raises:
            NotFound: there is none, or it speaks another.
        """
        known = DIALECTS.get(dialect)
        async with self._database.reading() as session:
            found = await find_channel(session, channel)
        if known is None or found.inbound is None or found.inbound.dialect != dialect:
            raise NotFound("No channel of this name speaks this dialect.")
        return found, known

    async def receive(self, channel: Channel, dialect: Dialect, request: Request) -> Reply:
        """Verify a request and record what it says.

        Raises:
            BadSignature: it is not the provider's, or a replay; it is counted.
            UnreadableEvents: nothing in it can be read; it is counted.
            Unavailable: what was not recorded must be sent again.
        """
        if channel.inbound is None:
            raise TypeError("the channel was found to have a door")
        inbound = channel.inbound
        digest = await _aside(request, sha256, request.body)
        door = Door(channel.id, channel.slug, inbound.dialect, inbound.options, digest, now())
        try:
            verified = await self._verify(door, dialect, request)
            await self.fetcher.visit(await _aside(verified, dialect.visits, verified))
            several = await _aside(verified, dialect.split, verified, door.options)
        except NotGenuine as refused:
            await self._refusals.ask(_Refusal(door.channel, refused.reason))
            log.warning("a door refused a request", channel=door.slug, reason=refused.reason)
            raise BadSignature(
                f"The request was refused: {refused.reason}.",
                headers={"WWW-Authenticate": 'Basic realm="optout"'},
            ) from None
        except Unreadable as refused:
            await self._note_unreadable(door, refused.reason)
            raise UnreadableEvents(f"The body was refused: {refused.reason}.") from None
        arrivals = await understand(
            door,
            dialect,
            several,
            keys=self._keys,
            directory=self._directory,
            links=self._links,
            region=self._database.settings.default_region,
        )
        answered = await self.record(door, arrivals)
        return dialect.reply(answered.taken, door.options) or _counted(answered.counts)

    async def _verify(self, door: Door, dialect: Dialect, request: Request) -> Request:
        """Verify a request; gives it back with what it was verified by."""
        async with self._database.reading() as session:
            secret = await inbound_secret(session, self._keys.vault, door.slug)
        if secret is None and dialect.has_secret:
            raise NotGenuine("no-secret")
        try:
            needed = await _aside(request, dialect.needs, request, door.options)
            fetched = await self.fetcher.all_of(needed)
            request = replace(request, fetched=fetched)
            token = await _aside(
                request, dialect.verify, request, secret or "", door.options, door.at
            )
        except Unreadable as unreadable:
            raise NotGenuine(unreadable.reason) from None
        if token is not None:
            async with self._database.transaction() as session:
                fresh = await claim_token(session, self._keys, door, token)
            if not fresh:
                raise NotGenuine("replayed")
        return request

    async def record(self, door: Door, arrivals: Sequence[Arrival]) -> _Answered:
        """Record events, some in each transaction; one that fails holds up no other."""
        ends = {one.id: Done(one.id, Outcome.DROPPED) for one in arrivals}
        wanted = await self._worth_keeping(door, arrivals)
        async with self._database.transaction() as session:
            await note_request(session, door.channel, door.at)
            dropped = len(arrivals) - len(wanted)
            if dropped:
                tallies = {(Outcome.DROPPED, ""): dropped}
                await note_tallies(session, door.channel, tallies, door.at)
        for some in _batched(wanted):
            ends |= {one.id: one for one in await self._record_some(door, some)}
        taken = [_taken(one, ends[one.id]) for one in arrivals]
        return _Answered(taken, Counter((one.outcome, one.reason) for one in taken))

    async def _worth_keeping(self, door: Door, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Leave out what is no objection, and deliveries to whom nothing has bounced."""
        bounced: set[UUID] = set()
        if door.options.get("delivery_lifts_bounces") is True:
            bounced = await self._bounced([one for one in arrivals if one.act is Act.DELIVERED])
        return [
            one
            for one in arrivals
            if one.act not in (Act.NOTHING, Act.DELIVERED) or one.event is None or one.id in bounced
        ]

    async def _bounced(self, arrivals: Sequence[Arrival]) -> set[UUID]:
        """Tell which events are about somebody to whom a mail has bounced."""
        digests = await asyncio.to_thread(self._digests, arrivals)
        everybody = sorted({digest for several in digests.values() for digest in several})
        async with self._database.reading() as session:
            found = (await find_many(session, everybody)).points
            bounced = await bounced_among(session, [point.id for point in found.values()])
        gone = {digest for digest, point in found.items() if point.id in bounced}
        return {number for number, several in digests.items() if not gone.isdisjoint(several)}

    def _digests(self, arrivals: Sequence[Arrival]) -> dict[UUID, set[bytes]]:
        digest = self._keys.digests.digest
        return {one.id: {digest(who)[1] for who in one.identifiers} for one in arrivals}

    async def _record_some(self, door: Door, arrivals: Sequence[Arrival]) -> list[Done]:
        try:
            return await self._record_together(door, arrivals)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - each is tried alone, and listed if it is to blame
            log.warning("events are recorded one by one", error=type(error).__name__)
        done: list[Done] = []
        for one in arrivals:
            done += await self._record_alone(door, one)
        return done

    async def _record_alone(self, door: Door, arrival: Arrival) -> list[Done]:
        """Record one event of some that failed together; if it is to blame, list it as refused."""
        try:
            return await self._record_together(door, [arrival])
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it is listed, can be replayed, and holds up no other
            # Without its trace, for there may be thousands: a replay shows it.
            log.error("an event could not be recorded", error=type(error).__name__)  # noqa: TRY400
            at_fault = replace(arrival, reason="fault")
            return await self._record_together(door, [at_fault])

    async def _record_together(self, door: Door, arrivals: Sequence[Arrival]) -> list[Done]:
        async with self._database.transaction() as session:
            fresh = await keep_events(session, self._keys, door, arrivals)
            new = [one for one in arrivals if one.id in fresh]
            done = await record_events(session, self._keys, door, new)
            done += [Done(one.id, Outcome.DUPLICATE) for one in arrivals if one.id not in fresh]
            tallies = Counter((one.outcome, one.reason) for one in done)
            await note_tallies(session, door.channel, tallies, door.at)
        return done

    async def _note_unreadable(self, door: Door, reason: str) -> None:
        async with self._database.transaction() as session:
            await note_request(session, door.channel, door.at)
            tallies = {(Outcome.REFUSED, f"{WHOLE}{reason}"): 1}
            await note_tallies(session, door.channel, tallies, door.at)

    async def _count(self, refused: Sequence[_Refusal]) -> dict[_Refusal, None]:
        async with self._database.transaction() as session:
            await note_refusals(session, [(one.channel, one.reason) for one in refused], now())
        return dict.fromkeys(refused)


async def _aside(request: Request, work: Callable[..., Answer], *given: object) -> Answer:
    """Do what takes time by the size of a request beside the event loop, where it is large."""
    if len(request.body) < _LARGE:
        return work(*given)
    return await asyncio.to_thread(work, *given)


def _taken(arrival: Arrival, done: Done) -> Taken:
    return Taken(arrival.event, done.outcome, done.reason, done.confirmation)


def _batched(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    for start in range(0, len(arrivals), _AT_ONCE):
        yield arrivals[start : start + _AT_ONCE]


def _counted(counts: Counter[tuple[Outcome, str]]) -> Reply:
    ends = {outcome.word: 0 for outcome in Outcome}
    for (outcome, _), count in counts.items():
        ends[outcome.word] += count
    return Reply(json.dumps(ends).encode())
