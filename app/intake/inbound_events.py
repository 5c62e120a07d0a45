"""Events of providers as they are kept: sealed, for a time, until an erasure takes them."""

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pydantic_core
from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Media
from app.platform.ids import least_id
from app.platform.resealing import Sealed
from app.platform.vault import Vault
from app.points import PointKeys

from .dialects import Act, Event, Fields, Options, Outcome
from .tables import InboundConfirmation, InboundEventRow, InboundToken, OptOutRow


@dataclass(frozen=True, slots=True)
class Door:
    """A channel as a provider speaks to it, and the request that came: its SHA-256, and when."""

    channel: int
    slug: str
    dialect: str
    options: Options
    request: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event that came, as it is understood; ``reason`` says why it is not.

    ``key`` is a keyed digest of the provider's id. ``brand`` 0 is every brand.
    """

    id: UUID
    key: bytes
    fields: Fields = field(repr=False)
    event: Event | None = field(repr=False)
    reason: str = ""
    identifiers: Sequence[Identifier] = ()
    media: Media = EVERY_MEDIUM
    brand: int = EVERY_BRAND
    occurred_at: datetime | None = None

    @property
    def act(self) -> Act:
        """What it says somebody did."""
        return Act.NOTHING if self.event is None else self.event.act


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an event; ``opt_out`` is as what it was recorded.

    ``confirmation`` is what the person is to be told, once.
    """

    id: UUID
    outcome: Outcome
    reason: str = ""
    opt_out: UUID | None = None
    confirmation: str = ""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event as it is kept; ``fields`` are None once an erasure took them."""

    id: UUID
    arrived_at: datetime
    occurred_at: datetime | None
    channel: int
    act: Act
    outcome: Outcome
    review: bool
    dialect: str
    reason: str
    opt_out: UUID | None
    request: bytes
    fields: Fields | None = field(repr=False)


def key_of(keys: PointKeys, dialect: str, fields: Fields, event: Event | None) -> bytes:
    """Digest the provider's id of an event, or the whole of one that has none.

    Under the oldest digest key, for it must stay what it is through a rotation; keyed, for an id
    that is made of a number and a time can be guessed.
    """
    name = event.id if event is not None else None
    said = ["id", name] if name else ["fields", fields]
    return _digest(keys, f"event {dialect}".encode(), pydantic_core.to_json(said))


def _digest(keys: PointKeys, purpose: bytes, value: bytes) -> bytes:
    ring = keys.digests.ring
    return hmac.digest(ring.keys[min(ring.keys)], b"inbound " + purpose + b"\0" + value, "sha256")


async def claim_token(session: AsyncSession, keys: PointKeys, door: Door, token: str) -> bool:
    """Take a token that counts once; False where it came before, with another body."""
    digest = _digest(keys, b"token %d" % door.channel, token.encode("utf-8", "surrogatepass"))
    await session.execute(
        insert(InboundToken)
        .values(digest=digest, request=door.request, at=door.at)
        .on_conflict_do_nothing()
    )
    first = await session.scalar(select(InboundToken.request).where(InboundToken.digest == digest))
    return first == door.request


async def claim_confirmation(
    session: AsyncSession, keys: PointKeys, door: Door, who: Identifier
) -> bool:
    """Take the one confirmation that somebody may get from a channel; False: it was sent."""
    digest = _digest(keys, b"confirmation %d" % door.channel, f"{who.kind} {who.value}".encode())
    claimed = await session.scalar(
        insert(InboundConfirmation)
        .values(digest=digest, at=door.at)
        .on_conflict_do_nothing()
        .returning(InboundConfirmation.at)
    )
    return claimed is not None


async def keep_events(
    session: AsyncSession, keys: PointKeys, door: Door, arrivals: Sequence[Arrival]
) -> set[UUID]:
    """Keep events that come for the first time: their ids. They are refused until noted otherwise.

    Whoever brings the same ones at the same time waits for the commit, and finds them kept.
    """
    ordered = sorted(arrivals, key=lambda arrival: arrival.key)
    rows = await session.scalars(
        _KEEP,
        {
            "arrived_at": door.at,
            "channel": door.channel,
            "outcome": Outcome.REFUSED,
            "dialect": door.dialect,
            "request": door.request,
            "ids": [one.id for one in ordered],
            "occurred": [one.occurred_at for one in ordered],
            "acts": [one.act for one in ordered],
            "reviews": [one.event is not None and one.event.review for one in ordered],
            "reasons": [one.reason for one in ordered],
            "keys": [one.key for one in ordered],
            "fields": [_seal(keys.vault, one) for one in ordered],
            "subjects": [_subjects(keys, one) for one in ordered],
        },
    )
    return set(rows)


# One statement of arrays: to build the rows one by one took most of a batch's time.
_KEEP = text("""
INSERT INTO inbound_events (id, arrived_at, occurred_at, channel, act, outcome, review, dialect,
                            reason, key, request, fields, subjects)
