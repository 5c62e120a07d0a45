"""Checking many people at once, without holding up those who ask about one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from app.identifiers import Unusable, normalise
from app.journal import Kind, Media
from app.points import PointKeys

from .decisions import Verdict, decide
from .lookups import LookUps

_AT_ONCE = 200
"""Lines that are read or decided before others have their turn: some 10 ms."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdicts in the order of the lines, None for one that cannot be understood."""

    position: int
    verdicts: Sequence[Verdict | None]


async def check_many(
    look_ups: LookUps,
    keys: PointKeys,
    lines: Sequence[tuple[Kind, str]],
    *,
    medium: Media,
    brand: int | None,
    region: str,
) -> Checked:
    """Decide about many contact points, as of one journal position.

    Raises:
        Unavailable: see ``LookUps.one``.
    """
    digests: list[tuple[bytes, ...]] = []
    for number, (kind, value) in enumerate(lines, start=1):
        digests.append(_digests(keys, kind, value, region))
        await _take_turns(number)
    unique = dict.fromkeys(digest for line in digests for digest in line)
    found = await look_ups.many([(digest, medium) for digest in unique])
    verdicts: list[Verdict | None] = []
    for number, line in enumerate(digests, start=1):
        hits = [hit for digest in line for hit in found.hits.get((digest, medium), ())]
        verdicts.append(decide([hits], brand=brand) if line else None)
        await _take_turns(number)
    return Checked(found.position, verdicts)


def _digests(keys: PointKeys, kind: Kind, value: str, region: str) -> tuple[bytes, ...]:
    try:
        return keys.digests.digests(normalise(kind, value, region=region))
    except Unusable:
        return ()


async def _take_turns(number: int) -> None:
    if number % _AT_ONCE == 0:
        await asyncio.sleep(0)
