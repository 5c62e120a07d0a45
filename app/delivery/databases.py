"""Databases as delivery knows them: registered, told in another way, deleted; how each stands."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import (
    FollowerState,
    Scope,
    count_parked,
    follow,
    interrupt,
    is_held,
    read_followers,
    read_head,
    recorded_at,
    restart,
    unfollow,
)
from app.parties import (
    Caller,
    RegisteredDatabase,
    delete_database,
    find_database,
    note,
    register_database,
)
from app.platform.alarms import Incident, drop_incidents
from app.platform.db import Database
from app.platform.refusals import NotFound
from app.platform.vault import Vault

from .alarms import subject_of, worst_of
from .endpoints import (
    Endpoint,
    OnPoison,
    Secrets,
    Way,
    change_endpoint,
    change_policy,
    create_endpoint,
    delete_endpoint,
    read_endpoints,
)

State = Literal["active", "paused", "failing"]
Start = Literal["beginning", "latest"]
_STILL_SECONDS = 0.05
_STILL_AT_MOST = 3.0
"""How long a pause waits for a request under way; whoever asked has a deadline too."""


@dataclass(frozen=True, slots=True)
class NewDatabase:
    """A database to be registered; ``party`` is a slug."""

    slug: str
    name: str
    party: str
    scope: Scope
    way: Way
    start: Start
    on_poison: OnPoison = "block"


@dataclass(frozen=True, slots=True)
class Standing:
    """A database, how it is told, and how far it is; ``lag_seconds`` is 0 where nothing waits."""

    database: RegisteredDatabase
    endpoint: Endpoint
    follower: FollowerState
    lag_entries: int
    lag_seconds: float
    alarm: Incident | None
    parked: int

    @property
    def state(self) -> State:
        """Tell whether it is being told; a failing one is tried until it answers."""
        if self.follower.paused:
            return "paused"
        return "failing" if self.follower.failures else "active"


async def find_for(session: AsyncSession, slug: str, caller: Caller) -> RegisteredDatabase:
    """Find a database; for a key that is bound to one there is no other.

    Raises:
        NotFound: there is none, or not for this key.
    """
    database = await find_database(session, slug)
    if caller.database not in (None, database.id):
        raise NotFound(f"No database has the slug {slug!r}.")
    return database


async def add_database(
    session: AsyncSession, vault: Vault, new: NewDatabase, *, actor: str, at: datetime
) -> tuple[RegisteredDatabase, Secrets]:
    """Register a database and begin to tell it, from the beginning or from now.

    Raises:
        AlreadyExists: its slug is taken.
        UnknownParty: there is no such party.
    """
    database = await register_database(
        session, new.slug, name=new.name, party=new.party, actor=actor, at=at
    )
    after = (await read_head(session)).position if new.start == "latest" else 0
    pushed = new.way.mode == "webhook"
    await follow(session, database.id, new.scope, after=after, pushed=pushed)
    secrets = await create_endpoint(session, vault, database.id, new.way, new.on_poison)
    return database, secrets


async def tell_otherwise(
    session: AsyncSession,
    vault: Vault,
    database: RegisteredDatabase,
    *,
    scope: Scope,
    way: Way,
    actor: str,
    at: datetime,
) -> Secrets | None:
    """Change what a database is told, or how: it is told everything again from the beginning.

    Returns:
        The key of hashed identifiers, if the database had none until now.
    """
    await restart(session, database.id, scope, pushed=way.mode == "webhook")
    subject = f"database:{database.slug}"
    await note(session, actor, "database.redirected", subject, at, format=way.identifier_format)
    return await change_endpoint(session, vault, database.id, way)


async def treat_poison(
    session: AsyncSession,
    database: RegisteredDatabase,
    on_poison: OnPoison,
    *,
    actor: str,
    at: datetime,
) -> None:
    """Change what becomes of an entry that a database refuses by itself, from the next one on."""
    # Whoever is telling it now knows the old policy alone.
    await interrupt(session, database.id)
    await change_policy(session, database.id, on_poison)
    subject = f"database:{database.slug}"
    await note(session, actor, "database.poison-policy", subject, at, on_poison=on_poison)


def is_told_alike(before: Way, after: Way) -> bool:
    """Tell whether two ways differ in nothing but where contacts are recalled."""
    same = replace(after, recall_url=before.recall_url)
    return same == before or (before.mode == "pull" and same == replace(before, zone=same.zone))


async def recall_otherwise(
    session: AsyncSession,
    vault: Vault,
    database: RegisteredDatabase,
    way: Way,
    *,
    actor: str,
    at: datetime,
) -> None:
    """Recall a database's contacts elsewhere from now on, or no more; all else goes on."""
    await change_endpoint(session, vault, database.id, way)
    await note(session, actor, "database.recall-redirected", f"database:{database.slug}", at)


async def remove_database(session: AsyncSession, slug: str, *, actor: str, at: datetime) -> None:
    """Tell a database no more, destroy its secrets, revoke its keys; its proofs stay.

    Raises:
        NotFound: there is none.
    """
    database = await delete_database(session, slug, actor=actor, at=at)
    await unfollow(session, database.id)
    await drop_incidents(session, subject_of(slug))
    await delete_endpoint(session, database.id)


async def wait_until_still(pool: Database, database: RegisteredDatabase) -> None:
    """Wait until no worker has a request to a database under way, for 3 seconds at most.

    No connection is held meanwhile. A worker that died seems to hold it until its lease runs out.
    """
    end = time.monotonic() + _STILL_AT_MOST
    while time.monotonic() < end:
        async with pool.reading() as session:
            if not await is_held(session, database.id):
                return
        await asyncio.sleep(_STILL_SECONDS)


async def read_standings(
    session: AsyncSession, vault: Vault, databases: Sequence[RegisteredDatabase], *, at: datetime
) -> list[Standing]:
    """Tell how some databases stand; one that was deleted a moment ago is left out."""
    ids = [database.id for database in databases]
    head = await read_head(session)
    followers = await read_followers(session, ids)
    endpoints = await read_endpoints(session, vault, ids)
    alarms = await worst_of(session, [database.slug for database in databases])
    parked = await count_parked(session, ids)
    waiting = await recorded_at(session, {one.scanned + 1 for one in followers.values()})
    standings = []
    for database in databases:
        if database.id not in followers or database.id not in endpoints:
            continue
        follower = followers[database.id]
        since = waiting.get(follower.scanned + 1, at)
        standings.append(
            Standing(
                database,
                endpoints[database.id],
                follower,
                lag_entries=max(0, head.position - follower.scanned),
                lag_seconds=max(0.0, (at - since).total_seconds()),
                alarm=alarms.get(database.slug),
                parked=parked.get(database.id, 0),
            )
        )
    return standings
