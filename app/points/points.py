"""Finding contact points by digest, keeping them sealed, destroying what is sealed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import PHONE_TABLES, DigestKeys, Identifier, mask
from app.journal import Kind
from app.platform.db import Unavailable
from app.platform.keyring import BadKeys
from app.platform.vault import Vault, keys_lacking
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class PointKeys:
    """The two rings that contact points need, to find them and to read them.

    ``tables`` says by what this process brings phones to their normal form.
    """

    digests: DigestKeys
    vault: Vault
    tables: str = PHONE_TABLES

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read both rings.

        Raises:
            BadKeys: one is missing or cannot be read; a registry without its keys must not
                start.
        """
        if settings.digest_keys is None or settings.sealing_keys is None:
            raise BadKeys(
                "OPTOUT_DIGEST_KEYS and OPTOUT_SEALING_KEYS must be set with OPTOUT_DATABASE_URL."
            )
        read = "OPTOUT_DIGEST_KEYS"
        try:
            digests = DigestKeys.parse(settings.digest_keys.get_secret_value())
            read = "OPTOUT_SEALING_KEYS"
            return cls(digests, Vault.parse(settings.sealing_keys.get_secret_value()))
        except BadKeys as error:
            raise BadKeys(f"{read}: {error}") from None

    def require(self, numbers: Iterable[int], tables: str | None) -> None:
        """Refuse to go on with less than the database was written with: digest keys, tables.

        Raises:
            Unavailable: what stands under a key that is lacking, or under another normal form,
                would be missed.
        """
        lacking = set(numbers).difference(self.digests.numbers)
        if lacking:
            raise Unavailable(
                f"This process was not given digest key {min(lacking)}; start it with every key.",
                headers={"Retry-After": "1"},
            )
        require_tables(self.tables, tables)


def require_tables(own: str, tables: str | None) -> None:
    """Refuse to go on with other phone tables than the database was written by.

    Raises:
        Unavailable: somebody who is suppressed would be looked for under another normal form.
    """
    if tables != own:
        raise Unavailable(
            f"This process reads phone numbers by tables {own}, the registry by "
            f"{tables or 'newer ones soon'}; see `optout renormalise`.",
            headers={"Retry-After": "1"},
        )


class Point(NamedTuple):
    """A contact point's row: its number, and its digest under the current key."""

    id: int
    kind: Kind
    digest: bytes


_CLAIM = text("""
INSERT INTO contact_points (digest, key_number, kind, sealed)
SELECT digest, :number, kind, sealed
FROM unnest(CAST(:digests AS bytea[]), CAST(:kinds AS int2[]),
            CAST(:sealed AS bytea[])) AS g (digest, kind, sealed)
ORDER BY digest
ON CONFLICT (digest) DO UPDATE
SET sealed = coalesce(contact_points.sealed, excluded.sealed), erased_at = NULL
RETURNING id, digest,
    (SELECT array_agg(number) FROM key_check WHERE purpose = 'digest') AS numbers,
    (SELECT version FROM phone_tables) AS tables
""")


async def claim_points(
    session: AsyncSession, keys: PointKeys, identifiers: Iterable[Identifier]
) -> dict[Identifier, Point]:
    """Find contact points, or make those that are new, and lock them until the commit.

    They are locked in the order of their digests, so that two requests about the same people
    cannot wait for each other. A point that was erased is sealed anew: its owner is back, and the
    databases must be told again.

    Raises:
        Unavailable: this process lacks a digest key or reads phones by other tables, and would
            make a second row of a person.
    """
    points, numbers, tables = await claim(session, keys, identifiers)
    keys.require(numbers, tables)
    return points


async def claim(
    session: AsyncSession, keys: PointKeys, identifiers: Iterable[Identifier]
) -> tuple[dict[Identifier, Point], Iterable[int], str | None]:
    """Claim contact points, and tell which keys and tables the database was written with."""
    wanted = {keys.digests.digest(one)[1]: one for one in identifiers}
    await bring_current(session, keys, wanted.values())
    ordered = sorted(wanted)
    rows = (
        await session.execute(
            _CLAIM,
            {
                "number": keys.digests.current,
                "digests": ordered,
                "kinds": [wanted[digest].kind for digest in ordered],
                "sealed": [_seal(keys.vault, wanted[digest], digest) for digest in ordered],
            },
        )
    ).all()
    points = {
        wanted[row.digest]: Point(row.id, wanted[row.digest].kind, row.digest) for row in rows
    }
    return points, rows[0].numbers or (), rows[0].tables


async def lock_points(
    session: AsyncSession, keys: PointKeys, identifiers: Iterable[Identifier]
) -> dict[Identifier, Point]:
    """Find contact points that are there and lock them until the commit, making none.

    Raises:
        Unavailable: this process lacks a digest key, and would miss what is there.
    """
    wanted = {keys.digests.digest(one)[1]: one for one in identifiers}
    await bring_current(session, keys, wanted.values())
    rows = await session.execute(
        text("""
            SELECT id, digest FROM contact_points WHERE digest = ANY(:digests)
            ORDER BY digest FOR UPDATE
        """),
        {"digests": list(wanted)},
    )
    await require_fit(session, keys)
    return {wanted[row.digest]: Point(row.id, wanted[row.digest].kind, row.digest) for row in rows}


