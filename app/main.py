"""The web process: builds the app out of the rooms' routers, and opens what they need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app import checks, intake, parties
from app.parties import Access, Directory
from app.platform import logs
from app.platform.db import Database
from app.platform.schema import require_schema
from app.platform.supervision import end_with_supervisor
from app.platform.vault import register_keys
from app.platform.web import Api
from app.points import PointKeys
from app.settings import Settings, read_settings

ROUTERS: tuple[APIRouter, ...] = (*checks.ROUTERS, *intake.ROUTERS, *parties.ROUTERS)
"""The rooms' routers, in the order of the reference."""


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[tuple[Database, PointKeys]]:
    """Open the database and the keys, and refuse what does not fit together.

    Raises:
        ValueError: the address or the keys are not set.
        SchemaUnfit: the schema cannot serve this code.
        KeysUnfit: the keys are not those that the data was written with; every look-up would
            miss, and every check would say allow.
    """
    if settings.database_url is None:
        raise ValueError("OPTOUT_DATABASE_URL is needed; `optout serve` sets it by itself")
    keys = PointKeys.from_settings(settings)
    database = Database.open(settings.database_url.get_secret_value(), settings)
    try:
        async with database.transaction() as session:
            await require_schema(session)
            await register_keys(session, "digest", keys.digests.ring)
            await register_keys(session, "sealing", keys.vault.ring)
        yield database, keys
    finally:
        await database.close()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with open_registry(app.state.settings) as (database, keys):
        access = Access(database)
        look_ups = checks.LookUps(database, keys.digests.numbers)
        app.state.database = database
        app.state.vault = keys.vault
        app.state.point_keys = keys
        app.state.directory = Directory(database)
        app.state.access = access
        app.state.look_ups = look_ups
        await access.start()
        try:
            yield
        finally:
            await look_ups.stop()
            await access.stop()


def create_app(settings: Settings) -> FastAPI:
    """Build the app; its lifespan opens the registry."""
    return Api(settings, routers=ROUTERS, lifespan=_lifespan)


def serve_app() -> FastAPI:
    """Set this process up and build the app from the environment, as uvicorn's factory does."""
    end_with_supervisor()
    settings = read_settings()
    logs.configure(settings)
    return create_app(settings)
