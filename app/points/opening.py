"""Opening a registry: the database and the keys that it was written with, or nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.platform.db import Database
from app.platform.schema import require_schema
from app.platform.vault import register_keys
from app.settings import Settings

from .phone_tables import fit_phone_tables
from .points import PointKeys


@asynccontextmanager
async def open_registry(
    settings: Settings, *, any_phone_tables: bool = False
) -> AsyncIterator[tuple[Database, PointKeys]]:
    """Open the database and the keys, and refuse what does not fit together.

    ``any_phone_tables`` is for whoever brings the phones to this process's tables.

    Raises:
        ValueError: the address or the keys are not set.
        SchemaUnfit: the schema cannot serve this code.
        KeysUnfit: the keys are not those that the data was written with; every look-up would
            miss, and every check would say allow.
        PhoneTablesUnfit: the phones were read by other tables, and some look-ups would miss.
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
            if not any_phone_tables:
                await fit_phone_tables(session, keys)
        yield database, keys
    finally:
        await database.close()
