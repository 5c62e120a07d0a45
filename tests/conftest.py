"""What every test can ask for: a real PostgreSQL, a registry in it, the app, clients with keys.

PostgreSQL is started once per run and each test gets a database of its own, a copy of one that
the migrations made. Another one is used with ``OPTOUT_TEST_DATABASE_URL`` (its user may create
databases), or other binaries with ``OPTOUT_TEST_PG_BIN`` (the folder of initdb).
"""

import asyncio
import base64
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.engine import URL

from app.main import create_app
from app.parties import NewKey, Scope, create_key
from app.platform.clock import now
from app.platform.db import Database, parse_url
from app.platform.embedded import Embedded, wheel_binaries
from app.platform.schema import upgrade
from app.settings import Settings
from tests.acts import Registry
from tests.copies import Copies, execute
from tests.people import CHANNEL, leads_to, let_in, open_channel, signed_in
from tests.receivers import register

NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
}
"""Nobody misses a test's data after a power cut."""

MEMORY_BYTES = 6_000_000_000
"""What a file system in memory must have free to be used: the run takes a tenth of it."""

DIGEST_KEYS, SEALING_KEYS = (
    f"1:{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2)
)

Caller = Callable[..., Awaitable[httpx.AsyncClient]]
_numbers = count(1)


def pytest_configure() -> None:
    """Keep out the settings of whoever runs the tests, and let Ctrl-C reach what they start.

    A shell's background job ignores SIGINT, and so does every process that it starts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [*os.environ]:
        if name.startswith("OPTOUT_") and not name.startswith("OPTOUT_TEST_"):
            del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks PostgreSQL anything: all that can differ on another version of it."""
    for item in items:
        if isinstance(item, pytest.Function) and "binaries" in item.fixturenames:
            item.add_marker("postgres")


@pytest.fixture(scope="session")
def binaries() -> Path:
    """Find the PostgreSQL to test on."""
    given = os.environ.get("OPTOUT_TEST_PG_BIN")
    return Path(given).resolve() if given else wheel_binaries()


def _memory() -> str | None:
    """Find a file system in memory with room for the run; None: there is none.

    Each test's database is three hundred files, made and removed: on ext4, which looks through what
    was removed lately for each new one, that took a quarter of all processor time.
    """
    shared = "/dev/shm"  # noqa: S108 - a folder of its own is made in it
    has_room = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > MEMORY_BYTES
    return shared if has_room else None


@pytest.fixture(scope="session")
def postgres(binaries: Path) -> Iterator[URL]:
    """Start PostgreSQL for the run, or use the one given: the address of a maintenance database."""
    given = os.environ.get("OPTOUT_TEST_DATABASE_URL")
    if given:
        yield parse_url(given)
        return
    with (
        tempfile.TemporaryDirectory(prefix="optout-test-", dir=_memory()) as folder,
        Embedded(Path(folder), binaries=binaries, settings=NOT_DURABLE) as embedded,
    ):
        yield parse_url(embedded.url())


@pytest.fixture
def open_embedded(tmp_path: Path, binaries: Path) -> Iterator[Callable[..., Embedded]]:
    """Make users of one data folder, durable as in production; they leave at the end."""
    users: list[Embedded] = []

    def make(path: Path = tmp_path / "data") -> Embedded:
        users.append(Embedded(path, binaries=binaries))
        return users[-1]

    yield make
    for each in users:
        each.stop()


@pytest.fixture(scope="session")
def template(postgres: URL) -> Iterator[str]:
    """Make the database that every test's is a copy of, by the migrations: its name."""
    name = f"optout_test_{os.getpid()}"
    asyncio.run(execute(postgres, f'CREATE DATABASE "{name}"'))
    upgrade(postgres.set(database=name), init=True)
    yield name
    asyncio.run(execute(postgres, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def empty_url(postgres: URL) -> AsyncIterator[str]:
    """Make a database without a schema: its URL."""
    name = f"optout_empty_{os.getpid()}_{next(_numbers)}"
    await execute(postgres, f'CREATE DATABASE "{name}" TEMPLATE "template0"')
    yield postgres.set(database=name).render_as_string(hide_password=False)
    await execute(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def copies(postgres: URL, template: str) -> Iterator[Copies]:
    """Make copies of the template ahead of the tests that will want them."""
    copies = Copies(postgres, template)
    yield copies
    copies.end()


@pytest.fixture
async def database_url(postgres: URL, copies: Copies) -> AsyncIterator[str]:
    """Give a database with the schema and nothing in it: its URL, for other processes too."""
    name = await copies.take()
    yield postgres.set(database=name).render_as_string(hide_password=False)
    copies.give_back(name)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Give the defaults with keys for digests and sealing, and no database."""
    return Settings(digest_keys=SecretStr(DIGEST_KEYS), sealing_keys=SecretStr(SEALING_KEYS))


@pytest.fixture
async def database(database_url: str, settings: Settings) -> AsyncIterator[Database]:
    """Open the pools on a fresh registry; ``database.settings`` holds its URL."""
    settings = settings.model_copy(update={"database_url": SecretStr(database_url)})
    database = Database.open(database_url, settings)
    yield database
    await database.close()


@pytest.fixture
def registry(database: Database) -> Registry:
    """Open the registry of the test without the web."""
    return Registry(database)


@pytest.fixture
async def app(database: Database) -> AsyncIterator[FastAPI]:
    """Run the whole app on ``database``, within its lifespan."""
    app = create_app(database.settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def caller(app: FastAPI, database: Database) -> AsyncIterator[Caller]:
    """Hold a way to make clients with a key.

    ``await caller("checks", channel="web")`` has one scope and is bound to a channel; without a
    scope there is no key; ``bound_to`` is the slug of the database whose journal the key follows.
    """
    async with AsyncExitStack() as stack:

        async def make(
            *scopes: Scope, channel: str | None = None, bound_to: str | None = None
        ) -> httpx.AsyncClient:
            headers = {}
            if scopes:
                async with database.transaction() as session:
                    new = NewKey(f"test {next(_numbers)}", scopes, channel, bound_to)
                    key = await create_key(session, new, actor="tests", at=now())
                headers["Authorization"] = f"Bearer {key.text}"
            return await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app), base_url="http://test", headers=headers
                )
            )

        yield make


@pytest.fixture
async def client(caller: Caller) -> httpx.AsyncClient:
    """Talk to the app without a key."""
    return await caller()


@pytest.fixture
async def admin(caller: Caller) -> httpx.AsyncClient:
    """Talk to the app with a key of scope ``admin``."""
    return await caller("admin")


@pytest.fixture
async def browser(caller: Caller, admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Open a browser that is not signed in, on a registry with one channel."""
    await open_channel(admin)
    browser = await caller()
    browser.headers["accept-language"] = "en"
    return browser


@pytest.fixture
async def agent(browser: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    """Sign an agent in who records for that channel."""
    await let_in(database, "agent-42", channel=CHANNEL)
    assert leads_to(await signed_in(browser, "agent-42")) == "/desk"
    return browser


@pytest.fixture
async def puller(admin: httpx.AsyncClient, caller: Caller) -> httpx.AsyncClient:
    """Register a database that pulls everything: a client with its key."""
    await register(admin)
    return await caller("journal:read", bound_to="crm")