async def lock_point_ids(session: AsyncSession, ids: Collection[int]) -> list[Point]:
    """Lock contact points by their numbers until the commit, in the order of their digests."""
    rows = await session.execute(
        text("""
            SELECT id, kind, digest FROM contact_points WHERE id = ANY(:ids)
            ORDER BY digest FOR UPDATE
        """),
        {"ids": list(ids)},
    )
    return [Point(row.id, Kind(row.kind), row.digest) for row in rows]


async def find_point(session: AsyncSession, keys: PointKeys, identifier: Identifier) -> int | None:
    """Look a contact point up under every live key; None if the registry never heard of it.

    Raises:
        Unavailable: this process lacks a digest key, and would miss what is there.
    """
    found = await session.scalar(
        text("SELECT id FROM contact_points WHERE digest = ANY(:digests)"),
        {"digests": list(keys.digests.digests(identifier))},
    )
    await require_fit(session, keys)
    return None if found is None else int(found)


class OpenedPoint(NamedTuple):
    """A contact point with its value unsealed; ``identifier`` is None once it was erased.

    A tuple, for a backlog makes a million of them.
    """

    id: int
    kind: Kind
    identifier: Identifier | None

    @property
    def masked(self) -> str:
        """Show the contact point where it is not meant to be carried."""
        return "•••" if self.identifier is None else mask(self.identifier)


async def open_points(
    session: AsyncSession, keys: PointKeys, ids: Collection[int]
) -> dict[int, OpenedPoint]:
    """Unseal contact points by their numbers."""
    rows = await session.execute(
        text("SELECT id, kind, digest, sealed FROM contact_points WHERE id = ANY(:ids)"),
        {"ids": list(ids)},
    )
    return {
        point: OpenedPoint(point, _KINDS[kind], unseal(keys, kind, digest, sealed))
        for point, kind, digest, sealed in rows
    }


def unseal(keys: PointKeys, kind: int, digest: bytes, sealed: bytes | None) -> Identifier | None:
    """Read a row's sealed value; None if it was destroyed."""
    if sealed is None:
        return None
    return Identifier(_KINDS[kind], keys.vault.unseal(sealed, context=digest).decode())


# Looked up, because calling an enumeration is slow, and a snapshot does it a million times.
_KINDS = {int(one): one for one in Kind}


async def destroy_values(session: AsyncSession, ids: Sequence[int], at: datetime) -> None:
    """Destroy what is sealed; the digests stay, so that the people are still recognised."""
    await session.execute(
        text("""
            UPDATE contact_points SET sealed = NULL, erased_at = :at
            WHERE id = ANY(:ids) AND sealed IS NOT NULL
        """),
        {"ids": list(ids), "at": at},
    )


def _seal(vault: Vault, identifier: Identifier, digest: bytes) -> bytes:
    # Bound to the digest: a sealed value moved to another row does not open.
    return vault.seal(identifier.value.encode(), context=digest)


async def bring_current(
    session: AsyncSession,
    keys: PointKeys,
    identifiers: Iterable[Identifier],
    *,
    reseal: bool = False,
) -> None:
    """Bring contact points that stand under another live key to the current one.

    With ``reseal`` those that stand under the current one are sealed anew too.

    While there is more than one key, processes may differ in which is the current one. Each holds
    a lock on the person, named by the key with the lowest number, until it commits: else two of
    them would make two rows of one person, whose versions would contradict each other.
    """
    if len(keys.digests.numbers) == 1 and not reseal:
        return
    locks, others = set(), {}
    for identifier in identifiers:
        digests = dict(zip(keys.digests.numbers, keys.digests.digests(identifier), strict=True))
        locks.add(int.from_bytes(digests[min(digests)][:8], signed=True))
        _, current = keys.digests.digest(identifier)
        sealed = _seal(keys.vault, identifier, current)
        others.update(
            {one: (current, sealed) for one in digests.values() if reseal or one != current}
        )
    await session.execute(
        text("SELECT pg_advisory_xact_lock(one) FROM unnest(CAST(:locks AS int8[])) AS one"),
        {"locks": sorted(locks)},
    )
    await session.execute(
        text("""
            WITH found AS (
                SELECT id, digest FROM contact_points WHERE digest = ANY(:others)
                ORDER BY digest FOR UPDATE
            )
            UPDATE contact_points p
            SET digest = g.digest, key_number = :number,
                sealed = CASE WHEN p.sealed IS NOT NULL THEN g.sealed END
            FROM found JOIN unnest(CAST(:others AS bytea[]), CAST(:digests AS bytea[]),
                                   CAST(:sealed AS bytea[])) AS g (other, digest, sealed)
                 ON g.other = found.digest
            WHERE p.id = found.id
        """),
        {
            "others": list(others),
            "digests": [digest for digest, _ in others.values()],
            "sealed": [sealed for _, sealed in others.values()],
            "number": keys.digests.current,
        },
    )


async def require_fit(session: AsyncSession, keys: PointKeys) -> None:
    """Refuse to go on with less than the database was written with, until the commit.

    Asked *after* the look-up: a key is known before anything is written with it, so what fits now
    covers every row that the look-up could have seen (``platform.vault.register_keys``).

    Raises:
        Unavailable: as ``PointKeys.require``.
    """
    lacking = await keys_lacking(session, "digest", keys.digests.ring)
    tables = await session.scalar(text("SELECT version FROM phone_tables"))
    keys.require((*keys.digests.numbers, *lacking), tables)
