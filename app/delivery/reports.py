"""Reports: what databases were told in a time, what they did with it, how long people waited."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.journal import Silence, find_period, measure_silence
from app.parties import RegisteredDatabase
from app.platform.db import Database
from app.platform.problems import Problem

_MOST_POSITIONS = 20_000
_MOST_PROOFS = 1_000_000
"""As many positions are counted in one short transaction, or as few as may have so many
acknowledgements: a live entry has one of each database."""
_SECONDS = 30.0
"""How long one report may take, with its wait for another."""
# A report reads what checks read from too, and there are few connections.
_one_at_a_time = asyncio.Semaphore(1)


class RangeTooWide(Problem):
    """More happened between `from` and `to` than one report can count. Ask for shorter times."""

    type = "range-too-wide"
    title = "The times are too far apart"
    status = 422


async def measure(
    pool: Database,
    databases: Sequence[RegisteredDatabase],
    begin: datetime,
    end: datetime,
    *,
    seconds: float = _SECONDS,
) -> Silence:
    """Count what databases were told of the entries recorded from ``begin`` to before ``end``.

    The journal is read in stretches, each in a transaction of its own; in one process one report
    at a time.

    Raises:
        RangeTooWide: it takes too long.
    """
    until = time.monotonic() + seconds
    try:
        async with asyncio.timeout(seconds):
            await _one_at_a_time.acquire()
    except TimeoutError:
        raise RangeTooWide("Other reports are being written; ask again later.") from None
    try:
        return await _measure(pool, [one.id for one in databases], begin, end, until=until)
    finally:
        _one_at_a_time.release()


async def _measure(
    pool: Database, followers: Sequence[int], begin: datetime, end: datetime, *, until: float
) -> Silence:
    async with pool.reading() as session:
        period = await find_period(session, begin, end)
    total = Silence()
    stretch = min(_MOST_POSITIONS, _MOST_PROOFS // max(1, len(followers)))
    for after in range(period.after, period.upto, stretch):
        if time.monotonic() >= until:
            raise RangeTooWide("More happened between `from` and `to` than one report can count.")
        part = replace(period, after=after, upto=min(after + stretch, period.upto))
        async with pool.reading() as session:
            total += await measure_silence(session, part, followers)
    return total
