"""Registries to measure on: filled once, kept in ``build/bench``, copied where something writes.

PostgreSQL is the embedded one as ``optout serve`` runs it, durable.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from pydantic import SecretStr

from app.parties import CLI, NewKey, Scope, create_key
from app.platform.clock import now
from app.platform.db import Database
from app.platform.embedded import Embedded
from app.platform.schema import migrations, upgrade
from app.platform.vault import register_keys
from app.points import PointKeys
from app.settings import Settings

from . import people, seeds

BUILD = Path(__file__).parents[2] / "build"
_NO_LIMIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry in a database of its own; ``people`` of them are suppressed."""

    name: str
    people: int
    url: str
    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        """Write the variables by which a process serves it."""
        found = {
            "OPTOUT_DATABASE_URL": self.settings.database_url,
            "OPTOUT_DIGEST_KEYS": self.settings.digest_keys,
            "OPTOUT_SEALING_KEYS": self.settings.sealing_keys,
        }
        return {name: value.get_secret_value() for name, value in found.items() if value}

    def make_key(self, *scopes: Scope) -> str:
        """Make a key without limits worth the name; bound to the seeds' channel, but an admin's."""
        return asyncio.run(self._make_key(scopes))

    async def _make_key(self, scopes: tuple[Scope, ...]) -> str:
        new = NewKey(
            f"benchmark {now():%H:%M:%S.%f}",
            scopes,
            None if "admin" in scopes else seeds.CHANNEL,
            requests_per_second=1_000_000,
            checks_per_day=_NO_LIMIT,
        )
        async with self.opened() as database, database.transaction() as session:
            return (await create_key(session, new, actor=CLI, at=now())).text

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Database]:
        """Open its database for a block."""
        database = Database.open(self.url, self.settings)
        try:
            yield database
        finally:
            await database.close()


class Registries:
    """The registries of one PostgreSQL."""

    def __init__(self, embedded: Embedded) -> None:
        """Take a server that runs."""
        self.binaries = embedded.binaries
        self._embedded = embedded

    def filled(self, people: int) -> Registry:
        """Give the registry of so many people, which nobody may write to; made if there is none.

        Its name holds a digest of the schema and the seeds: another schema, another registry.
        """
        registry = self._registry(f"filled_{people}_{_stamp()}", people)
        if registry.name not in asyncio.run(self._names()):
            asyncio.run(self._forget(f"filled_{people}_"))
            making = self._registry(f"making_{people}", people)
            asyncio.run(self._remake(making))
            upgrade(making.url, init=True)
            asyncio.run(_fill(making))
            rename = f'ALTER DATABASE "{making.name}" RENAME TO "{registry.name}"'
            asyncio.run(self._fetch(rename))
        return registry

    @contextmanager
    def copied(self, people: int, name: str) -> Iterator[Registry]:
        """Give a copy of the registry of so many people for a block, to be written to."""
        source = self.filled(people)
        copy = self._registry(f"copy_{name}", people)
        asyncio.run(self._remake(copy, template=source.name))
        # Else the copy is still being written to the disk while the first figures are taken.
        os.sync()
        try:
            yield copy
        finally:
            asyncio.run(self._fetch(f'DROP DATABASE "{copy.name}" WITH (FORCE)'))

    def _registry(self, name: str, people: int) -> Registry:
        keys = self._embedded.keys()
        url = self._embedded.url(name)
        settings = Settings(
            database_url=SecretStr(url),
            digest_keys=SecretStr(keys.digest),
            sealing_keys=SecretStr(keys.sealing),
        )
        return Registry(name, people, url, settings)

    async def _names(self) -> set[str]:
        return {row["datname"] for row in await self._fetch("SELECT datname FROM pg_database")}

    async def _forget(self, prefix: str) -> None:
        for name in await self._names():
            if name.startswith(prefix):
                await self._fetch(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _remake(self, registry: Registry, template: str = "template0") -> None:
        await self._fetch(f'DROP DATABASE IF EXISTS "{registry.name}" WITH (FORCE)')
        await self._fetch(
            f'CREATE DATABASE "{registry.name}" TEMPLATE "{template}" STRATEGY file_copy'
        )

    async def _execute(self, statement: str) -> None:
        await self._fetch(statement)

    async def _fetch(self, statement: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._embedded.url("postgres"))
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()


@contextmanager
def registries() -> Iterator[Registries]:
    """Run the benchmarks' PostgreSQL for a block; a second run waits for the first to end."""
    for name in [*os.environ]:
        if name.startswith("OPTOUT_"):
            del os.environ[name]
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Two at once would measure each other, and take each other's copies away.
        fcntl.flock(lock, fcntl.LOCK_EX)
        with Embedded(folder / "postgres") as embedded:
            yield Registries(embedded)


def _stamp() -> str:
    folder = Path(str(migrations("postgresql://").get_main_option("script_location")))
    sources = [*sorted(folder.glob("versions/*.py")), Path(seeds.__file__), Path(people.__file__)]
    return hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()[:8]


async def _fill(registry: Registry) -> None:
    keys = PointKeys.from_settings(registry.settings)
    async with registry.opened() as database:
        async with database.transaction() as session:
            await register_keys(session, "digest", keys.digests.ring)
            await register_keys(session, "sealing", keys.vault.ring)
        await seeds.fill(database, keys, registry.people)
