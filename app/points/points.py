"""Finding contact points by digest, keeping them sealed, destroying what is sealed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import DigestKeys, Identifier, mask
from app.journal import Kind
from app.platform.vault import Vault
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class PointKeys:
    """The two rings that contact points need: to find them, and to read them."""

    digests: DigestKeys
    vault: Vault

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read both rings.

        Raises:
            ValueError: one is missing or cannot be read; a registry without its keys must not
                start.
        """
        if settings.digest_keys is None or settings.sealing_keys is None:
            raise ValueError("OPTOUT_DIGEST_KEYS and OPTOUT_SEALING_KEYS must be set")
        return cls(
            DigestKeys.parse(settings.digest_keys.get_secret_value()),
            Vault.parse(settings.sealing_keys.get_secret_value()),
        )


@dataclass(frozen=True, slots=True)
class Point:
    """A contact point's row: its number, and its digest under the current key."""

    id: int
    kind: Kind
    digest: bytes


async def claim_points(
    session: AsyncSession, keys: PointKeys, identifiers: Iterable[Identifier]
) -> dict[Identifier, Point]:
    """Find contact points, or make those that are new, and lock them until the commit.

    They are locked in the order of their digests, so that two requests about the same people
    cannot wait for each other. A point that was erased is sealed anew: its owner is back, and the
    databases must be told again.
    """
    wanted = {keys.digests.digest(one): one for one in identifiers}
    if len(keys.digests.numbers) > 1:
        await _redigest(session, keys, wanted.values())
    ordered = sorted(wanted, key=lambda numbered: numbered[1])
    rows = await session.execute(
        text("""
            INSERT INTO contact_points (digest, key_number, kind, sealed)
            SELECT digest, key_number, kind, sealed
            FROM unnest(CAST(:digests AS bytea[]), CAST(:numbers AS int2[]),
                        CAST(:kinds AS int2[]), CAST(:sealed AS bytea[]))
                 AS g (digest, key_number, kind, sealed)
            ORDER BY digest
            ON CONFLICT (digest) DO UPDATE
            SET sealed = coalesce(contact_points.sealed, excluded.sealed), erased_at = NULL
            RETURNING id, digest
        """),
        {
            "digests": [digest for _, digest in ordered],
            "numbers": [number for number, _ in ordered],
            "kinds": [wanted[one].kind for one in ordered],
            "sealed": [_seal(keys.vault, wanted[one], one[1]) for one in ordered],
        },
    )
    by_digest = {digest: identifier for (_, digest), identifier in wanted.items()}
    return {
        by_digest[row.digest]: Point(row.id, by_digest[row.digest].kind, row.digest) for row in rows
    }


async def lock_points(
    session: AsyncSession, keys: PointKeys, identifiers: Iterable[Identifier]
) -> dict[Identifier, Point]:
    """Find contact points that are there and lock them until the commit, making none."""
    wanted = list(identifiers)
    if len(keys.digests.numbers) > 1:
        await _redigest(session, keys, wanted)
    by_digest = {keys.digests.digest(one)[1]: one for one in wanted}
    rows = await session.execute(
        text("""
            SELECT id, digest FROM contact_points WHERE digest = ANY(:digests)
            ORDER BY digest FOR UPDATE
        """),
        {"digests": list(by_digest)},
    )
    return {
        by_digest[row.digest]: Point(row.id, by_digest[row.digest].kind, row.digest) for row in rows
    }


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
    """Look a contact point up under every live key; None if the registry never heard of it."""
    found = await session.scalar(
        text("SELECT id FROM contact_points WHERE digest = ANY(:digests)"),
        {"digests": list(keys.digests.digests(identifier))},
    )
    return None if found is None else int(found)


@dataclass(frozen=True, slots=True)
class OpenedPoint:
    """A contact point with its value unsealed; ``identifier`` is None once it was erased."""

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
        row.id: OpenedPoint(row.id, Kind(row.kind), unseal(keys, row.kind, row.digest, row.sealed))
        for row in rows
    }


def unseal(keys: PointKeys, kind: int, digest: bytes, sealed: bytes | None) -> Identifier | None:
    """Read a row's sealed value; None if it was destroyed."""
    if sealed is None:
        return None
    return Identifier(Kind(kind), keys.vault.unseal(sealed, context=digest).decode())


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


async def _redigest(
    session: AsyncSession, keys: PointKeys, identifiers: Iterable[Identifier]
) -> None:
    """Bring points that stand under an older key to the current one, since their value is here."""
    for identifier in sorted(identifiers, key=keys.digests.digest):
        number, digest = keys.digests.digest(identifier)
        older = [one for one in keys.digests.digests(identifier) if one != digest]
        await session.execute(
            text("""
                UPDATE contact_points SET digest = :digest, key_number = :number,
                    sealed = CASE WHEN sealed IS NOT NULL THEN :sealed END
                WHERE digest = ANY(:older)
                  AND NOT EXISTS (SELECT FROM contact_points WHERE digest = :digest)
            """),
            {
                "digest": digest,
                "number": number,
                "older": older,
                "sealed": _seal(keys.vault, identifier, digest),
            },
        )
