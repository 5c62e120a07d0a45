"""Checking many people at once, without holding up those who ask about one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Literal, NamedTuple

from app.identifiers import DigestKeys, normalise_many
from app.journal import Kind, Media

from .decisions import Decision
from .lookups import NONE_COVERED, Covered, LookUps

_AT_ONCE = 250
"""Lines that are read before others have their turn: 10 ms if all of them are written oddly."""

Code = Literal["opted_out", "unusable"]


class Line(NamedTuple):
    """The answer about one of many; ``since`` is when the oldest standing ground occurred.

    A tuple, for a scrub makes a million of them.
    """

    decision: Decision
    code: Code | None
    since: datetime | None


ALLOW = Line("allow", None, None)
UNUSABLE = Line("block", "unusable", None)


@dataclass(frozen=True, slots=True)
class Decided:
    """The answers about many, in the order of the question, as of one journal position."""

    position: int
    lines: list[Line]
    covered: Covered = NONE_COVERED


async def decide_many(
    look_ups: LookUps,
    digests: Sequence[Sequence[bytes | None]],
    *,
    medium: Media,
    brand: int | None,
) -> Decided:
    """Decide about many contact points, best 10,000 to 100,000 at a time.

    ``digests`` are those of ``DigestKeys.digest_many``: a list for each live key, with None for
    what cannot be understood, which is answered ``UNUSABLE``. ``brand`` is a brand's number; with
    one, its own suppressions and those for every brand count, without one any does. Nothing here
    counts towards a quota.

    Raises:
        Unavailable: PostgreSQL does not answer, or this process lacks a digest key.
    """
    wanted = {one for under_key in digests for one in under_key if one is not None}
    found = await look_ups.many(wanted, medium=medium, brand=brand)
    blocked = {digest: Line("block", "opted_out", since) for digest, since in found.since.items()}
    current, *others = digests
    lines = [UNUSABLE if digest is None else blocked.get(digest, ALLOW) for digest in current]
    for under_key in others:
        for place, digest in enumerate(under_key):
            if digest in blocked and lines[place] is ALLOW:
                lines[place] = blocked[digest]
    return Decided(found.position, lines, found.covered)


async def digest_lines(
    keys: DigestKeys,
    lines: Sequence[tuple[Kind, str]],
    *,
    region: str,
    normals: list[tuple[Kind, str | None]] | None = None,
) -> list[list[bytes | None]]:
    """Read contact points of any kinds, in turns with everybody else: as ``decide_many`` takes.

    Their normal forms are added to ``normals``, for whoever needs them for as long as an answer
    takes.
    """
    digests: list[list[bytes | None]] = [[] for _ in keys.numbers]
    for first in range(0, len(lines), _AT_ONCE):
        some = lines[first : first + _AT_ONCE]
        # Most files hold one kind of contact point, and most others a few in a row.
        for kind, of_kind in groupby(some, key=itemgetter(0)):
            values = [value for _, value in of_kind]
            forms = normalise_many(kind, values, region=region)
            found = keys.digest_many(kind, forms)
            if normals is not None:
                normals += [(kind, form) for form in forms]
            for under_key, more in zip(digests, found, strict=True):
                under_key.extend(more)
        await asyncio.sleep(0)
    return digests
