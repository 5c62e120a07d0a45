"""A registry restored to an older state: its database replaced by a copy made before."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy.engine import URL

from app.platform.db import Database
from tests.copies import execute

Restore = Callable[[], Awaitable[None]]


@asynccontextmanager
async def backed_up(postgres: URL, *pools: Database) -> AsyncIterator[Restore]:
    """Copy the database of these pools; what is held goes back to the copy when it is called.

    Whoever else has a connection loses it, at the copy and at the restore.
    """
    name = pools[0].url.database
    copy = f"{name}_copy"

    async def replace(target: str, source: str) -> None:
        for pool in pools:
            await pool.close()
        await execute(
            postgres,
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{source}'",  # noqa: S608 - ours
        )
        await execute(postgres, f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        await execute(postgres, f'CREATE DATABASE "{target}" TEMPLATE "{source}"')

    assert name is not None
    await replace(copy, name)
    try:
        yield lambda: replace(name, copy)
    finally:
        await execute(postgres, f'DROP DATABASE "{copy}" WITH (FORCE)')
