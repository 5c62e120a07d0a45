"""A sieve of everybody whom the registry knows: most rows of a campaign need no look-up at all.

A byte for each place that the beginning of a digest can point to, some 32 times as many as
contact points, within 64 MiB. Nobody who was known when it was made falls through; some strangers
are held back with them, and are looked up in vain.
"""

import asyncio

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from app.platform.db import Database

_PAGE = 1_000_000
_WORTH = 20
"""How many contact points go into a sieve in the time of one look-up."""
_LEAST_BITS, _MOST_BITS = 16, 26


class Sieve:
    """Tells strangers by their digests; ``position`` of the journal is what it has seen."""

    def __init__(self, known: int) -> None:
        """Make one for about so many contact points, empty."""
        bits = max(_LEAST_BITS, min(_MOST_BITS, (16 * known).bit_length()))
        self._shift = 32 - bits
        self._places = np.zeros(1 << bits, np.bool_)

    def add(self, beginnings: bytes) -> None:
        """Hold back whoever's digest begins with four of these bytes."""
        self._places[np.frombuffer(beginnings, np.uint32) >> self._shift] = True

    def hold_back(self, digests: bytes) -> NDArray[np.bool_]:
        """Tell of each of many digests, of 16 bytes each, whether it needs a look-up."""
        held: NDArray[np.bool_] = self._places[
            np.frombuffer(digests, np.uint32)[::4] >> self._shift
        ]
        return held


async def make_sieve(database: Database, *, rows: int) -> Sieve | None:
    """Make a sieve of the present contact points; None where so many rows are not worth one.

    Whoever is made known later is told by the journal: read its head first.
    """
    async with database.reading() as session:
        last = await session.scalar(text("SELECT coalesce(max(id), 0) FROM contact_points")) or 0
    if rows * _WORTH < last:
        return None
    sieve = Sieve(last)
    for first in range(0, last + 1, _PAGE):
        async with database.reading() as session:
            beginnings = await session.scalar(
                text("""
                    SELECT string_agg(substring(digest FROM 1 FOR 4), '') FROM contact_points
                    WHERE id >= :first AND id < :beyond
                """),
                {"first": first, "beyond": first + _PAGE},
            )
        if beginnings:
            await asyncio.to_thread(sieve.add, beginnings)
    return sieve
