"""Writing entries, and reading them in order."""

import hashlib
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.arrays import alike, unnested
from app.platform.ids import new_id

from .words import MEDIA_SETS, Change, Kind, Lane, Media, Reason

EVERY_BRAND = 0
"""The brand number that stands for every brand."""

_FIELDS = struct.Struct(">16shhhqhihhhqq")


class Draft(NamedTuple):
    """An entry before it has a position; a tuple, for a file makes a million of them.

    ``point`` is the contact point's number; ``digest`` its keyed digest at this moment, to which
    the chain commits. ``media`` is the state after the change, ``before`` the media that stood
    before it (for an erasure: all that were ever told).
    """

    change: Change
    lane: Lane
    kind: Kind
    point: int
    digest: bytes
    brand: int
    media: Media
    before: Media
    version: int
    reason: Reason
    occurred_at: datetime
    recorded_at: datetime

    @property
    def touches(self) -> Media:
        """Tell which media decide whom the entry concerns."""
        return MEDIA_SETS[int(self.media) | int(self.before)]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it stands in the journal."""

    position: int
    id: UUID
    change: Change
    lane: Lane
    kind: Kind
    point: int
    brand: int
    media: Media
    touches: Media
    version: int
    reason: Reason
    occurred_at: datetime
    recorded_at: datetime
    commitment: bytes
    hash: bytes


def commit_to(digest: bytes) -> bytes:
    """Commit to a contact point without telling its digest (16 bytes)."""
    return hashlib.sha256(b"optout journal commitment\0" + digest).digest()[:16]


@lru_cache(maxsize=4_096)
def _microseconds(instant: datetime) -> int:
    # Integers, since a float of seconds rounds differently from PostgreSQL's microseconds.
    seconds = int(instant.replace(microsecond=0).timestamp())
    return seconds * 1_000_000 + instant.microsecond


def content_of(entry: Entry | Draft | Row[Any], entry_id: UUID, commitment: bytes) -> bytes:
    """Digest everything that an entry says (SHA-256), apart from its place in the chain."""
    return hashlib.sha256(
        _FIELDS.pack(
            entry_id.bytes,
            entry.change,
            entry.lane,
            entry.kind,
            entry.point,
            entry.brand,
            entry.version,
            entry.media,
            entry.touches,
            entry.reason,
            _microseconds(entry.occurred_at),
            _microseconds(entry.recorded_at),
        )
        + commitment
    ).digest()


def chain(previous: bytes, content: bytes) -> bytes:
    """Hash an entry onto the one before it."""
    return hashlib.sha256(previous + content).digest()


# The head row is locked by the first step, read as it then is, and moved by the last: numbers
# are dense, in commit order, and given back by a rollback. The caller's own steps ({then}) run
# inside, so that no round trip lies between taking the lock and the commit. The chain cuts each
# content out of one string, since joining them made a thousand entries cost a million steps.
_APPEND = """
WITH RECURSIVE head AS MATERIALIZED (
    SELECT position, hash FROM journal_head WHERE number = 1 FOR UPDATE
), given AS MATERIALIZED (
    SELECT * FROM {given} AS g
), chain AS (
    SELECT CAST(0 AS bigint) AS n, head.position, head.hash FROM head
    UNION ALL
    SELECT n + 1, position + 1,
           sha256(hash || substring(CAST(:contents AS bytea) FROM CAST(n * 32 + 1 AS int) FOR 32))
    FROM chain WHERE n < CAST(:count AS bigint)
), written AS (
    INSERT INTO journal_entries (position, id, change, lane, kind, point, brand, media, touches,
                                 version, reason, occurred_at, recorded_at, commitment, hash)
    SELECT chain.position, id, change, lane, kind, point, brand, media, touches,
           version, reason, occurred_at, recorded_at, commitment, chain.hash
    FROM given JOIN chain USING (n)
    RETURNING position, point, brand, version, media
), moved AS (
    UPDATE journal_head h SET position = c.position, hash = c.hash
    FROM (SELECT position, hash FROM chain ORDER BY n DESC LIMIT 1) c WHERE h.number = 1
){then}
SELECT position, point, brand FROM written ORDER BY position
"""


_GIVEN = unnested(
    {"id": "uuid", "point": "int8", "commitment": "bytea"},
    {
        "change": "int2",
        "lane": "int2",
        "kind": "int2",
        "brand": "int2",
        "media": "int2",
        "touches": "int2",
        "version": "int4",
        "reason": "int2",
        "occurred_at": "timestamptz",
        "recorded_at": "timestamptz",
    },
    of="given_",
)


async def append(
    session: AsyncSession,
    drafts: Sequence[Draft],
    *,
    then: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> dict[tuple[int, int], int]:
    """Write entries; must be the last statement of its transaction, for it locks the head.

    ``then`` holds further steps of the same statement (``, name AS (...)``), which may read
    ``written (position, point, brand, version, media)``: rows that hold a position are written
    there, so that no round trip is made while everybody waits for the head.

    Returns:
        The position of each entry by contact point and brand.
    """
    ids = [new_id() for _ in drafts]
    commitments = [commit_to(draft.digest) for draft in drafts]
    rows = await session.execute(
        _appending(then),
        {
            "given_id": ids,
            "given_change": alike([draft.change for draft in drafts]),
            "given_lane": alike([draft.lane for draft in drafts]),
            "given_kind": alike([draft.kind for draft in drafts]),
            "given_point": [draft.point for draft in drafts],
            "given_brand": alike([draft.brand for draft in drafts]),
            "given_media": alike([int(draft.media) for draft in drafts]),
            "given_touches": alike([int(draft.touches) for draft in drafts]),
            "given_version": alike([draft.version for draft in drafts]),
            "given_reason": alike([draft.reason for draft in drafts]),
            "given_occurred_at": alike([draft.occurred_at for draft in drafts]),
            "given_recorded_at": alike([draft.recorded_at for draft in drafts]),
            "given_commitment": commitments,
            "contents": b"".join(map(content_of, drafts, ids, commitments)),
            "count": len(drafts),
            **(parameters or {}),
        },
    )
    return {(point, brand): position for position, point, brand in rows}


@cache
def _appending(then: str) -> TextClause:
    # Once for each caller: parsing forty parameters took as long as sending them.
    return text(_APPEND.replace("{given}", _GIVEN).replace("{then}", then))


_COLUMNS = """
SELECT position, id, change, lane, kind, point, brand, media, touches, version, reason,
       occurred_at, recorded_at, commitment, hash
