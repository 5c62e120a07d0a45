"""Contact points: found by a keyed digest, told from a sealed value, recognised after erasure.

No plain value is stored, logged or shown from here; whoever needs one unseals it for as long as
an answer takes.
"""

from .points import (
    Point,
    PointKeys,
    claim_points,
    destroy_values,
    find_point,
    lock_point_ids,
    lock_points,
    read_values,
    unseal,
)
from .rotation import rekey_points

__all__ = [
    "Point",
    "PointKeys",
    "claim_points",
    "destroy_values",
    "find_point",
    "lock_point_ids",
    "lock_points",
    "read_values",
    "rekey_points",
    "unseal",
]
