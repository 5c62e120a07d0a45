"""Looking contact points up: many checks at once in one query, none older than its question.

A check takes no session and writes nothing. Those that arrive while a query is under way are
asked together in the next, so that each sees every opt-out committed before it began.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.identifiers import PHONE_TABLES
from app.journal import Media, Reason
from app.platform.db import Database
from app.platform.merged import Merged

from .line import Line


@dataclass(frozen=True, slots=True)
class Hit:
    """That a medium is suppressed for a brand (0: every brand), by its oldest standing ground."""

    brand: int
    since: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Covered:
    """Which brands have a coverage of their own, by their numbers: 'law', or not."""

    lawful: frozenset[int]
    unlawful: frozenset[int]

    def asks_the_law(self, brand: int | None, *, otherwise: bool) -> bool:
        """Tell whether the law is asked for a brand; ``otherwise`` is what the setting says."""
        if brand in self.lawful:
            return True
        return otherwise and brand not in self.unlawful


NONE_COVERED = Covered(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Found:
    """What stands about one digest and medium, as of a journal position.

    ``is_known``: the contact point is in the registry, so that something may be on record.
    """

    position: int
    hits: tuple[Hit, ...]
    covered: Covered
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Blocked:
    """Who of many is blocked, as of one journal position: since when, by digest."""

    position: int
    since: Mapping[bytes, datetime]
    covered: Covered = NONE_COVERED


@dataclass(frozen=True, slots=True)
class Changed:
    """Who was changed by entries up to ``upto``, as of ``position``: blocked since, or allowed."""

    position: int
    upto: int
    since: Mapping[bytes, datetime | None]


Question = tuple[bytes, Media]
"""A contact point's digest, and one medium."""

# One statement, so one snapshot: the position, the hits and the keys in use belong together.
# ``covered``: the brands with a coverage of their own, by its negative where it is not the law.
# A suppression without a ground would be a fault; it blocks all the same, as of its own ``since``.
_LOOK_UP = """
SELECT h.position, k.numbers, t.version AS tables, b.covered,
       hit.n, hit.brand, hit.since, hit.reason
FROM journal_head h
CROSS JOIN phone_tables t
CROSS JOIN (SELECT array_agg(number) AS numbers FROM key_check WHERE purpose = 'digest') k
CROSS JOIN (
    SELECT array_agg(CASE coverage WHEN 'law' THEN id ELSE -id END) AS covered FROM brands
    WHERE coverage IS NOT NULL
) b
LEFT JOIN (
    SELECT q.n, s.brand, coalesce(g.occurred_at, s.since) AS since, g.reason
    FROM unnest($1::bytea[], $2::int2[]) WITH ORDINALITY AS q (digest, medium, n)
    JOIN contact_points p ON p.digest = q.digest
    LEFT JOIN suppressions s ON s.point = p.id AND s.media & q.medium <> 0
    LEFT JOIN LATERAL (
        SELECT g.occurred_at, g.reason FROM grounds g
        WHERE g.point = p.id AND g.brand = s.brand AND g.voided_at IS NULL
          AND g.media & ~g.lifted & q.medium <> 0
        ORDER BY g.occurred_at LIMIT 1
    ) g ON true
) hit ON true
WHERE h.number = 1
"""

# The same for many, told in two arrays: a row for each would be made of Python objects one by one.
# What one entry told of rests on one ground, whose time the suppression holds.
_LOOK_UP_MANY = """
SELECT h.position, k.numbers, t.version AS tables, b.covered, found.digests, found.sinces
FROM journal_head h
CROSS JOIN phone_tables t
CROSS JOIN (SELECT array_agg(number) AS numbers FROM key_check WHERE purpose = 'digest') k
CROSS JOIN (
    SELECT array_agg(CASE coverage WHEN 'law' THEN id ELSE -id END) AS covered FROM brands
    WHERE coverage IS NOT NULL
) b
CROSS JOIN (
    SELECT array_agg(p.digest) AS digests,
           array_agg(CASE WHEN s.version = 1 THEN s.since ELSE coalesce((
               SELECT min(g.occurred_at) FROM grounds g
               WHERE g.point = p.id AND g.brand = s.brand AND g.voided_at IS NULL
                 AND g.media & ~g.lifted & $2 <> 0
           ), s.since) END) AS sinces
    FROM contact_points p
    JOIN suppressions s ON s.point = p.id AND s.media & $2::int2 <> 0
                       AND ($3::int2 IS NULL OR s.brand IN (0, $3))
    WHERE p.digest = ANY($1::bytea[])
) found
WHERE h.number = 1
"""

