"""Who stands in a file twice, however written: found by digest, in bounded memory.

The first four bytes of the digests, sorted, tell of nearly every row that nobody else is like it.
The few of whom they do not are compared with one another.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .answers import ALLOW, BLOCK, DECISION, DUPLICATE, Answers, Block

_AT_ONCE = 4_194_304
"""Rows whose beginnings are sorted together, in 32 MiB while that is done."""
_PLACES = 1 << 22
_SHIFT = np.uint32(10)
"""Whoever begins like one that stands there twice is looked at too: four million places suffice."""


async def mark_duplicates(
    answers: Answers, blocks: int, rows: int
) -> AsyncIterator[dict[int, Block]]:
    """Mark every row whose contact point stood in an earlier one; give the blocks that changed.

    They come as of ``Answers.changed``. A file of more than four million rows is looked through
    again for each four million.
    """
    parts = -(-rows // _AT_ONCE)
    for part in range(parts):
        suspects = await _suspects(answers, blocks, part, parts)
        if suspects.any():
            seen: set[bytes] = set()
            async for marked in answers.changed(blocks, partial(_is_marked, suspects, seen)):
                yield marked


async def _is_marked(suspects: NDArray[np.bool_], seen: set[bytes], block: Block) -> bool:
    return await asyncio.to_thread(_mark, block, suspects, seen)


async def _suspects(answers: Answers, blocks: int, part: int, parts: int) -> NDArray[np.bool_]:
    """Find the beginnings of digests in a part of them all that stand there twice, by place."""
    taken = [
        await asyncio.to_thread(_beginnings, await answers.read(number), part, parts)
        for number in range(blocks)
    ]
    return await asyncio.to_thread(_twice, taken)


def _beginnings(block: Block, part: int, parts: int) -> NDArray[np.uint32]:
    beginnings = _all_beginnings(block)
    # A copy: what is kept must not hold on to the whole digests.
    taken: NDArray[np.uint32] = beginnings[beginnings % np.uint32(parts) == part]
    return taken


def _all_beginnings(block: Block) -> NDArray[np.uint32]:
    return np.frombuffer(block.digests[0], np.uint32)[::4]


def _twice(taken: list[NDArray[np.uint32]]) -> NDArray[np.bool_]:
    beginnings = np.concatenate(taken)
    beginnings.sort()
    places = np.zeros(_PLACES, np.bool_)
    places[beginnings[1:][beginnings[1:] == beginnings[:-1]] >> _SHIFT] = True
    return places


def _mark(block: Block, suspects: NDArray[np.bool_], seen: set[bytes]) -> bool:
    suspected = suspects[_all_beginnings(block) >> _SHIFT]
    suspected &= np.isin(block.codes & DECISION, (ALLOW, BLOCK))
    twice = []
    for row in np.flatnonzero(suspected).tolist():
        digest = block.digest(row, 0)
        if digest in seen:
            twice.append(row)
        seen.add(digest)
    found = not np.all(block.codes[twice] & DUPLICATE)
    block.codes[twice] |= DUPLICATE
    return found
