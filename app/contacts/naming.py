"""Names that many records share, kept once: what is offered, and what people were told."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.vault import Vault

from .refusals import UnusableRecord
from .sealing import of_wording


@dataclass(frozen=True, slots=True)
class Wording:
    """What people were told, to the letter; without ``text`` one that is on record is meant."""

    sha256: bytes
    version: str
    text: str | None = None

    @property
    def name(self) -> tuple[bytes, str]:
        """What makes two wordings the same."""
        return self.sha256, self.version


def read_wording(said: str | None, version: str, sha256: str | None, *, pointer: str) -> Wording:
    """Read a wording as it is sent: its text, or the digest of one that was sent before.

    Raises:
        UnusableRecord: neither is given, or the two do not fit together.
    """
    if said is None:
        if sha256 is None:
            raise UnusableRecord(
                "no_wording", pointer, "the wording is needed, or the digest of one on record"
            )
        return Wording(bytes.fromhex(sha256), version)
    digest = hashlib.sha256(said.encode()).digest()
    if sha256 is not None and bytes.fromhex(sha256) != digest:
        raise UnusableRecord("wording_differs", pointer, "the digest is not that of the text")
    return Wording(digest, version, said)


async def number_objects(session: AsyncSession, names: Iterable[str]) -> dict[str, int]:
    """Find the numbers of objects by their names; those that are new get one."""
    wanted = sorted(set(names))
    found = await _objects(session, wanted)
    new = [name for name in wanted if name not in found]
    if new:
        await session.execute(
            text("""
                INSERT INTO contact_objects (name) SELECT unnest(CAST(:names AS text[]))
                ON CONFLICT DO NOTHING
            """),
            {"names": new},
        )
        found |= await _objects(session, new)
    return found


async def _objects(session: AsyncSession, names: list[str]) -> dict[str, int]:
    rows = await session.execute(
        text("SELECT name, id FROM contact_objects WHERE name = ANY(:names)"), {"names": names}
    )
    return {row.name: row.id for row in rows}


async def name_objects(session: AsyncSession, numbers: Iterable[int]) -> dict[int, str]:
    """Find the names of objects by their numbers."""
    rows = await session.execute(
        text("SELECT id, name FROM contact_objects WHERE id = ANY(:numbers)"),
        {"numbers": list(set(numbers))},
    )
    return {row.id: row.name for row in rows}


async def number_wordings(
    session: AsyncSession, vault: Vault, wordings: Sequence[Wording]
) -> dict[tuple[bytes, str], int]:
    """Find the numbers of wordings; those whose text is given are kept, where they are new.

    One that is neither on record nor given is left out.
    """
    wanted = {one.name: one for one in wordings}
    wanted |= {one.name: one for one in wordings if one.text is not None}
    found = await _wordings(session, wanted)
    new = sorted((one for one in wanted.values() if one.text is not None), key=lambda one: one.name)
    new = [one for one in new if one.name not in found]
    if new:
        await session.execute(
            text("""
                INSERT INTO consent_wordings (sha256, version, text)
                SELECT * FROM unnest(CAST(:digests AS bytea[]), CAST(:versions AS text[]),
                                     CAST(:texts AS bytea[]))
                ON CONFLICT DO NOTHING
            """),
            {
                "digests": [one.sha256 for one in new],
                "versions": [one.version for one in new],
                "texts": [
                    vault.seal((one.text or "").encode(), of_wording(one.sha256)) for one in new
                ],
            },
        )
        found |= await _wordings(session, [one.name for one in new])
    return found


async def _wordings(
    session: AsyncSession, names: Iterable[tuple[bytes, str]]
) -> dict[tuple[bytes, str], int]:
    named = list(names)
    rows = await session.execute(
        text("""
            SELECT w.id, w.sha256, w.version FROM consent_wordings w
            JOIN unnest(CAST(:digests AS bytea[]), CAST(:versions AS text[]))
                 AS g (sha256, version) USING (sha256, version)
        """),
        {"digests": [digest for digest, _ in named], "versions": [name for _, name in named]},
    )
    return {(bytes(row.sha256), row.version): row.id for row in rows}


async def read_wordings(
    session: AsyncSession, vault: Vault, numbers: Iterable[int]
) -> Mapping[int, Wording]:
    """Open wordings by their numbers."""
    rows = await session.execute(
        text("SELECT id, sha256, version, text FROM consent_wordings WHERE id = ANY(:numbers)"),
        {"numbers": list(set(numbers))},
    )
    return {
        row.id: Wording(
            bytes(row.sha256),
            row.version,
            vault.unseal(bytes(row.text), of_wording(bytes(row.sha256))).decode(),
        )
        for row in rows
    }