SELECT id, :arrived_at, occurred_at, :channel, act, :outcome, review, :dialect, reason, key,
       :request, fields,
       ARRAY(SELECT decode(one, 'hex') FROM unnest(string_to_array(subjects, ' ')) AS one)
FROM unnest(CAST(:ids AS uuid[]), CAST(:occurred AS timestamptz[]), CAST(:acts AS int2[]),
            CAST(:reviews AS bool[]), CAST(:reasons AS text[]), CAST(:keys AS bytea[]),
            CAST(:fields AS bytea[]), CAST(:subjects AS text[]))
     AS g (id, occurred_at, act, review, reason, key, fields, subjects)
ON CONFLICT (channel, key) DO NOTHING
RETURNING id
""")


def _seal(vault: Vault, arrival: Arrival) -> bytes:
    return vault.seal(pydantic_core.to_json(arrival.fields), _context(arrival.id))


def _subjects(keys: PointKeys, arrival: Arrival) -> str:
    return " ".join(keys.digests.digest(who)[1].hex() for who in arrival.identifiers)


async def note_done(session: AsyncSession, done: Collection[Done]) -> None:
    """Write down what became of some events."""
    if not done:
        return
    await session.execute(
        text("""
            UPDATE inbound_events e
            SET outcome = g.outcome, reason = g.reason, opt_out = coalesce(g.opt_out, e.opt_out)
            FROM unnest(CAST(:ids AS uuid[]), CAST(:outcomes AS int2[]),
                        CAST(:reasons AS text[]), CAST(:opt_outs AS uuid[]))
                 AS g (id, outcome, reason, opt_out)
            WHERE e.id = g.id
        """),
        {
            "ids": [one.id for one in done],
            "outcomes": [one.outcome for one in done],
            "reasons": [one.reason for one in done],
            "opt_outs": [one.opt_out for one in done],
        },
    )


async def note_understood(session: AsyncSession, keys: PointKeys, arrival: Arrival) -> None:
    """Write down how an event that is kept is understood now, and whom it is about."""
    await session.execute(
        text("""
            UPDATE inbound_events
            SET act = :act, occurred_at = :occurred_at, review = :review,
                subjects = ARRAY(SELECT decode(one, 'hex')
                                 FROM unnest(string_to_array(:subjects, ' ')) AS one)
            WHERE id = :id
        """),
        {
            "id": arrival.id,
            "act": arrival.act,
            "occurred_at": arrival.occurred_at,
            "review": arrival.event is not None and arrival.event.review,
            "subjects": _subjects(keys, arrival),
        },
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events to list; None filters nothing."""

    channel: int | None = None
    outcome: Outcome | None = None
    review: bool | None = None
    since: datetime | None = None


