"""What the registry's digests say (``GET /v1/journal/digest``), and the same over rows."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sum:
    """A count of states, and the XOR of SHA-256(``position:version``) over them."""

    count: int = 0
    xor: int = 0

    def __add__(self, other: "Sum") -> "Sum":
        """Sum up both."""
        return Sum(self.count + other.count, self.xor ^ other.xor)


def sum_of(position: int, version: int) -> Sum:
    """Sum up a single state."""
    hashed = hashlib.sha256(b"%d:%d" % (position, version)).digest()
    return Sum(1, int.from_bytes(hashed))


@dataclass(frozen=True, slots=True)
class Part:
    """A range of positions, both bounds included, and what the registry lists in it.

    ``erased``: what it blocks and can tell no more. A list that is older than that holds them.
    """

    first: int
    last: int
    told: Sum
    erased: Sum

    def is_whole(self, held: Sum) -> bool:
        """Tell whether a list that holds this lacks nothing that it can be told."""
        return held in (self.told, self.told + self.erased)


@dataclass(frozen=True, slots=True)
class Survey:
    """The digests of a range; ``cursor`` leads to its entries, ``head`` is as new as they are."""

    head: int
    cursor: str
    parts: Sequence[Part]


def read_survey(answer: Mapping[str, Any]) -> Survey:
    """Read what the registry answered.

    Raises:
        KeyError, TypeError, ValueError: it is no survey.
    """
    parts = [
        Part(part["from"], part["to"], _sum(part), _sum(part["erased"])) for part in answer["parts"]
    ]
    return Survey(answer["head"], answer["cursor"], parts)


def _sum(told: Mapping[str, Any]) -> Sum:
    return Sum(told["count"], int(told["digest"], 16))
