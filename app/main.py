"""The web process: builds the app out of the rooms' routers, and opens what they need."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI

from app import checks, console, contacts, delivery, intake, parties
from app.files import Storage
from app.parties import Access, Directory
from app.platform import logs
from app.platform.edge import ends_soon
from app.platform.supervision import end_with_supervisor, on_the_way_out
from app.platform.web import Api
from app.points import open_registry
from app.settings import Settings, read_settings

ROUTERS: tuple[APIRouter, ...] = (
    *checks.ROUTERS,
    *intake.ROUTERS,
    *contacts.ROUTERS,
    *delivery.ROUTERS,
    *parties.ROUTERS,
    *console.ROUTERS,
)
"""The rooms' routers, in the order of the reference."""


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with open_registry(app.state.settings) as (database, keys):
        access = Access(database)
        look_ups = checks.LookUps(database, keys.digests.numbers)
        app.state.database = database
        app.state.vault = keys.vault
        app.state.point_keys = keys
        app.state.storage = Storage.of(database, keys.vault)
        app.state.directory = directory = Directory(database)
        app.state.access = access
        app.state.counsel = counsel = checks.Counsel(database, keys.digests.numbers)
        app.state.desk = checks.Desk(
            look_ups, counsel, access.quotas, keys, directory, app.state.settings, access.reads
        )
        app.state.doors = intake.Doors(database, keys, directory)
        app.state.arrivals = intake.Arrivals(app.state.settings.time_zone)
        app.state.head_watch = delivery.HeadWatch(database)
        app.state.streams = streams = console.Streams()
        app.state.snapshots = delivery.Snapshots(database, keys, directory)
        await access.start()
        try:
            await counsel.prepare()
            with (
                on_the_way_out(app.state.head_watch.end),
                on_the_way_out(streams.end),
                on_the_way_out(partial(ends_soon, app)),
            ):
                yield
        finally:
            await look_ups.stop()
            await counsel.stop()
            await access.stop()


def create_app(settings: Settings) -> FastAPI:
    """Build the app; its lifespan opens the registry."""
    app = Api(settings, routers=ROUTERS, lifespan=_lifespan, show_fault=console.show_fault)
    console.answer_browsers(app)
    return app


def serve_app() -> FastAPI:
    """Set this process up and build the app from the environment, as uvicorn's factory does."""
    end_with_supervisor()
    settings = read_settings()
    logs.configure(settings)
    app = create_app(settings)
    # What stands by now stays for good; going through it again and again stopped every check for
    # a tenth of a second, twice a second.
    gc.collect()
    gc.freeze()
    return app