async def list_events(
    session: AsyncSession, vault: Vault, wanted: Wanted, *, before: UUID | None, limit: int
) -> list[KeptEvent]:
    """List events, the latest first, from the one after ``before``."""
    query = _chosen(wanted).order_by(InboundEventRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(InboundEventRow.id < before)
    return [kept_event(row, vault) for row in await session.scalars(query)]


async def next_events(
    session: AsyncSession, vault: Vault, wanted: Wanted, *, after: UUID | None, limit: int
) -> list[KeptEvent]:
    """List events in the order in which they came, from the one after ``after``.

    What a person voided is no event any more.
    """
    voided = select(OptOutRow.id).where(
        OptOutRow.id == InboundEventRow.opt_out, OptOutRow.voided_at.is_not(None)
    )
    query = _chosen(wanted).where(~voided.exists()).order_by(InboundEventRow.id).limit(limit)
    if after is not None:
        query = query.where(InboundEventRow.id > after)
    return [kept_event(row, vault) for row in await session.scalars(query)]


def _chosen(wanted: Wanted) -> Select[InboundEventRow]:
    query = select(InboundEventRow)
    conditions: Mapping[Any, object] = {
        InboundEventRow.channel: wanted.channel,
        InboundEventRow.outcome: wanted.outcome,
        InboundEventRow.review: wanted.review,
    }
    for column, value in conditions.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(InboundEventRow.arrived_at >= wanted.since)
    return query


async def erase_events(
    session: AsyncSession, *, subjects: Collection[bytes] = (), opt_outs: Collection[UUID] = ()
) -> None:
    """Destroy what is kept of events about some contact points, by their digests or opt-outs."""
    await session.execute(
        text("""
            UPDATE inbound_events SET fields = NULL, subjects = '{}'
            WHERE subjects && CAST(:subjects AS bytea[])
               OR opt_out = ANY(CAST(:opt_outs AS uuid[]))
        """),
        {"subjects": list(subjects), "opt_outs": list(opt_outs)},
    )


async def forget_events(session: AsyncSession, *, before: datetime, most: int = 5_000) -> int:
    """Delete the oldest events and tokens, at most so many of each at once; tells how many.

    What a person is to look at stays until one has: it may be an objection that nobody recorded.
    """
    events = await session.execute(
        _FORGET_EVENTS, {"before": least_id(before), "most": most, "kept": list(REVIEWED)}
    )
    tokens = await session.execute(_FORGET_TOKENS, {"before": before, "most": most})
    return len(events.all()) + len(tokens.all())


REVIEWED = (Outcome.RECORDED, Outcome.WAITING)
"""What came of events that a person looks at; the others have said nothing."""
_FORGET_EVENTS = text("""
DELETE FROM inbound_events WHERE id IN (
    SELECT id FROM inbound_events e WHERE id < :before
       AND NOT (review AND reviewed_at IS NULL AND outcome = ANY(:kept)
                AND NOT EXISTS (SELECT 1 FROM opt_outs o
                                WHERE o.id = e.opt_out AND o.voided_at IS NOT NULL))
    ORDER BY id LIMIT :most
) RETURNING 1
""")
_FORGET_TOKENS = text("""
DELETE FROM inbound_tokens WHERE digest IN (
    SELECT digest FROM inbound_tokens WHERE at < :before ORDER BY digest LIMIT :most
) RETURNING 1
""")


def _context(number: UUID) -> bytes:
    return b"inbound_events.fields " + number.bytes


def kept_event(row: InboundEventRow, vault: Vault) -> KeptEvent:
    """Show a row, unsealed."""
    fields = None
    if row.fields is not None:
        fields = pydantic_core.from_json(vault.unseal(row.fields, _context(row.id)))
    return KeptEvent(
        row.id,
        row.arrived_at,
        row.occurred_at,
        row.channel,
        Act(row.act),
        Outcome(row.outcome),
        row.review,
        row.dialect,
        row.reason,
        row.opt_out,
        row.request,
        fields,
    )


SEALED = (Sealed("inbound_events", "fields", ("id",), lambda row: _context(row.id)),)
"""The columns of this file that are sealed."""


def sha256(body: bytes) -> bytes:
    """Digest a request as it came: the evidence, while the request itself is not kept."""
    return hashlib.sha256(body).digest()