FROM journal_entries
"""
_READ_ALL = text(f"{_COLUMNS} WHERE position > :after ORDER BY position LIMIT :most")
_READ_AT = text(f"{_COLUMNS} WHERE position = ANY(:positions) ORDER BY position")
# "+ 0", or the planner reads backwards through everybody's entries to find the latest of a few.
_UNDOING = text(f"""{_COLUMNS}
WHERE change <> 1 AND point = ANY(:points)
  AND (point, brand) IN (SELECT * FROM unnest(CAST(:points AS int8[]), CAST(:brands AS int2[])))
  AND position > :after
ORDER BY (position + 0) DESC LIMIT :most""")  # noqa: S608 - built in is a constant
_CONCERNING = """
  AND touches & :media <> 0 AND (1 << kind) & :kinds <> 0
  AND (CAST(:brands AS int2[]) IS NULL OR brand = 0 OR brand = ANY(:brands))
"""
# Arrays in one row: a backlog makes a million entries of them, and who reads them by place wants
# three columns of fifteen.
_WINDOW = """
SELECT coalesce(array_agg(position ORDER BY position), '{}') AS positions,
       coalesce(array_agg(id ORDER BY position), '{}') AS ids,
       (array_agg(recorded_at ORDER BY position))[1] AS oldest
