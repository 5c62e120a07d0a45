"""PostgreSQL: pools and transactions. Only this file commits or rolls back.

Writes have a pool of their own, and a small one: they queue for the head row of the journal, and
a queue of 32 connections was measured ten times slower at its 99th percentile than one of 6.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Self, TypeVar
from urllib.parse import urlencode

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import MetaData
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

from app.platform.logs import get_logger
from app.platform.problems import Problem
from app.settings import Settings, SettingUnfit

if TYPE_CHECKING:
    RawConnection = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")

_AWAY = ("08", "28", "3D", "53", "57")
"""Classes of SQLSTATE, and with them a password that changed and a database not there yet."""
_BUSY = ("55P03", "40P01", "40001", "25006")
"""The last: a standby that was, or is not yet, the primary."""
_NO_URL = (
    "OPTOUT_DATABASE_URL must be written postgresql://user:password@host:port/database; in the "
    "password %40 stands for @, %3A for :, %2F for /, %25 for %"
)
_DSN_OPTIONS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"}
    | {"ssl_min_protocol_version", "ssl_max_protocol_version"}
)
_OPTIONS = frozenset(
    {"dsn", "host", "port", "ssl", "passfile", "service", "servicefile", "target_session_attrs"}
    | {"krbsrvname", "gsslib", "statement_cache_size", "prepared_statement_cache_size"}
)
_QUESTION_SECONDS = 5.0


log = get_logger(__name__)


class Base(DeclarativeBase):
    """The tables of all rooms, with constraint names that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Unavailable(Problem):
    """The registry cannot answer now: its database is away or overloaded.

    Nothing is confirmed: what was sent may have been recorded, if the connection broke in the last
    moment, so send it again with the same reference or `Idempotency-Key`. Treat the contact as
    blocked and ask again after `Retry-After` seconds.
    """

    type = "unavailable"
    title = "The registry cannot answer now"
    status = 503


def is_unavailable(error: BaseException) -> bool:
    """Tell whether an error means that PostgreSQL is away, exhausted or too slow."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return (
            error.connection_invalidated
            or isinstance(error, InterfaceError)
            or state[:2] in _AWAY
            or state in _BUSY
        )
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate or "")
        return state[:2] in _AWAY or state in _BUSY
    # A stopped server's socket is a bare OSError that SQLAlchemy does not wrap.
    return isinstance(error, OSError | PoolTimeoutError | asyncpg.InterfaceError)


def driver_words(error: BaseException) -> str:
    """Take the driver's own words, without SQLAlchemy's around them."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


@asynccontextmanager
async def unavailable_is_503() -> AsyncIterator[None]:
    """Turn errors of an absent or overloaded PostgreSQL into ``Unavailable``."""
    try:
        yield
    except Exception as error:
        if is_unavailable(error):
            log.warning("the database does not answer", reason=driver_words(error))
            raise Unavailable(
                "The database does not answer. Nothing is confirmed; contact nobody meanwhile.",
                headers={"Retry-After": "1"},
            ) from error
        raise


