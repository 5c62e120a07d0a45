"""The pulse of the journal: one cheap question that a worker asks many times a second."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_PULSE = text("""
SELECT h.position, f.id, f.fence
FROM journal_head h LEFT JOIN followers f ON f.id = ANY(:held)
WHERE h.number = 1
""")


@dataclass(frozen=True, slots=True)
class Pulse:
    """How long the journal is, and the fences of some followers as they were at that moment.

    A worker that sees an entry sees with it whether it may still tell of it.
    """

    position: int
    fences: Mapping[int, int]


async def read_pulse(session: AsyncSession, held: Collection[int]) -> Pulse:
    """Read the length of the journal and the fences of the followers held."""
    rows = (await session.execute(_PULSE, {"held": list(held)})).all()
    fences = {row.id: row.fence for row in rows if row.id is not None}
    return Pulse(rows[0].position, fences)
