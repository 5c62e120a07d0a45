"""How alembic reaches the database: one deployer at a time, and no long wait for a lock."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import app.main
import app.platform.mails  # noqa: F401 - the two import the tables of every room
from app.platform.db import Base, parse_url
from app.platform.embedded import Embedded
from app.settings import read_settings

DEPLOYERS = 7_809_632_913
"""The advisory lock that deployers queue for; any number that nothing else here uses."""


@contextmanager
def address() -> Iterator[URL]:
    """Find the database: the caller's, else the environment's, else the embedded one."""
    settings = read_settings()
    if given := context.config.attributes.get("url"):
        yield given
    elif settings.database_url is not None:
        yield parse_url(settings.database_url.get_secret_value())
    else:
        with Embedded(settings.data_dir) as embedded:
            yield parse_url(embedded.url())


def migrate(connection: Connection) -> None:
    """Run the migrations, each in its own transaction."""
    # Another deployer may be building an index; a table's lock, which stops the traffic behind
    # it, is not waited for as long.
    connection.execute(text("SET lock_timeout = '15min'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": DEPLOYERS})
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.execute(text("SET statement_timeout = '15min'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def online(url: URL) -> None:
    """Open one connection for the whole run; its end releases the deployers' lock."""
    engine = create_async_engine(
        url,
        poolclass=NullPool,
        connect_args={"timeout": 5, "server_settings": {"application_name": "optout migrate"}},
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


with address() as url:
    asyncio.run(online(url))
