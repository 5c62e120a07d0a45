"""Endpoints: where a database is reached, in which format, under which secrets."""

import base64
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.problems import Problem
from app.platform.refusals import NotFound
from app.platform.resealing import Sealed
from app.platform.vault import Vault

from .recall_lanes import begin_recalls, end_recalls
from .signatures import new_signing_secret
from .tables import EndpointRow

RETIRING = timedelta(hours=24)
"""How long a rotated secret goes on signing beside the new one."""

Mode = Literal["webhook", "pull"]
ZoneName = Literal["public", "internal"]
Format = Literal["plain", "hmac-sha256", "sha256"]
OnPoison = Literal["block", "park"]


class WeakFormat(Problem):
    """Plain SHA-256 hides nothing, and was not accepted as weak.

    A list of phone numbers hashed so is broken in minutes. Take `hmac-sha256`; if the partner can
    do nothing else, send `"accept_weak": true` and treat the list as plain.
    """

    type = "weak-format"
    title = "This format hides nothing"
    status = 422


@dataclass(frozen=True, slots=True)
class Way:
    """How a database is to be told.

    ``url`` belongs to the mode webhook; ``zone`` to it and to ``recall_url``, where there is one.
    """

    mode: Mode
    identifier_format: Format
    url: str | None = None
    zone: ZoneName | None = None
    recall_url: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a database is told, with its secrets unsealed; ``retiring`` ends when it is said."""

    database: int
    way: Way
    signing_secret: str = field(repr=False)
    retiring_secret: str | None = field(repr=False)
    retiring_until: datetime | None
    identifier_key: bytes | None = field(repr=False)
    last_error: str | None
    last_error_at: datetime | None
    on_poison: OnPoison = "block"

    def secrets_at(self, at: datetime) -> tuple[str, ...]:
        """Tell which secrets sign at a moment, the current one first."""
        if self.retiring_secret is None or self.retiring_until is None or self.retiring_until <= at:
            return (self.signing_secret,)
        return (self.signing_secret, self.retiring_secret)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is shown once: the signing secret, and the key of hashed identifiers in base64."""

    signing_secret: str | None = field(repr=False)
    identifier_key: str | None = field(repr=False)


async def create_endpoint(
    session: AsyncSession, vault: Vault, database: int, way: Way, on_poison: OnPoison
) -> Secrets:
    """Make a database's endpoint, with new secrets."""
    secret = new_signing_secret()
    key = os.urandom(32) if way.identifier_format == "hmac-sha256" else None
    await session.execute(
        insert(EndpointRow).values(
            database=database,
            mode=way.mode,
            url=way.url,
            zone=way.zone,
            recall_url=way.recall_url,
            identifier_format=way.identifier_format,
            signing_secret=_seal(vault, database, secret.encode()),
            identifier_key=None if key is None else _seal(vault, database, key),
            on_poison=on_poison,
        )
    )
    if way.recall_url is not None:
        await begin_recalls(session, database)
    return Secrets(secret, _shown(key))


async def change_endpoint(
    session: AsyncSession, vault: Vault, database: int, way: Way
) -> Secrets | None:
    """Tell a database in another way; a first hashed format brings its key, to be shown once."""
    row = await _row(session, database, lock=True)
    row.mode, row.url, row.zone = way.mode, way.url, way.zone
    row.identifier_format = way.identifier_format
    recalled, row.recall_url = row.recall_url, way.recall_url
    if way.recall_url is None:
        await end_recalls(session, database)
    elif way.recall_url != recalled:
        await begin_recalls(session, database)
    issued = None
    if way.identifier_format == "hmac-sha256" and row.identifier_key is None:
        key = os.urandom(32)
        row.identifier_key = _seal(vault, database, key)
        issued = Secrets(None, _shown(key))
    await session.flush()
    return issued


async def change_policy(session: AsyncSession, database: int, on_poison: OnPoison) -> None:
    """Say what becomes of an entry that a database refuses by itself."""
    row = await _row(session, database, lock=True)
    row.on_poison = on_poison
    await session.flush()


async def rotate_secret(session: AsyncSession, vault: Vault, database: int, *, at: datetime) -> str:
    """Make a new signing secret; the present one signs beside it for 24 hours more."""
    row = await _row(session, database, lock=True)
    secret = new_signing_secret()
    row.retiring_secret, row.retiring_until = row.signing_secret, at + RETIRING
    row.signing_secret = _seal(vault, database, secret.encode())
    await session.flush()
    return secret


async def find_endpoint(session: AsyncSession, vault: Vault, database: int) -> Endpoint:
    """Find how a database is told.

    Raises:
        NotFound: it was deleted.
    """
    return _endpoint(vault, await _row(session, database))


async def read_endpoints(
    session: AsyncSession, vault: Vault, databases: Collection[int]
) -> dict[int, Endpoint]:
    """Read how some databases are told, by their numbers; deleted ones are left out."""
    rows = await session.execute(select(EndpointRow).where(EndpointRow.database.in_(databases)))
    return {row.database: _endpoint(vault, row) for row in rows.scalars()}


async def read_errors(session: AsyncSession) -> dict[int, str]:
    """Read the errors that are shown of databases; those that show none are left out."""
    rows = await session.execute(
        select(EndpointRow.database, EndpointRow.last_error).where(
            EndpointRow.last_error.is_not(None)
        )
    )
    return {database: error for database, error in rows if error is not None}


async def delete_endpoint(session: AsyncSession, database: int) -> None:
    """Destroy an endpoint with its secrets."""
    await session.execute(delete(EndpointRow).where(EndpointRow.database == database))


async def note_result(
    session: AsyncSession, database: int, *, error: str | None, at: datetime
) -> None:
    """Note what came of the last request: an error to show, or None for a success."""
    await session.execute(
        update(EndpointRow)
        .where(EndpointRow.database == database)
        .values(last_error=error, last_error_at=None if error is None else at)
    )


async def _row(session: AsyncSession, database: int, *, lock: bool = False) -> EndpointRow:
    query = select(EndpointRow).where(EndpointRow.database == database)
    row = (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such database.")
    return row


def _endpoint(vault: Vault, row: EndpointRow) -> Endpoint:
    retiring, key = row.retiring_secret, row.identifier_key
    return Endpoint(
        row.database,
        # The columns hold nothing but what a Way was made of.
        Way(row.mode, row.identifier_format, row.url, row.zone, row.recall_url),  # type: ignore[arg-type]
        _unseal(vault, row.database, row.signing_secret).decode(),
        None if retiring is None else _unseal(vault, row.database, retiring).decode(),
        row.retiring_until,
        None if key is None else _unseal(vault, row.database, key),
        row.last_error,
        row.last_error_at,
        row.on_poison,  # type: ignore[arg-type]  # as above
    )


def _context(database: int) -> bytes:
    return b"endpoint %d" % database


def _seal(vault: Vault, database: int, secret: bytes) -> bytes:
    return vault.seal(secret, context=_context(database))


def _unseal(vault: Vault, database: int, sealed: bytes) -> bytes:
    return vault.unseal(sealed, context=_context(database))


def _shown(key: bytes | None) -> str | None:
    return None if key is None else base64.b64encode(key).decode()


SEALED = tuple(
    Sealed("endpoints", column, ("database",), lambda row: _context(row.database))
    for column in ("signing_secret", "retiring_secret", "identifier_key")
)
"""The columns of this room that are sealed."""
