"""The command ``optout``: runs the registry, operates it, and talks to a running one.

It puts the rooms together like ``app.main`` and holds no rule of its own. Exit status: 0 done;
1 refused or blocked; 2 wrong use; 3 the registry cannot be reached.
"""

import importlib
import sys

_HOMES = {
    "serve": "serve",
    "worker": "worker",
    "migrate": "operate",
    "keys": "operate",
    "users": "users",
    "verify": "operate",
    "rekey": "rekey",
    "renormalise": "renormalise",
    "revoke-links": "operate",
    "inbound": "inbound",
    "settings": "operate",
    "policy": "policy",
    "openapi": "operate",
    "opt-out": "client",
    "check": "client",
    "import": "importing",
    "scrub": "scrubbing",
    "snapshot": "snapshot",
    "follow": "follow.command",
    "demo": "demo.command",
}
"""Which file holds which command; only that file is loaded, for the server takes a second."""


def run() -> None:
    """Run the command that the arguments name; never returns."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        for file in [_HOMES[word]] if word in _HOMES else sorted(set(_HOMES.values())):
            importlib.import_module(f".{file}", __name__)
        importlib.import_module(".root", __name__).app(prog_name="optout")
    except Exception as error:  # noqa: BLE001 - each is explained, or shown whole
        sys.exit(importlib.import_module(".refusals", __name__).explain(error))
