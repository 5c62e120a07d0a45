"""The door: opt-outs, reinstatements, voids and erasures come in, and leave with a receipt.

It alone may touch registry and contacts in one transaction. What it acknowledged is committed.
"""

from .api import ROUTERS
from .desk import (
    TAKE_BACK_WITHIN,
    Recorded,
    TooLateToTakeBack,
    count_since,
    points_of,
    recent_by,
    require_takeable,
)
from .erasures import complete_erasure, open_erasures
from .history import Act, History, read_history
from .opt_outs import OptOut, Voided, find_opt_out, void
from .receipts import Hop, Propagation, Receipt, accept, read_propagation, read_receipt

__all__ = [
    "ROUTERS",
    "TAKE_BACK_WITHIN",
    "Act",
    "History",
    "Hop",
    "OptOut",
    "Propagation",
    "Receipt",
    "Recorded",
    "TooLateToTakeBack",
    "Voided",
    "accept",
    "complete_erasure",
    "count_since",
    "find_opt_out",
    "open_erasures",
    "points_of",
    "read_history",
    "read_propagation",
    "read_receipt",
    "recent_by",
    "require_takeable",
    "void",
]
