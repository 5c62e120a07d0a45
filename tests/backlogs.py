"""Backlogs: many entries that a file brought, and receivers that are slow to take them."""

import asyncio

from sqlalchemy import text

from app.points import claim_points
from tests.acts import Registry, phone
from tests.peers import OK
from tests.receivers import Told

BULK = phone(0)
"""Whom all entries of a backlog are about."""

_WRITE = text("""
WITH head AS MATERIALIZED (SELECT position FROM journal_head), written AS (
    INSERT INTO journal_entries (position, point, occurred_at, recorded_at, version, brand, media,
                                 touches, kind, change, lane, reason, id, commitment, hash)
    SELECT position + n, :point, now(), now(), :version + n, 0, 31, 31, 1, 1, 2, 1,
           gen_random_uuid(), decode(repeat('00', 16), 'hex'), decode(repeat('00', 32), 'hex')
    FROM head, generate_series(1, :count) n
)
UPDATE journal_head SET position = position + :count RETURNING position
""")


async def import_in_bulk(registry: Registry, count: int, *, version: int = 0) -> int:
    """Write so many bulk entries past intake, which is slower: the last position.

    They are about one person, have growing versions, and stand outside the chain.
    """
    async with registry.database.transaction() as session:
        points = await claim_points(session, registry.keys, [BULK])
        given = {"point": points[BULK].id, "count": count, "version": version}
        return int((await session.execute(_WRITE, given)).scalar_one())


class Gate:
    """An answer that keeps the main lane waiting until it is opened; the express lane passes."""

    def __init__(self) -> None:
        """Begin closed."""
        self._open = asyncio.Event()

    async def __call__(self, told: Told) -> bytes:
        """Answer 200, on the main lane when the gate is open."""
        if told.lane == "main":
            await self._open.wait()
        return OK

    def open(self) -> None:
        """Let the main lane pass from now on."""
        self._open.set()