FROM (SELECT position, id, recorded_at FROM journal_entries
"""
_FIND = text(f"""
{_WINDOW} WHERE position > :after AND position <= :upto {_CONCERNING}
ORDER BY position LIMIT :most) found
""")
# Written as the index over live entries is: no parameter for the lane, position + 0.
_FIND_LIVE = text(f"""
{_WINDOW} WHERE lane = 1 AND position + 0 > :after AND position + 0 <= :upto {_CONCERNING}
ORDER BY position + 0 LIMIT :most) found
""")
_LIVE_SPAN = text("""
SELECT max(position) AS last, count(*) AS found FROM (
    SELECT position FROM journal_entries
    WHERE lane = 1 AND position + 0 > :after AND position + 0 <= :head
    ORDER BY position + 0 LIMIT :span
) live
""")


@dataclass(frozen=True, slots=True)
class Scope:
    """What concerns a follower; ``brands`` as numbers, None for all."""

    kinds: frozenset[Kind]
    media: Media
    brands: tuple[int, ...] | None

    @property
    def kind_bits(self) -> int:
        """The kinds as the bits that rows hold."""
        return sum(1 << kind for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Window:
    """What was found between two positions; ``upto`` is as far as was looked.

    ``ids`` are those of the entries at ``positions``; ``oldest``: when the first was recorded.
    """

    positions: list[int]
    ids: list[UUID]
    oldest: datetime | None
    upto: int


async def find_window(
    session: AsyncSession,
    scope: Scope,
    *,
    after: int,
    head: int,
    most: int,
    live: bool = False,
    span: int = 20_000,
) -> Window:
    """Find at most ``most`` entries that concern a scope, looking at no more than ``span`` rows.

    ``head`` must have been read before, in the same transaction or an earlier one: all that it
    counts is visible since. ``live``: the live ones alone; bulk ones between them cost nothing.
    """
    upto = min(head, after + span)
    if live:
        upto = await _live_span(session, after, head, span)
    rows = await session.execute(
        _FIND_LIVE if live else _FIND,
        {
            "after": after,
            "upto": upto,
            "media": int(scope.media),
            "kinds": scope.kind_bits,
            "brands": None if scope.brands is None else list(scope.brands),
            "most": most,
        },
    )
    found = rows.one()
    if len(found.positions) == most:
        upto = found.positions[-1]
    return Window(found.positions, found.ids, found.oldest, max(after, upto))


async def _live_span(session: AsyncSession, after: int, head: int, span: int) -> int:
    """Tell how far the next live entries reach; to the head, if they are fewer than ``span``."""
    found = (await session.execute(_LIVE_SPAN, {"after": after, "head": head, "span": span})).one()
    return int(found.last) if found.found == span else head


async def read_entries(session: AsyncSession, positions: Collection[int]) -> list[Entry]:
    """Read the entries at some positions, in the order of the journal."""
    rows = await session.execute(_READ_AT, {"positions": list(positions)})
    return [_entry(row) for row in rows]


async def read_undoing(
    session: AsyncSession, about: Collection[tuple[int, int]], *, after: int, most: int
) -> list[Entry]:
    """Read the latest entries that lifted or erased something, the latest first.

    ``about`` are contact points with a brand each.
    """
    pairs = sorted(about)
    rows = await session.execute(
        _UNDOING,
        {
            "points": [point for point, _ in pairs],
            "brands": [brand for _, brand in pairs],
            "after": after,
            "most": most,
        },
    )
    return [_entry(row) for row in rows]


async def read_rows(session: AsyncSession, *, after: int, most: int) -> Sequence[Row[Any]]:
    """Read the next rows as they stand, even where no entry can be made of one."""
    return (await session.execute(_READ_ALL, {"after": after, "most": most})).all()


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.position,
        row.id,
        Change(row.change),
        Lane(row.lane),
        Kind(row.kind),
        row.point,
        row.brand,
        MEDIA_SETS[row.media],
        MEDIA_SETS[row.touches],
        row.version,
        Reason(row.reason),
        row.occurred_at,
        row.recorded_at,
        row.commitment,
        row.hash,
    )


async def concerned_at(session: AsyncSession, position: int) -> tuple[int, int] | None:
    """Tell which contact point and brand the entry at a position is about; None: there is none."""
    row = (
        await session.execute(
            text("SELECT point, brand FROM journal_entries WHERE position = :position"),
            {"position": position},
        )
    ).one_or_none()
    return None if row is None else (row.point, row.brand)


async def recorded_at(session: AsyncSession, positions: Collection[int]) -> dict[int, datetime]:
    """Tell when the entries at some positions were recorded."""
    rows = await session.execute(
        text("SELECT position, recorded_at FROM journal_entries WHERE position = ANY(:positions)"),
        {"positions": list(positions)},
    )
    return {row.position: row.recorded_at for row in rows}
