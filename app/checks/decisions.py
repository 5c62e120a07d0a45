"""Deciding: what stands about a contact point, made into an answer with its reasons.

The decision is a model that grows: ``defer`` and ``review``, legal bases and obligations come with
the law, which is asked only where no ground stands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.journal import EVERY_BRAND

from .lookups import Hit

Decision = Literal["allow", "block"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer about the contact points of one person.

    ``hits`` are the reasons to block, the oldest first; ``decided_by`` is the number of the
    contact point that decided, counted from 0.
    """

    decision: Decision
    hits: Sequence[Hit]
    decided_by: int


def decide(points: Sequence[Iterable[Hit]], *, brand: int | None) -> Verdict:
    """Decide by what stands about each contact point of one person.

    With a brand, its own suppressions and those for every brand count; without one, any does.
    The first contact point that is blocked decides; if none is, the first one does.
    """
    for number, hits in enumerate(points):
        counting = {hit for hit in hits if brand is None or hit.brand in (EVERY_BRAND, brand)}
        if counting:
            oldest_first = sorted(counting, key=lambda hit: (hit.since, hit.brand))
            return Verdict("block", oldest_first, number)
    return Verdict("allow", (), 0)
