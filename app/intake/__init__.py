"""The door: opt-outs, reinstatements, voids and erasures come in, and leave with a receipt.

It alone may touch registry and contacts in one transaction. What it acknowledged is committed.
"""

from .api import ROUTERS
from .erasures import complete_erasure, open_erasures

__all__ = ["ROUTERS", "complete_erasure", "open_erasures"]
