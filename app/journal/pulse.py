"""The pulse of the journal: one cheap question that a worker asks many times a second."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.platform.db import RawConnection

# The position of the last live entry is the end of an index over them alone.
_PULSE = """
SELECT h.position, (SELECT max(position + 0) FROM journal_entries WHERE lane = 1) AS live,
       f.id, f.fence, false AS early
FROM journal_head h LEFT JOIN followers f ON f.id = ANY($1::smallint[])
WHERE h.number = 1
UNION ALL
SELECT 0, 0, x.follower, x.fence, true FROM express_lanes x WHERE x.follower = ANY($2::smallint[])
"""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How long the journal is, and the fences of some followers as they were at that moment.

    ``live`` is the position of the last live entry, 0 if there is none; ``early`` are fences of
    express lanes. A worker that sees an entry sees with it whether it may still tell of it.
    """

    position: int
    live: int
    fences: Mapping[int, int]
    early: Mapping[int, int]


async def read_pulse(
    connection: "RawConnection", held: Collection[int], early: Collection[int] = ()
) -> Pulse:
    """Read the length of the journal and the fences of the lanes held."""
    rows = await connection.fetch(_PULSE, list(held), list(early))
    fences = {row["id"]: row["fence"] for row in rows if row["id"] is not None and not row["early"]}
    lanes = {row["id"]: row["fence"] for row in rows if row["early"]}
    first = next(row for row in rows if not row["early"])
    return Pulse(first["position"], first["live"] or 0, fences, lanes)
