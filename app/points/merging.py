"""Contact points whose normal form changes with the phone tables: finding them, merging them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier, normalise_many
from app.journal import Kind

from .points import Point, PointKeys, claim, unseal

Read = Callable[[Sequence[str]], Sequence[str | None]]
"""Brings normal forms of phones, as they once were, to those of now; None where there is none."""

_CHUNK = 5_000


def read_again(normals: Sequence[str]) -> list[str | None]:
    """Read normal forms of phones by the tables of this process."""
    # They begin with a country code, so the region is not looked at.
    return normalise_many(Kind.PHONE, normals, region="FR")


# What was merged before stands beside what it was merged into: that is whom it means now.
_LOOK = """
SELECT p.id, p.kind, p.digest, p.sealed, coalesce(c.id, p.id) AS meant,
       c.digest AS meant_digest, c.sealed AS meant_sealed
FROM contact_points p
LEFT JOIN merged_points m ON m.point = p.id
LEFT JOIN contact_points c ON c.id = m.into_point
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found up to a contact point's number, which is None at the end.

    ``stale`` are those whose normal form is another by now; ``erased`` hold no value to read, but
    their owners may come back.
    """

    upto: int | None
    stale: Sequence[int]
    erased: Sequence[int]


async def find_stale(
    session: AsyncSession, keys: PointKeys, read: Read, *, after: int, upto: int
) -> Looked:
    """Look at the next phones for those whose normal form is another one by now."""
    rows = (
        await session.execute(
            text(f"""
                {_LOOK} WHERE p.id > :after AND p.id <= :upto AND p.kind = :phone
                ORDER BY p.id LIMIT :chunk
            """),
            {"after": after, "upto": upto, "phone": Kind.PHONE, "chunk": _CHUNK},
        )
    ).all()
    stale = [row.id for row, _ in _changed(keys, read, rows)]
    erased = [row.id for row in rows if row.sealed is None]
    return Looked(rows[-1].id if rows else None, stale, erased)


async def find_merged(
    session: AsyncSession, points: Collection[int]
) -> dict[int, tuple[Point, int]]:
    """Find contact points that were merged into some, and some that were merged: into which."""
    rows = await session.execute(
        text("""
            SELECT p.id, p.kind, p.digest, m.into_point
            FROM merged_points m JOIN contact_points p ON p.id = m.point
            WHERE m.into_point = ANY(:points) OR m.point = ANY(:points)
        """),
        {"points": list(points)},
    )
    return {row.id: (Point(row.id, Kind(row.kind), row.digest), row.into_point) for row in rows}


@dataclass(frozen=True, slots=True)
class Merging:
    """What is to be merged now, each into a contact point, and what is left for the next time."""

    into: Mapping[int, Point]
    left: Sequence[int]


async def merge_stale(
    session: AsyncSession, keys: PointKeys, read: Read, points: Collection[int]
) -> Merging:
    """Find or make what stale contact points are to be merged into.

    All are locked until the commit. What lies on the old ones is the caller's to move; they stay,
    and are recognised as before.
    """
    rows = await session.execute(
        text(f"{_LOOK} WHERE p.id = ANY(:points) ORDER BY p.digest FOR UPDATE OF p"),
        {"points": list(points)},
    )
    changed: dict[int, Identifier] = {}
    left = []
    for row, identifier in _changed(keys, read, rows.all()):
        if changed.setdefault(row.meant, identifier) != identifier:
            left.append(row.id)
    if not changed:
        return Merging({}, left)
    claimed, _, _ = await claim(session, keys, changed.values())
    into = {meant: claimed[identifier] for meant, identifier in changed.items()}
    await _note(session, {meant: point.id for meant, point in into.items()})
    return Merging(into, left)


def _changed(
    keys: PointKeys, read: Read, rows: Sequence[Row[Any]]
) -> list[tuple[Row[Any], Identifier]]:
    """Read sealed values again: the rows whose normal form means another one, and that form."""
    known = [row for row in rows if row.sealed is not None]
    values = [_value(keys, row.kind, row.digest, row.sealed) for row in known]
    changed = []
    for row, value, normal in zip(known, values, read(values), strict=True):
        meant = value
        if row.meant != row.id:
            meant = _value(keys, row.kind, row.meant_digest, row.meant_sealed)
        if normal is not None and normal != meant:
            changed.append((row, Identifier(Kind.PHONE, normal)))
    return changed


def _value(keys: PointKeys, kind: int, digest: bytes, sealed: bytes | None) -> str:
    opened = unseal(keys, kind, digest, sealed)
    return opened.value if opened else ""


async def _note(session: AsyncSession, merged: Mapping[int, int]) -> None:
    """Keep what was merged into which; what was merged before moves along."""
    given = {"points": list(merged), "into": list(merged.values())}
    await session.execute(
        text("DELETE FROM merged_points WHERE point = ANY(:into) OR point = ANY(:points)"), given
    )
    await session.execute(
        text("""
            WITH given AS (
                SELECT * FROM unnest(CAST(:points AS int8[]), CAST(:into AS int8[]))
                    AS g (point, into_point)
            ), moved AS (
                UPDATE merged_points m SET into_point = g.into_point
                FROM given g WHERE m.into_point = g.point
            )
            INSERT INTO merged_points (point, into_point) SELECT point, into_point FROM given
        """),
        given,
    )
