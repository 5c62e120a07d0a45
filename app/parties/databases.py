"""Prospecting databases as those who take part: a name, a number, and who answers for one.

What each is told and how stands elsewhere: its filters with the journal's followers, its URL
and secrets in the delivery room, which owns the routes and calls the functions here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Row, Select, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.refusals import NotFound

from .audit import note
from .keys import revoke_keys_of
from .parties import party_number, spell_parties
from .slugs import find_row, insert_new, rewrite
from .tables import DatabaseRow, PartyRow


@dataclass(frozen=True, slots=True)
class RegisteredDatabase:
    """A database that takes part; ``party`` is a slug, ``id`` what rows of other rooms hold."""

    id: int
    slug: str
    name: str
    party: str
    created_at: datetime


async def register_database(
    session: AsyncSession, slug: str, *, name: str, party: str, actor: str, at: datetime
) -> RegisteredDatabase:
    """Register a database of a party, under a slug that no living one has.

    Raises:
        AlreadyExists: the slug is taken.
        UnknownParty: there is no such party.
    """
    number = await party_number(session, party)
    row = await insert_new(session, DatabaseRow, slug, name=name, party=number, created_at=at)
    await note(session, actor, "database.registered", f"database:{slug}", at, party=party)
    return RegisteredDatabase(row.id, slug, name, party, at)


async def find_database(session: AsyncSession, slug: str) -> RegisteredDatabase:
    """Find a living database.

    Raises:
        NotFound: there is none.
    """
    row = (await session.execute(_living().where(DatabaseRow.slug == slug))).one_or_none()
    if row is None:
        raise NotFound(f"No database has the slug {slug!r}.")
    return _database(row)


async def list_databases(
    session: AsyncSession, *, limit: int | None = None, after: int = 0
) -> Sequence[RegisteredDatabase]:
    """List living databases in the order in which they were registered, from number ``after``."""
    rows = await session.execute(
        _living()
        .where(DatabaseRow.id > literal(after, BigInteger))
        .order_by(DatabaseRow.id)
        .limit(limit)
    )
    return [_database(row) for row in rows]


async def change_database(
    session: AsyncSession, slug: str, new: Mapping[str, Any], *, actor: str, at: datetime
) -> RegisteredDatabase:
    """Give a living database a new ``name``, or to another ``party`` (its slug).

    Raises:
        NotFound: there is no such database.
        UnknownParty: there is no such party.
    """
    row = await find_row(session, DatabaseRow, slug, lock=True)
    values = dict(new)
    if "party" in values:
        values["party"] = await party_number(session, values["party"])
    changed = rewrite(row, values)
    if changed:
        await session.flush()
        await spell_parties(session, changed)
        await note(session, actor, "database.changed", f"database:{slug}", at, **changed)
    return await find_database(session, slug)


async def delete_database(
    session: AsyncSession, slug: str, *, actor: str, at: datetime
) -> RegisteredDatabase:
    """Take a database out and revoke the keys bound to it; its slug is free again.

    Its number is not, and its name stays known: the acknowledgements it gave are proofs.

    Raises:
        NotFound: there is no such database.
    """
    row = await find_row(session, DatabaseRow, slug, lock=True)
    found = await find_database(session, slug)
    row.deleted_at = at
    await session.flush()
    await note(session, actor, "database.deleted", f"database:{slug}", at)
    await revoke_keys_of(session, row.id, actor=actor, at=at)
    return found


def _living() -> Select[DatabaseRow, str]:
    return (
        select(DatabaseRow, PartyRow.slug)
        .join(PartyRow, PartyRow.id == DatabaseRow.party)
        .where(DatabaseRow.deleted_at.is_(None))
    )


def _database(row: Row[DatabaseRow, str]) -> RegisteredDatabase:
    database, party = row
    return RegisteredDatabase(database.id, database.slug, database.name, party, database.created_at)
