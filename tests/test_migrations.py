"""The schema: made by the migrations alone, by one deployer at a time, and fit for this code."""

import asyncio
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import Base, Database
from app.platform.schema import SCHEMA, SchemaUnfit, migrations, require_schema, upgrade
from app.settings import Settings
from tests.copies import execute
from tests.servers import optout


async def mark(database: Database, number: int, oldest_code: int) -> None:
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE schema_mark SET number = :number, oldest_code = :oldest_code"),
            {"number": number, "oldest_code": oldest_code},
        )


async def tables(session: AsyncSession) -> set[str]:
    names = await session.scalars(
        text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    )
    return set(names)


async def test_the_tables_in_the_code_are_those_that_the_migrations_make(
    database_url: str,
) -> None:
    await asyncio.to_thread(command.check, migrations(database_url))


async def test_the_last_migration_marks_the_schema_that_this_code_needs(
    database: Database,
) -> None:
    async with database.reading() as session:
        await require_schema(session)
        assert await session.scalar(text("SELECT number FROM schema_mark")) == SCHEMA


async def test_three_deployers_at_once_make_one_schema(
    empty_url: str, settings: Settings, tmp_path: Path
) -> None:
    deployers = await asyncio.gather(
        *(
            asyncio.to_thread(
                optout, "migrate", "--init", folder=tmp_path, OPTOUT_DATABASE_URL=empty_url
            )
            for _ in range(3)
        ),
    )
    assert [each.stderr for each in deployers if each.returncode] == []
    database = Database.open(empty_url, settings)
    async with database.reading() as session:
        await require_schema(session)
        assert await tables(session) == {*Base.metadata.tables, "alembic_version"}
    await database.close()


async def test_an_empty_database_is_refused_and_stays_empty(
    empty_url: str, settings: Settings
) -> None:
    with pytest.raises(SchemaUnfit, match="migrate --init"):
        await asyncio.to_thread(upgrade, empty_url, init=False)
    database = Database.open(empty_url, settings)
    async with database.reading() as session:
        assert await tables(session) == set()
        with pytest.raises(SchemaUnfit, match="migrate --init"):
            await require_schema(session)
    await database.close()


async def test_an_older_schema_is_refused_and_the_command_that_mends_it_named(
    database: Database,
) -> None:
    await mark(database, SCHEMA - 1, SCHEMA - 1)
    async with database.reading() as session:
        with pytest.raises(SchemaUnfit, match=r"optout migrate$"):
            await require_schema(session)


async def test_a_newer_schema_that_needs_newer_code_is_refused(database: Database) -> None:
    await mark(database, SCHEMA + 1, SCHEMA + 1)
    async with database.reading() as session:
        with pytest.raises(SchemaUnfit, match="install the newer release"):
            await require_schema(session)


async def test_a_newer_compatible_schema_serves_and_is_left_alone(
    database: Database, database_url: str
) -> None:
    await mark(database, SCHEMA + 1, SCHEMA)
    await execute(database.url, "UPDATE alembic_version SET version_num = 'of the next release'")
    await asyncio.to_thread(upgrade, database_url, init=False)
    async with database.reading() as session:
        await require_schema(session)
        assert await session.scalar(text("SELECT number FROM schema_mark")) == SCHEMA + 1
