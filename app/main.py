"""The web process: builds the app out of the rooms' routers, and opens what they need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.platform import logs
from app.platform.db import Database
from app.platform.web import Api
from app.settings import Settings, read_settings

ROUTERS: tuple[APIRouter, ...] = ()
"""The rooms' routers, in the order of the reference."""


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    if settings.database_url is None:
        raise RuntimeError("OPTOUT_DATABASE_URL is needed; `optout serve` sets it by itself")
    database = Database.open(settings.database_url.get_secret_value(), settings)
    app.state.database = database
    try:
        yield
    finally:
        await database.close()


def create_app(settings: Settings) -> FastAPI:
    """Build the app; its lifespan opens the database."""
    return Api(settings, routers=ROUTERS, lifespan=_lifespan)


def serve_app() -> FastAPI:
    """Set the logs up and build the app from the environment, as uvicorn's factory does."""
    settings = read_settings()
    logs.configure(settings)
    return create_app(settings)
