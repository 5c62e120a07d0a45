"""The schema of the database: its number, whether it serves this code, and the way to upgrade it.

No room can own it, since a schema is the tables of all of them.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import SmallInteger, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import NullPool

from app.platform.db import Base, parse_url

if TYPE_CHECKING:
    from alembic.config import Config

SCHEMA = 19
"""The number of the schema this code was written for; each migration writes the next."""

_EMPTY = "This database holds no registry. If it is the right one and new: optout migrate --init"
_KNOWN = text("SELECT to_regclass('schema_mark') IS NOT NULL")


class SchemaMark(Base):
    """Which schema this is, and the oldest code that may use it. One row."""

    __tablename__ = "schema_mark"

    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    oldest_code: Mapped[int] = mapped_column(SmallInteger)


class SchemaUnfit(Exception):  # noqa: N818 - a state of the database, told to the operator
    """The database's schema cannot serve this code; the message says what to run."""


async def require_schema(session: AsyncSession) -> None:
    """Refuse a database whose schema cannot serve this code.

    Raises:
        SchemaUnfit: it is empty, older than needed, or marked as needing newer code.
    """
    if not await session.scalar(_KNOWN):
        raise SchemaUnfit(_EMPTY)
    number, oldest = (
        await session.execute(text("SELECT number, oldest_code FROM schema_mark"))
    ).one()
    if number < SCHEMA:
        raise SchemaUnfit(
            f"The schema is number {number}, this code needs {SCHEMA}: optout migrate"
        )
    if oldest > SCHEMA:
        raise SchemaUnfit(
            f"The schema (number {number}) needs code for schema {oldest} or later; this is "
            f"{SCHEMA}: install the newer release"
        )


def migrations(url: str | URL) -> "Config":
    """Configure alembic for the migrations that are installed beside the app, and a database."""
    from alembic.config import Config  # noqa: PLC0415 - 8 MB that a server does not need

    config = Config()
    folder = Path(__file__).parents[2] / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["url"] = parse_url(url)
    return config


def upgrade(url: str | URL, *, init: bool) -> None:
    """Bring a database's schema to this code's; never back, and nothing if it is newer.

    Blocks, and runs an event loop of its own. Two at once wait for one another.

    Raises:
        SchemaUnfit: the database is empty and ``init`` is not set: a mistyped URL must not become
            a registry that knows nobody and allows everything.
    """
    number = asyncio.run(_number(parse_url(url)))
    if number is None and not init:
        raise SchemaUnfit(_EMPTY)
    if number is None or number < SCHEMA:
        from alembic import command  # noqa: PLC0415 - as above

        command.upgrade(migrations(url), "head")


async def _number(url: URL) -> int | None:
    """Read the schema's number; None in a database without a registry."""
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 5})
    try:
        async with engine.connect() as connection:
            if not await connection.scalar(_KNOWN):
                return None
            return int(
                (await connection.execute(text("SELECT number FROM schema_mark"))).scalar_one()
            )
    finally:
        await engine.dispose()