# Of all who were changed after a position, as of now. ``$4`` bounds the entries looked at.
_LOOK_UP_CHANGED = """
SELECT h.position, k.numbers, t.version AS tables, least(h.position, $3::int8 + $4::int8) AS upto,
       found.digests, found.sinces
FROM journal_head h
CROSS JOIN phone_tables t
CROSS JOIN (SELECT array_agg(number) AS numbers FROM key_check WHERE purpose = 'digest') k
CROSS JOIN (
    SELECT array_agg(p.digest) AS digests, array_agg(coalesce(g.occurred_at, s.since)) AS sinces
    FROM (
        SELECT DISTINCT point FROM journal_entries
        WHERE position > $3 AND position <= $3 + $4 AND touches & $1::int2 <> 0
          AND ($2::int2 IS NULL OR brand IN (0, $2))
    ) changed
    JOIN contact_points p ON p.id = changed.point
    LEFT JOIN suppressions s ON s.point = p.id AND s.media & $1 <> 0
                            AND ($2 IS NULL OR s.brand IN (0, $2))
    LEFT JOIN LATERAL (
        SELECT g.occurred_at FROM grounds g
        WHERE g.point = p.id AND g.brand = s.brand AND g.voided_at IS NULL
          AND g.media & ~g.lifted & $1 <> 0
        ORDER BY g.occurred_at LIMIT 1
    ) g ON true
) found
WHERE h.number = 1
"""


class LookUps:
    """The look-ups of one process: single checks on one connection, batches on another."""

    def __init__(
        self, database: Database, key_numbers: Collection[int], *, tables: str = PHONE_TABLES
    ) -> None:
        """Take the database, and the digest keys and phone tables that this process has.

        Nothing connects yet.
        """
        self._singles = Line(database, "checks", key_numbers, tables)
        self._batches = Line(database, "batches", key_numbers, tables)
        self._merged: Merged[Question, Found] = Merged(self._look_up)
        self._one_batch = asyncio.Lock()

    async def one(self, questions: Sequence[Question]) -> list[Found]:
        """Look up the few digests of one check.

        Raises:
            Unavailable: PostgreSQL does not answer, or this process lacks a digest key.
        """
        waiting = [self._merged.ask(question) for question in questions]
        found = [await answer for answer in waiting]
        return [one for one in found if one is not None]

    async def _look_up(self, questions: Sequence[Question]) -> Mapping[Question, Found]:
        rows = await self._singles.ask(
            _LOOK_UP,
            [digest for digest, _ in questions],
            [int(medium) for _, medium in questions],
        )
        hits: dict[int, list[Hit]] = {}
        known = {row["n"] for row in rows}
        for row in rows:
            if row["brand"] is not None:
                reason = Reason.OBJECTION if row["reason"] is None else Reason(row["reason"])
                hits.setdefault(row["n"], []).append(Hit(row["brand"], row["since"], reason))
        position, covered = rows[0]["position"], _covered(rows[0]["covered"])
        return {
            question: Found(position, tuple(hits.get(number, ())), covered, number in known)
            for number, question in enumerate(questions, start=1)
        }

    async def many(
        self, digests: Collection[bytes], *, medium: Media, brand: int | None
    ) -> Blocked:
        """Look up many digests, some 100,000 at most, without holding up single checks.

        With a brand, what is suppressed for it or for every brand blocks; without one, anything.

        Raises:
            Unavailable: as ``one``.
        """
        async with self._one_batch:
            (row,) = await self._batches.ask(_LOOK_UP_MANY, digests, int(medium), brand)
        since: dict[bytes, datetime] = {}
        for digest, at in zip(row["digests"] or (), row["sinces"] or (), strict=True):
            since[digest] = min(at, since.get(digest, at))
        return Blocked(row["position"], since, _covered(row["covered"]))

    async def changed(self, *, after: int, medium: Media, brand: int | None, span: int) -> Changed:
        """Look up whoever was changed after a position, as of now; ``many`` says who is blocked.

        Looks at no more than ``span`` entries of the journal.

        Raises:
            Unavailable: as ``one``.
        """
        async with self._one_batch:
            (row,) = await self._batches.ask(_LOOK_UP_CHANGED, int(medium), brand, after, span)
        since: dict[bytes, datetime | None] = {}
        for digest, at in zip(row["digests"] or (), row["sinces"] or (), strict=True):
            before = since.get(digest)
            since[digest] = before if at is None else min(at, before or at)
        return Changed(row["position"], row["upto"], since)

    async def stop(self) -> None:
        """Close both connections."""
        await self._merged.settled()
        self._singles.close()
        self._batches.close()


def _covered(numbers: Sequence[int] | None) -> Covered:
    if not numbers:
        return NONE_COVERED
    return Covered(
        frozenset(one for one in numbers if one > 0),
        frozenset(-one for one in numbers if one < 0),
    )
