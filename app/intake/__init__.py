"""The door: opt-outs, reinstatements, voids and erasures come in, and leave with a receipt.

It alone may touch registry and contacts in one transaction. What it acknowledged is committed.
"""

from . import api, imports_api
from .erasures import complete_erasure, open_erasures
from .import_job import import_handler
from .import_voids import VOID, void_handler
from .imports import IMPORT, SEALED
from .renormalising import Renormalised, renormalise

ROUTERS = (*api.ROUTERS, *imports_api.ROUTERS)

__all__ = [
    "IMPORT",
    "ROUTERS",
    "SEALED",
    "VOID",
    "Renormalised",
    "complete_erasure",
    "import_handler",
    "open_erasures",
    "renormalise",
    "void_handler",
]
