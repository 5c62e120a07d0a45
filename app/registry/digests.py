"""Digests: what a copy of the suppressions is compared with, which tells of nobody."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Scope


@dataclass(frozen=True, slots=True)
class Digest:
    """How many states, and the XOR of SHA-256(``position:version``) over them, as a number."""

    count: int = 0
    xor: int = 0

    def __add__(self, other: "Digest") -> "Digest":
        """Join what was found in two places."""
        return Digest(self.count + other.count, self.xor ^ other.xor)

    @property
    def hex(self) -> str:
        """Write the XOR as the wire does."""
        return f"{self.xor:064x}"


NOTHING = Digest()


@dataclass(frozen=True, slots=True)
class PartDigest:
    """The digests of one part: of what can be told, and of what was erased and cannot any more."""

    told: Digest = NOTHING
    erased: Digest = NOTHING

    def __add__(self, other: "PartDigest") -> "PartDigest":
        """Join what was found in two places."""
        return PartDigest(self.told + other.told, self.erased + other.erased)


_HASH = """
CAST('x' || encode(sha256(convert_to(s.position || ':' || s.version, 'UTF8')), 'hex') AS bit(256))
"""
_ALL = text(f"""
SELECT width_bucket(s.position, CAST(:starts AS int8[])) - 1 AS part,
       count(*) AS told, bit_xor({_HASH}) AS told_xor, 0 AS erased, NULL AS erased_xor
FROM suppressions s WHERE s.position BETWEEN :first AND :last GROUP BY part
""")  # noqa: S608 - of parts that stand here
_CONCERNED = text(f"""
SELECT width_bucket(s.position, CAST(:starts AS int8[])) - 1 AS part,
       count(*) FILTER (WHERE s.can_be_told) AS told,
       bit_xor(s.hash) FILTER (WHERE s.can_be_told) AS told_xor,
       count(*) FILTER (WHERE NOT s.can_be_told) AS erased,
       bit_xor(s.hash) FILTER (WHERE NOT s.can_be_told) AS erased_xor
FROM (
    SELECT s.position, {_HASH} AS hash, p.sealed IS NOT NULL AS can_be_told
    FROM suppressions s JOIN contact_points p ON p.id = s.point
    WHERE s.position BETWEEN :first AND :last
      AND s.media & :media <> 0 AND (1 << p.kind) & :kinds <> 0
      AND (CAST(:brands AS int2[]) IS NULL OR s.brand = 0 OR s.brand = ANY(:brands))
) s GROUP BY part
""")  # noqa: S608 - of parts that stand here


async def digest_states(
    session: AsyncSession, starts: Sequence[int], *, first: int, last: int, scope: Scope | None
) -> dict[int, PartDigest]:
    """Digest the suppressions whose last entries lie from ``first`` to ``last``, part by part.

    ``starts`` are the first positions of the parts, ascending; parts where nothing lies are left
    out. With a scope only what is suppressed for it counts, and what was erased counts apart;
    without one everything counts, that of which nothing is suppressed any more too. A million
    positions take one second, with a scope three.
    """
    bounds = {"starts": list(starts), "first": first, "last": last}
    if scope is None:
        rows = await session.execute(_ALL, bounds)
    else:
        concerned = {
            "media": int(scope.media),
            "kinds": scope.kind_bits,
            "brands": None if scope.brands is None else list(scope.brands),
        }
        rows = await session.execute(_CONCERNED, bounds | concerned)
    return {
        part: PartDigest(_digest(told, told_xor), _digest(erased, erased_xor))
        for part, told, told_xor, erased, erased_xor in rows
    }


def _digest(count: int, xor: asyncpg.BitString | None) -> Digest:
    return Digest(count, 0 if xor is None else xor.to_int())
