"""Who stands in a file twice, however written: found by digest, in bounded memory.

A byte for each place that a digest can point to tells at once of most rows that nobody stood there
before. The few of whom it does not are compared with one another.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator

from .answers import ALLOW, BLOCK, DECISION, DUPLICATE, NO_DIGEST, Answers, Block

_LEAST_BITS, _MOST_BITS = 16, 26


async def mark_duplicates(
    answers: Answers, blocks: int, rows: int
) -> AsyncIterator[tuple[int, Block]]:
    """Mark every row whose contact point stood in an earlier one; give the blocks that changed.

    Whoever takes a block puts it back before asking for the next. Memory: a byte for each of some
    32 places a row, within 64 MiB, and what is kept of those who may stand there twice.
    """
    suspects = await _suspects(answers, blocks, rows)
    seen: set[bytes] = set()
    for number in range(blocks) if suspects else ():
        block = await answers.read(number)
        if await asyncio.to_thread(_mark, block, suspects, seen):
            yield number, block


async def _suspects(answers: Answers, blocks: int, rows: int) -> set[int]:
    """Find the digests, by their first eight bytes, that may stand there twice."""
    bits = max(_LEAST_BITS, min(_MOST_BITS, (16 * rows).bit_length()))
    places = bytearray(1 << bits)
    suspects: set[int] = set()
    for number in range(blocks):
        block = await answers.read(number)
        await asyncio.to_thread(_suspect, block, places, 32 - bits, suspects)
    return suspects


def _suspect(block: Block, places: bytearray, shift: int, suspects: set[int]) -> None:
    beginnings = array("I", block.digests[0])[::4]
    for row, place in enumerate([beginning >> shift for beginning in beginnings]):
        if places[place]:
            suspects.add(block.prefix(row))
        else:
            places[place] = 1


def _mark(block: Block, suspects: set[int], seen: set[bytes]) -> bool:
    prefixes = block.prefixes()
    if suspects.isdisjoint(prefixes):
        return False
    found = False
    for row in [row for row, prefix in enumerate(prefixes) if prefix in suspects]:
        digest = block.digest(row, 0)
        if digest == NO_DIGEST or block.codes[row] & DECISION not in (ALLOW, BLOCK):
            continue
        if digest in seen and not block.codes[row] & DUPLICATE:
            block.codes[row] |= DUPLICATE
            found = True
        seen.add(digest)
    return found
