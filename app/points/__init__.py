"""Contact points: found by a keyed digest, told from a sealed value, recognised after erasure.

No plain value is stored, logged or shown from here; whoever needs one unseals it for as long as
an answer takes.
"""

from . import tables as tables
from .access import DefaultRegion, Sought, ThePointKeys, TheSought
from .bulk import Claimed, Prepared, claim_many, find_many, prepare_points, reseal
from .merging import Read, find_merged, find_stale, merge_stale, read_again
from .opening import open_registry
from .phone_tables import Fence, PhoneTablesUnfit, is_behind, raise_fence, set_phone_tables
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
    require_tables,
    unseal,
)
from .reading import UnusableIdentifier, read_identifier
from .rotation import SEALED, rekey_points
from .wire import IdentifierIn, MaskedOut

__all__ = [
    "SEALED",
    "Claimed",
    "DefaultRegion",
    "Fence",
    "IdentifierIn",
    "MaskedOut",
    "OpenedPoint",
    "PhoneTablesUnfit",
    "Point",
    "PointKeys",
    "Prepared",
    "Read",
    "Sought",
    "ThePointKeys",
    "TheSought",
    "UnusableIdentifier",
    "claim_many",
    "claim_points",
    "destroy_values",
    "find_many",
    "find_merged",
    "find_point",
    "find_stale",
    "is_behind",
    "lock_point_ids",
    "lock_points",
    "merge_stale",
    "open_points",
    "open_registry",
    "prepare_points",
    "raise_fence",
    "read_again",
    "read_identifier",
    "rekey_points",
    "require_tables",
    "reseal",
    "set_phone_tables",
    "unseal",
]