def parse_url(url: str | URL) -> URL:
    """Read a PostgreSQL URL of any usual spelling as one for asyncpg.

    Raises:
        SettingUnfit: it is none, or has an option that is not known here.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingUnfit(_NO_URL) from None
    if found.get_backend_name() not in {"postgresql", "postgres"}:
        raise SettingUnfit(_NO_URL)
    if unknown := set(found.query) - _OPTIONS - _DSN_OPTIONS:
        raise SettingUnfit(f"OPTOUT_DATABASE_URL: leave out {', '.join(sorted(unknown))}")
    of_dsn = {name: each for name, each in found.query.items() if name in _DSN_OPTIONS}
    if of_dsn:
        # The driver takes these from a URL of its own alone; whatever else it is given wins.
        dsn = f"postgresql://?{urlencode(of_dsn, doseq=True)}"
        found = found.difference_update_query(of_dsn).update_query_dict({"dsn": dsn})
    return found.set(drivername="postgresql+asyncpg")


def _server_settings(settings: Settings, name: str) -> dict[str, str]:
    statement = settings.statement_timeout_seconds * 1000
    return {
        "application_name": name,
        "jit": "off",
        "timezone": "UTC",
        "statement_timeout": str(statement),
        "lock_timeout": str(settings.lock_timeout_seconds * 1000),
        "idle_in_transaction_session_timeout": str(2 * statement),
    }


@dataclass(frozen=True, slots=True)
class Database:
    """The pools of one process on one database."""

    url: URL
    settings: Settings
    write_engine: AsyncEngine
    read_engine: AsyncEngine
    _turns: asyncio.Semaphore = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Give out as many turns to write as there are connections for it."""
        turns = asyncio.Semaphore(self.settings.write_pool_size)
        object.__setattr__(self, "_turns", turns)

    @classmethod
    def open(cls, url: str | URL, settings: Settings) -> Self:
        """Make the pools; nothing connects before it is used."""
        parsed = parse_url(
            url if isinstance(url, str) else url.render_as_string(hide_password=False)
        )

        def engine(size: int, name: str) -> AsyncEngine:
            return create_async_engine(
                parsed,
                pool_size=size,
                max_overflow=0,
                pool_timeout=settings.lock_timeout_seconds,
                hide_parameters=True,  # an error must not show what was to be stored
                connect_args={
                    "timeout": 5,
                    # A server that stands still keeps its own time no more. A little later than it,
                    # which ends a statement and not the connection.
                    "command_timeout": settings.statement_timeout_seconds + 1,
                    "server_settings": _server_settings(settings, f"optout {name}"),
                },
            )

        reads = engine(settings.read_pool_size, "read")
        return cls(
            parsed,
            settings,
            engine(settings.write_pool_size, "write"),
            reads.execution_options(postgresql_readonly=True),
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Run a block in one read-write transaction: commit at its end, roll back if it raises.

        Whoever waits for a connection gets one in the order of arrival, which the pool does not
        promise: there whoever comes just then takes it from under those who wait.

        Raises:
            Unavailable: no connection was free in time, or PostgreSQL does not answer.
        """
        await self._take_turn()
        try:
            async with _session(self.write_engine) as session:
                yield session
        finally:
            self._turns.release()

    async def _take_turn(self) -> None:
        try:
            async with asyncio.timeout(self.settings.lock_timeout_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(
                "Too many are writing at once. Nothing was recorded.", headers={"Retry-After": "1"}
            ) from None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Run a block in one read-only transaction."""
        async with _session(self.read_engine) as session:
            yield session

    async def connect(self, name: str) -> "RawConnection":
        """Open a bare asyncpg connection outside the pools; the caller closes it."""
        _, given = self.write_engine.dialect.create_connect_args(self.url)
        given.pop("prepared_statement_cache_size", None)  # SQLAlchemy's own
        return await asyncpg.connect(
            **given,
            timeout=5,
            command_timeout=self.settings.statement_timeout_seconds,
            server_settings=_server_settings(self.settings, f"optout {name}"),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.write_engine.dispose()
        await self.read_engine.dispose()


class OwnConnection:
    """One bare connection for what is asked again and again, a question at a time.

    A session around such a question was measured to cost nine times as much as the question.
    """

    def __init__(self, database: Database, name: str, *, prepare: str = "") -> None:
        """Take what PostgreSQL is told once on each connection; nothing connects before ``use``."""
        self._database = database
        self._name = name
        self._prepare = prepare
        self._connection: RawConnection | None = None

    async def use(self, read: "Callable[[RawConnection], Awaitable[T]]") -> T:
        """Read by the connection, a second time on a new one if it was lost while idle.

        Raises:
            Unavailable: PostgreSQL does not answer, or not in time.
        """
        async with unavailable_is_503():
            try:
                async with asyncio.timeout(_QUESTION_SECONDS):
                    return await self._read(read)
            except BaseException:
                # Whatever is still to come on it is no answer to the next question.
                self.close()
                raise

    async def _read(self, read: "Callable[[RawConnection], Awaitable[T]]") -> T:
        if self._connection is not None and not self._connection.is_closed():
            try:
                return await read(self._connection)
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
                # Reading a second time does no harm.
                self.close()
        self._connection = await self._database.connect(self._name)
        if self._prepare:
            await self._connection.execute(self._prepare)
        return await read(self._connection)

    def close(self) -> None:
        """Close the connection; the next question makes a new one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


@asynccontextmanager
async def undone(session: AsyncSession) -> AsyncIterator[None]:
    """Run a block within a transaction, and undo all that it did; what was before it stays."""
    attempt = await session.begin_nested()
    try:
        yield
    finally:
        await attempt.rollback()


@asynccontextmanager
async def _session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    session = AsyncSession(engine, expire_on_commit=False, autoflush=False)
    async with unavailable_is_503():
        try:
            yield session
            await session.commit()
        finally:
            # Rolls back whatever the commit did not end.
            await session.close()


async def driver_of(session: AsyncSession) -> "RawConnection":
    """Reach the connection under a session, within its transaction.

    For what passes by the million: SQLAlchemy takes longer to make rows than they take to write.
    """
    connection = await (await session.connection()).get_raw_connection()
    driver: RawConnection | None = connection.driver_connection
    if driver is None:
        raise TypeError("the driver has no connection")
    return driver


def database_of(request: Request) -> Database:
    """Find the database of the app that serves a request."""
    database = request.app.state.database
    if not isinstance(database, Database):
        raise TypeError("the app was started without a database")
    return database


async def _write_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with database_of(request).transaction() as session:
        yield session


async def _read_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with database_of(request).reading() as session:
        yield session


# With FastAPI's default scope the commit would come after the answer, and a commit that fails
# would be answered 201.
Session = Annotated[AsyncSession, Depends(_write_session, scope="function")]
ReadSession = Annotated[AsyncSession, Depends(_read_session, scope="function")]
