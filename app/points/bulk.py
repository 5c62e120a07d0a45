"""Contact points in bulk: prepared before the transaction, claimed in one statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import Kind
from app.platform.arrays import alike, unnested

from .points import Point, PointKeys, bring_current, require_fit


class Prepared(NamedTuple):
    """A contact point digested and sealed under the current keys, before anything is locked."""

    identifier: Identifier
    digest: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """Contact points by their digests; ``known`` were there before, ``erased`` hold no value."""

    points: Mapping[bytes, Point]
    known: frozenset[int]
    erased: frozenset[int]


def prepare_points(keys: PointKeys, identifiers: Iterable[Identifier]) -> list[Prepared]:
    """Digest and seal contact points: what takes the processor's time, and no database."""
    prepared = []
    for identifier in identifiers:
        _, digest = keys.digests.digest(identifier)
        sealed = keys.vault.seal(identifier.value.encode(), context=digest)
        prepared.append(Prepared(identifier, digest, sealed))
    return prepared


_NEW = unnested({"digest": "bytea", "sealed": "bytea"}, {"kind": "int2"}, of="new_")
_MAKE = text(f"""
INSERT INTO contact_points (digest, key_number, kind, sealed)
SELECT digest, :number, kind, sealed FROM {_NEW} AS g ORDER BY digest
ON CONFLICT (digest) DO UPDATE SET kind = excluded.kind WHERE false
RETURNING id, digest
""")  # noqa: S608 - the code's own names
_FIND = text("""
SELECT id, kind, digest, sealed IS NULL AS erased FROM contact_points
WHERE digest = ANY(CAST(:digests AS bytea[]))
""")


async def claim_many(
    session: AsyncSession, keys: PointKeys, prepared: Sequence[Prepared]
) -> Claimed:
    """Find contact points, or make those that are new, and lock them until the commit.

    In the order of their digests, as ``claim_points`` does: so an opt-out about the same people
    waits for a file, and never the two for each other. What was erased stays so; see ``reseal``.

    Raises:
        Unavailable: this process lacks a digest key, and would make a second row of a person.
    """
    by_digest = {one.digest: one for one in prepared}
    await bring_current(session, keys, [one.identifier for one in by_digest.values()])
    ordered = sorted(by_digest)
    rows = await session.execute(
        _MAKE,
        {
            "number": keys.digests.current,
            "new_digest": ordered,
            "new_sealed": [by_digest[digest].sealed for digest in ordered],
            "new_kind": alike([by_digest[digest].identifier.kind for digest in ordered]),
        },
    )
    points = {
        digest: Point(number, by_digest[digest].identifier.kind, digest) for number, digest in rows
    }
    # Those that were there are locked by now, but the statement above does not give them.
    claimed = await find_many(session, [digest for digest in ordered if digest not in points])
    await require_fit(session, keys)
    return Claimed({**points, **claimed.points}, claimed.known, claimed.erased)


async def find_many(session: AsyncSession, digests: Sequence[bytes]) -> Claimed:
    """Find the contact points of some digests of the current key, locking and making none."""
    if not digests:
        return Claimed({}, frozenset(), frozenset())
    rows = (await session.execute(_FIND, {"digests": digests})).all()
    return Claimed(
        {row.digest: Point(row.id, Kind(row.kind), row.digest) for row in rows},
        frozenset(row.id for row in rows),
        frozenset(row.id for row in rows if row.erased),
    )


async def reseal(session: AsyncSession, sealed: Mapping[int, bytes]) -> None:
    """Seal erased contact points anew, whose owners are back: the databases must be told again."""
    await session.execute(
        text("""
            UPDATE contact_points p SET sealed = g.sealed, erased_at = NULL
            FROM unnest(CAST(:ids AS int8[]), CAST(:sealed AS bytea[])) AS g (id, sealed)
            WHERE p.id = g.id AND p.sealed IS NULL
        """),
        {"ids": [*sealed], "sealed": [*sealed.values()]},
    )
