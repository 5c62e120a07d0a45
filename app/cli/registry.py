"""Finding the registry that a command works on: the one of a URL, or the data folder's."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from pydantic import SecretStr

from app.platform.db import Database
from app.platform.embedded import Embedded
from app.platform.schema import require_schema, upgrade
from app.settings import Settings, read_settings


@contextmanager
def reached() -> Iterator[Settings]:
    """Give the settings with a database in them: the embedded one, joined for a block, if none."""
    settings = read_settings()
    if settings.database_url is not None:
        yield settings
        return
    with Embedded(settings.data_dir) as embedded:
        upgrade(embedded.url(), init=True)
        yield with_embedded(settings, embedded)


def with_embedded(settings: Settings, embedded: Embedded) -> Settings:
    """Complete the settings with an embedded registry's address and keys; keys given win."""
    found: dict[str, SecretStr] = {"database_url": SecretStr(embedded.url())}
    if settings.digest_keys is None or settings.sealing_keys is None:
        keys = embedded.keys()
        found["digest_keys"] = settings.digest_keys or SecretStr(keys.digest)
        found["sealing_keys"] = settings.sealing_keys or SecretStr(keys.sealing)
    return settings.model_copy(update=found)


def export(settings: Settings) -> None:
    """Put what was completed into the environment, for this process and those that it starts."""
    for name in ("database_url", "digest_keys", "sealing_keys"):
        secret: SecretStr | None = getattr(settings, name)
        if secret is not None:
            os.environ[f"OPTOUT_{name.upper()}"] = secret.get_secret_value()
    if settings.public_url is not None:
        os.environ["OPTOUT_PUBLIC_URL"] = settings.public_url
    read_settings.cache_clear()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Open a registry's database for a block.

    Raises:
        SchemaUnfit: its schema cannot serve this code.
    """
    if settings.database_url is None:
        raise ValueError("no database was reached")
    database = Database.open(settings.database_url.get_secret_value(), settings)
    try:
        async with database.reading() as session:
            await require_schema(session)
        yield database
    finally:
        await database.close()
