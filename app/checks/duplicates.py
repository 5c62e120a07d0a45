"""Who stands in a file twice, however written: found by digest, in bounded memory.

The first four bytes of the digests, sorted, tell of nearly every row that nobody else is like it.
The few of whom they do not are compared with one another.
"""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

from .answers import ALLOW, BLOCK, DECISION, DUPLICATE, Answers, Block

_AT_ONCE = 8_388_608
"""Rows whose beginnings are sorted together: 32 MiB, and as much for those found alike."""


async def mark_duplicates(
    answers: Answers, blocks: int, rows: int
) -> AsyncIterator[tuple[int, Block]]:
    """Mark every row whose contact point stood in an earlier one; give the blocks that changed.

    Whoever takes a block puts it back before asking for the next. A file of more than eight
    million rows is looked through again for each eight million.
    """
    parts = -(-rows // _AT_ONCE)
    for part in range(parts):
        suspects = await _suspects(answers, blocks, part, parts)
        seen: set[bytes] = set()
        for number in range(blocks) if len(suspects) else ():
            block = await answers.read(number)
            if await asyncio.to_thread(_mark, block, suspects, seen):
                yield number, block


async def _suspects(answers: Answers, blocks: int, part: int, parts: int) -> NDArray[np.uint32]:
    """Find the beginnings of digests in a part of them all that stand there twice, sorted."""
    taken = [
        await asyncio.to_thread(_beginnings, await answers.read(number), part, parts)
        for number in range(blocks)
    ]
    return await asyncio.to_thread(_twice, taken)


def _beginnings(block: Block, part: int, parts: int) -> NDArray[np.uint32]:
    beginnings = _all_beginnings(block)
    if parts == 1:
        return beginnings
    taken: NDArray[np.uint32] = beginnings[beginnings % np.uint32(parts) == part]
    return taken


def _all_beginnings(block: Block) -> NDArray[np.uint32]:
    return np.frombuffer(block.digests[0], np.uint32)[::4]


def _twice(taken: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    beginnings = np.concatenate(taken)
    beginnings.sort()
    return np.unique(beginnings[1:][beginnings[1:] == beginnings[:-1]])


def _mark(block: Block, suspects: NDArray[np.uint32], seen: set[bytes]) -> bool:
    beginnings = _all_beginnings(block)
    places = np.searchsorted(suspects, beginnings)
    suspected = suspects[np.minimum(places, len(suspects) - 1)] == beginnings
    decided = np.isin(block.codes & DECISION, (ALLOW, BLOCK))
    found = False
    for row in np.flatnonzero(suspected & decided).tolist():
        digest = block.digest(row, 0)
        if digest not in seen:
            seen.add(digest)
        elif not block.codes[row] & DUPLICATE:
            block.codes[row] |= DUPLICATE
            found = True
    return found
