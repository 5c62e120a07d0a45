"""Contact points: found by a keyed digest, told from a sealed value, recognised after erasure.

No plain value is stored, logged or shown from here; whoever needs one unseals it for as long as
an answer takes.
"""

from . import tables as tables
from .access import DefaultRegion, ThePointKeys
from .bulk import Claimed, Prepared, claim_many, find_many, prepare_points, reseal
from .opening import open_registry
from .points import (
    OpenedPoint,
    Point,
    PointKeys,
    claim_points,
    destroy_values,
    find_point,
    lock_point_ids,
    lock_points,
    open_points,
    unseal,
)
from .reading import UnusableIdentifier, read_identifier
from .rotation import rekey_points

__all__ = [
    "Claimed",
    "DefaultRegion",
    "OpenedPoint",
    "Point",
    "PointKeys",
    "Prepared",
    "ThePointKeys",
    "UnusableIdentifier",
    "claim_many",
    "claim_points",
    "destroy_values",
    "find_many",
    "find_point",
    "lock_point_ids",
    "lock_points",
    "open_points",
    "open_registry",
    "prepare_points",
    "read_identifier",
    "rekey_points",
    "reseal",
    "unseal",
]
