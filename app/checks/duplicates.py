"""Who stands in a file twice, however written: found by digest, in bounded memory."""

import asyncio
from collections.abc import AsyncIterator

from .answers import ALLOW, BLOCK, DECISION, DUPLICATE, Answers, Block

_AT_ONCE = 1_000_000
"""Contact points that are compared in one pass: some 70 MB."""


async def mark_duplicates(
    answers: Answers, blocks: int, rows: int
) -> AsyncIterator[tuple[int, Block]]:
    """Mark every row whose contact point stood in an earlier one; give the blocks that changed.

    More rows than are compared at once take several passes, each over its share of all digests.
    Whoever takes a block puts it back before asking for the next.
    """
    passes = 1 + rows // _AT_ONCE
    for share in range(passes):
        seen: set[int] = set()
        for number in range(blocks):
            block = await answers.read(number)
            if await asyncio.to_thread(_mark, block, seen, share, passes):
                yield number, block


def _mark(block: Block, seen: set[int], share: int, passes: int) -> bool:
    # Eight bytes of the digest are enough: no two of ten million contact points agree in them but
    # with a chance of one in half a million.
    prefixes = block.prefixes()
    fresh = set(prefixes)
    if passes == 1 and len(fresh) == len(prefixes) and seen.isdisjoint(fresh):
        seen |= fresh
        return False
    found = False
    for row, prefix in enumerate(prefixes):
        if prefix % passes != share or block.codes[row] & DECISION not in (ALLOW, BLOCK):
            continue
        if prefix in seen:
            found = found or not block.codes[row] & DUPLICATE
            block.codes[row] |= DUPLICATE
        seen.add(prefix)
    return found
