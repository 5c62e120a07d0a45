"""Keys of the API: made, listed, revoked; shown once, kept as a digest."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, Select, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.ids import new_id, new_secret
from app.platform.refusals import NotFound

from .audit import note
from .caller import SCOPES
from .slugs import UnknownChannel, UnknownDatabase
from .tables import ChannelRow, DatabaseRow, KeyRow

PREFIX = "optout_"
_SHAPE = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it may be shown; channel and database are slugs."""

    number: int
    id: UUID
    name: str
    scopes: tuple[str, ...]
    channel: str | None
    database: str | None
    requests_per_second: int | None
    checks_per_day: int | None
    rows_per_day: int | None
    snapshots_per_day: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_in_force(self, at: datetime) -> bool:
        """Tell whether it opens anything: neither revoked nor past its end."""
        is_over = self.expires_at is not None and self.expires_at <= at
        return self.revoked_at is None and not is_over


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made: bound to the channel and database of these slugs, if any.

    Limits left out are those of the settings.
    """

    name: str
    scopes: Collection[str]
    channel: str | None = None
    database: str | None = None
    expires_at: datetime | None = None
    requests_per_second: int | None = None
    checks_per_day: int | None = None
    rows_per_day: int | None = None
    snapshots_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key just made, with its text, which is never to be had again."""

    key: Key
    text: str = field(repr=False)


def digest(text: str) -> bytes | None:
    """Digest what a caller presents; None where it cannot be a key.

    Plain SHA-256 is enough here, without salt or stretching: both slow down the guessing of what
    people choose, and nobody guesses 256 random bits. That the digest is what is looked up also
    means that timing tells nothing about the key.
    """
    if _SHAPE.fullmatch(text) is None:
        return None
    return hashlib.sha256(text.encode("ascii")).digest()


async def create_key(session: AsyncSession, new: NewKey, *, actor: str, at: datetime) -> IssuedKey:
    """Make a key.

    Raises:
        ValueError: a scope does not exist, or none is given.
        UnknownChannel: there is no such channel.
        UnknownDatabase: there is no such database, or no longer.
    """
    if not new.scopes or not set(new.scopes) <= set(SCOPES):
        raise ValueError(f"Scopes are one or more of {', '.join(SCOPES)}.")
    secret = PREFIX + new_secret()
    row = KeyRow(
        id=new_id(),
        name=new.name,
        digest=digest(secret),
        scopes=[scope for scope in SCOPES if scope in new.scopes],
        channel=new.channel and await _bound_channel(session, new.channel),
        database=new.database and await _bound_database(session, new.database),
        expires_at=new.expires_at,
        requests_per_second=new.requests_per_second,
        checks_per_day=new.checks_per_day,
        rows_per_day=new.rows_per_day,
        snapshots_per_day=new.snapshots_per_day,
        created_at=at,
    )
    session.add(row)
    await session.flush()
    await note(session, actor, "key.created", f"key:{row.id}", at, name=new.name, scopes=row.scopes)
    return IssuedKey(await find_key(session, row.id), secret)


async def find_key(
    session: AsyncSession,
    id: UUID,  # noqa: A002 - the word of the wire
    *,
    channel: int | None = None,
    database: int | None = None,
) -> Key:
    """Find a key, where a binding is given only among those bound alike.

    Raises:
        NotFound: there is none.
    """
    row = (await session.execute(_keys(channel, database).where(KeyRow.id == id))).one_or_none()
    if row is None:
        raise NotFound(f"No key has the id {id}.")
    return _key(row)


async def list_keys(
    session: AsyncSession,
    *,
    limit: int | None = None,
    after: int = 0,
    channel: int | None = None,
    database: int | None = None,
) -> Sequence[Key]:
    """List keys, revoked ones too, in the order in which they were made, from number ``after``."""
    rows = await session.execute(
        _keys(channel, database)
        .where(KeyRow.number > literal(after, BigInteger))
        .order_by(KeyRow.number)
        .limit(limit)
    )
    return [_key(row) for row in rows]


async def revoke_key(session: AsyncSession, key: Key, *, actor: str, at: datetime) -> None:
    """End a key for good: every process refuses it within a second of the commit.

    Revoking it again changes nothing. The last one with scope ``admin`` may go as well, for it
    may be the one that leaked: ``optout keys create`` on the machine itself always makes another.
    """
    await _revoke(session, KeyRow.number == key.number, actor=actor, at=at)


async def revoke_keys_of(session: AsyncSession, database: int, *, actor: str, at: datetime) -> None:
    """End every key that is bound to a database, because it is deleted."""
    await _revoke(session, KeyRow.database == database, actor=actor, at=at)


async def write_last_use(session: AsyncSession, used: Mapping[int, datetime]) -> None:
    """Note when keys, by their numbers, were last used; an earlier time changes nothing."""
    await session.execute(
        text("""
            WITH due AS (
                SELECT number, used.at FROM keys
                JOIN unnest(CAST(:keys AS int4[]), CAST(:ats AS timestamptz[])) AS used (key, at)
                  ON used.key = number
                WHERE last_used_at IS NULL OR last_used_at < used.at
                ORDER BY number FOR NO KEY UPDATE OF keys
            )
            UPDATE keys SET last_used_at = due.at FROM due WHERE keys.number = due.number
        """),
        {"keys": list(used), "ats": list(used.values())},
    )


async def _revoke(
    session: AsyncSession, which: ColumnElement[bool], *, actor: str, at: datetime
) -> None:
    revoked = await session.execute(
        update(KeyRow)
        .where(which, KeyRow.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(KeyRow.id, KeyRow.name)
        .execution_options(synchronize_session=False)
    )
    for id_, name in revoked.all():
        await note(session, actor, "key.revoked", f"key:{id_}", at, name=name)


async def _bound_channel(session: AsyncSession, slug: str) -> int:
    number = await session.scalar(select(ChannelRow.id).where(ChannelRow.slug == slug))
    if number is None:
        raise UnknownChannel(f"There is no channel {slug!r}.")
    return number


async def _bound_database(session: AsyncSession, slug: str) -> int:
    # A deletion under way is waited for and then seen; one that comes later finds the new key.
    number = await session.scalar(
        select(DatabaseRow.id)
        .where(DatabaseRow.slug == slug, DatabaseRow.deleted_at.is_(None))
        .with_for_update(read=True, key_share=True)
    )
    if number is None:
        raise UnknownDatabase(f"There is no database {slug!r}.")
    return number


def _keys(channel: int | None, database: int | None) -> Select[KeyRow, str, str]:
    query = (
        select(KeyRow, ChannelRow.slug, DatabaseRow.slug)
        .outerjoin(ChannelRow, ChannelRow.id == KeyRow.channel)
        .outerjoin(DatabaseRow, DatabaseRow.id == KeyRow.database)
    )
    if channel is not None:
        query = query.where(KeyRow.channel == channel)
    if database is not None:
        query = query.where(KeyRow.database == database)
    return query


def _key(row: Row[KeyRow, str, str]) -> Key:
    key, channel, database = row
    return Key(
        number=key.number,
        id=key.id,
        name=key.name,
        scopes=tuple(key.scopes),
        channel=channel,
        database=database,
        requests_per_second=key.requests_per_second,
        checks_per_day=key.checks_per_day,
        rows_per_day=key.rows_per_day,
        snapshots_per_day=key.snapshots_per_day,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )
