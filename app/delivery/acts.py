"""What people and programs do to a database that is told: pause, resume, rotate, replay, ping."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import interrupt, pause, read_head, resume, rewind
from app.parties import RegisteredDatabase, note
from app.platform.db import Database
from app.platform.http import Zone, parse_destination
from app.platform.vault import Vault
from app.settings import Settings

from .databases import wait_until_still
from .endpoints import Way, WeakFormat, find_endpoint, rotate_secret
from .pings import Ping, ping


def require_allowed(way: Way, settings: Settings, *, accept_weak: bool) -> None:
    """Refuse a destination or a format that may not be.

    Raises:
        ForbiddenDestination: the zone's rules forbid it.
        WeakFormat: it hides nothing, and was not accepted as such.
    """
    for url in (way.url, way.recall_url):
        if url is not None:
            parse_destination(url, Zone(way.zone or "public"), settings)
    if way.identifier_format == "sha256" and not accept_weak:
        raise WeakFormat('The format sha256 needs "accept_weak": true.')


async def ping_database(pool: Database, vault: Vault, database: RegisteredDatabase) -> Ping:
    """Send one signed request that asks a database whether it is there; no entry is sent.

    No connection is held meanwhile: the database may take as long as it likes.
    """
    async with pool.reading() as session:
        endpoint = await find_endpoint(session, vault, database.id)
        journal = (await read_head(session)).journal
    return await ping(endpoint, journal=str(journal), settings=pool.settings, newest_secret=True)


async def pause_database(
    pool: Database, database: RegisteredDatabase, *, actor: str, at: datetime
) -> None:
    """Tell a database nothing more until it is resumed, in a transaction of its own.

    It returns when a request under way has ended, or after 3 seconds; none is begun after it.
    """
    async with pool.transaction() as session:
        await pause(session, database.id)
        await note(session, actor, "database.paused", f"database:{database.slug}", at)
    await wait_until_still(pool, database)


async def resume_database(
    session: AsyncSession, database: RegisteredDatabase, *, actor: str, at: datetime
) -> None:
    """Go on telling a database at once, from where it was; a failing one is tried now."""
    await resume(session, database.id)
    await note(session, actor, "database.resumed", f"database:{database.slug}", at)


async def renew_secret(
    session: AsyncSession, vault: Vault, database: RegisteredDatabase, *, actor: str, at: datetime
) -> str:
    """Make a new signing secret, to be shown once; for 24 hours both sign."""
    # Whoever is sending to it now knows the old secret alone. First, since couriers lock in this
    # order too.
    await interrupt(session, database.id)
    secret = await rotate_secret(session, vault, database.id, at=at)
    await note(session, actor, "database.secret-rotated", f"database:{database.slug}", at)
    return secret


async def replay_database(
    session: AsyncSession, database: RegisteredDatabase, *, first: int, actor: str, at: datetime
) -> None:
    """Tell a database again, from position ``first`` on; what it acknowledged stays proven."""
    await rewind(session, database.id, to=first - 1)
    subject = f"database:{database.slug}"
    await note(session, actor, "database.replayed", subject, at, from_position=first)
