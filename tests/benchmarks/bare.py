"""The floor of web figures: the same models, middleware and key check, with nothing behind them.

A program: ``python -m tests.benchmarks.bare PORT`` serves as ``optout serve`` does.
"""

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import FastAPI

from app.checks.models import CheckIn, CheckOut, MaskedOut
from app.journal import Kind
from app.parties import Access, Caller, requires
from app.platform import logs
from app.platform.clock import now
from app.platform.web import Api, router
from app.points import open_registry
from app.settings import read_settings

_checks = router("/v1/checks", "checks")


@_checks.post("")
async def check(_body: CheckIn, _caller: Annotated[Caller, requires("checks")]) -> CheckOut:
    """Answer without having looked."""
    return CheckOut(
        decision="allow",
        reasons=[],
        identifier=MaskedOut(kind=Kind.PHONE, masked="+33 6 •• •• •• 78"),
        evaluated=["suppressions"],
        position=0,
        checked_at=now(),
        valid_until=None,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with open_registry(app.state.settings) as (database, _):
        app.state.database = database
        app.state.access = access = Access(database)
        await access.start()
        try:
            yield
        finally:
            await access.stop()


def main() -> None:
    """Serve on a port of loopback until a signal comes."""
    settings = read_settings()
    logs.configure(settings)
    app = Api(settings, routers=[_checks], lifespan=_lifespan)
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
