"""What is told about a person in words: sealed, opened for who may see it, and destroyed."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.resealing import Sealed
from app.platform.vault import Vault

from .proofs import degrade
from .words import Audience, Proof

EVIDENCE_YEARS = 3
"""For how long evidence is kept, from the collection of the consent (CNIL's reference)."""
_AT_ONCE = 1_000


def evidence_until(given_at: datetime) -> datetime:
    """Tell until when the evidence of a consent is kept; of 29 February until the 28th."""
    try:
        return given_at.replace(year=given_at.year + EVIDENCE_YEARS)
    except ValueError:
        return given_at.replace(year=given_at.year + EVIDENCE_YEARS, day=28)


def seal(vault: Vault, told: Mapping[str, Any], context: bytes) -> bytes | None:
    """Seal what was told beside a record; None where that is nothing."""
    if not told:
        return None
    return vault.seal(json.dumps(told, ensure_ascii=False, sort_keys=True).encode(), context)


def unseal(vault: Vault, sealed: bytes | None, context: bytes) -> dict[str, Any]:
    """Open it; nothing where nothing was told, or where it was destroyed."""
    return {} if sealed is None else dict(json.loads(vault.unseal(sealed, context)))


def of_consent(number: UUID) -> bytes:
    """Name the place of a consent's evidence."""
    return b"consents.evidence " + number.bytes


def of_contract(number: UUID) -> bytes:
    """Name the place of a contract's reference."""
    return b"contracts.reference " + number.bytes


def of_profile(point: int) -> bytes:
    """Name the place of a profile's evidence."""
    return b"contact_profiles.evidence %d" % point


def of_wording(sha256: bytes) -> bytes:
    """Name the place of a wording's text."""
    return b"consent_wordings.text " + sha256


SEALED = (
    Sealed("consents", "evidence", ("id",), lambda row: of_consent(row.id)),
    Sealed("contracts", "reference", ("id",), lambda row: of_contract(row.id)),
    Sealed("contact_profiles", "evidence", ("point",), lambda row: of_profile(row.point)),
    Sealed(
        "contact_profile_versions",
        "evidence",
        ("point", "recorded_at"),
        lambda row: of_profile(row.point),
    ),
    Sealed(
        "consent_wordings", "text", ("id",), lambda row: of_wording(bytes(row.sha256)), ("sha256",)
    ),
)
"""The columns of this room that are sealed."""


async def forget_contacts(session: AsyncSession, points: Collection[int]) -> None:
    """Destroy what words and evidence stand about some contact points, because of an erasure.

    What rests on the evidence falls with it: a consent proves nothing any more, and nobody is
    known to be a professional.
    """
    given = {"points": list(points)}
    whole = await session.scalars(
        text("SELECT id FROM consents WHERE point = ANY(:points) AND proof = :whole FOR UPDATE"),
        given | {"whole": Proof.COMPLETE},
    )
    await degrade(session, whole.all(), Proof.INCOMPLETE)
    await session.execute(
        text("""
            UPDATE consents SET evidence = NULL
            WHERE point = ANY(:points) AND evidence IS NOT NULL
        """),
        given,
    )
    await session.execute(
        text("""
            UPDATE contracts SET reference = NULL
            WHERE point = ANY(:points) AND reference IS NOT NULL
        """),
        given,
    )
    for profiles in ("contact_profiles", "contact_profile_versions"):
        await session.execute(
            text(f"""
                UPDATE {profiles} SET evidence = NULL, audience = :unknown, fits = '{{}}'
                WHERE point = ANY(:points)
            """),  # noqa: S608 - of two names that stand here
            given | {"unknown": Audience.UNKNOWN},
        )


async def destroy_old_evidence(session: AsyncSession, *, at: datetime) -> int:
    """Destroy evidence of consents whose time is over, some at once: how many.

    A consent that should still count then proves nothing any more.
    """
    found = await session.execute(
        text("""
            SELECT id, proof FROM consents WHERE evidence IS NOT NULL
              AND given_at <= CAST(:at AS timestamptz) - make_interval(years => :years)
            ORDER BY given_at LIMIT :most FOR UPDATE SKIP LOCKED
        """),
        {"at": at, "years": EVIDENCE_YEARS, "most": _AT_ONCE},
    )
    old = found.all()
    whole = [row.id for row in old if row.proof == Proof.COMPLETE]
    await degrade(session, whole, Proof.INCOMPLETE)
    await session.execute(
        text("UPDATE consents SET evidence = NULL WHERE id = ANY(:ids)"),
        {"ids": [row.id for row in old]},
    )
    return len(old)
