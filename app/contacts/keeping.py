"""Keeping consents: many in one statement, each once, with what is sealed beside it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.ids import new_id
from app.platform.vault import Vault
from app.points import PointKeys

from .claiming import number_points
from .consents import NewConsent, Origin, Recorded, Slot
from .naming import number_objects, number_wordings
from .refusals import UnusableRecord
from .sealing import of_consent, seal

_KEEP = text("""
INSERT INTO consents (id, point, recorded_at, given_at, expires_at, key, object, wording,
                      given_offset, brand, medium, mentions, positive_act, proof, source, channel,
                      collected_by, called_by, slots, evidence)
SELECT g.id, g.point, :at, g.given_at, g.expires_at, :key, g.object, g.wording, g.given_offset,
       g.brand, g.medium, g.mentions, g.positive_act, g.proof, g.source, :channel,
       g.collected_by, g.called_by, CAST(g.slots AS timestamptz[]), g.evidence
FROM unnest(CAST(:ids AS uuid[]), CAST(:points AS int8[]), CAST(:given AS timestamptz[]),
            CAST(:expires AS timestamptz[]), CAST(:objects AS int4[]), CAST(:wordings AS int4[]),
            CAST(:offsets AS int2[]), CAST(:brands AS int2[]), CAST(:media AS int2[]),
            CAST(:mentions AS int2[]), CAST(:acts AS int2[]), CAST(:proofs AS int2[]),
            CAST(:sources AS int2[]), CAST(:collectors AS int2[]), CAST(:callers AS int2[]),
            CAST(:slots AS text[]), CAST(:evidence AS bytea[]))
     AS g (id, point, given_at, expires_at, object, wording, given_offset, brand, medium, mentions,
           positive_act, proof, source, collected_by, called_by, slots, evidence)
ON CONFLICT DO NOTHING
RETURNING id
""")
_FIND_SAME = text("""
SELECT g.n, c.id
FROM unnest(CAST(:points AS int8[]), CAST(:given AS timestamptz[]),
            CAST(:expires AS timestamptz[]), CAST(:objects AS int4[]), CAST(:wordings AS int4[]),
            CAST(:brands AS int2[]), CAST(:media AS int2[]), CAST(:proofs AS int2[]))
     WITH ORDINALITY AS g (point, given_at, expires_at, object, wording, brand, medium, proof, n)
JOIN consents c ON c.point = g.point AND c.given_at = g.given_at AND c.object = g.object
     AND c.wording = g.wording AND c.brand = g.brand AND c.medium = g.medium AND c.proof = g.proof
     AND c.expires_at IS NOT DISTINCT FROM g.expires_at
""")


async def record_consents(
    session: AsyncSession, keys: PointKeys, news: Sequence[NewConsent], origin: Origin
) -> list[Recorded | UnusableRecord]:
    """Keep consents, each once: one that says the very same as another is that one.

    Contact points are found or made, and locked until the commit. No objection is lifted by it.

    Returns:
        For each what was recorded, or that its wording is not on record.
    """
    wordings = await number_wordings(session, keys.vault, [one.wording for one in news])
    kept = [one for one in news if one.wording.name in wordings]
    if not kept:
        return [_unknown_wording() for _ in news]
    ids = [new_id() for _ in kept]
    evidence = await asyncio.to_thread(_seal, keys.vault, ids, kept)
    points = await number_points(session, keys, [one.identifier for one in kept])
    rows = await _rows(session, kept, wordings) | {
        "ids": ids,
        "points": points,
        "evidence": evidence,
    }
    given = rows | {"at": origin.at, "key": origin.key, "channel": origin.channel}
    made = set((await session.scalars(_KEEP, given)).all())
    same = await _same(session, rows, made)
    done = (
        Recorded(same.get(place, one), points[place], one in made) for place, one in enumerate(ids)
    )
    return [next(done) if one.wording.name in wordings else _unknown_wording() for one in news]


def _unknown_wording() -> UnusableRecord:
    return UnusableRecord("unknown_wording", "/wording", "no wording with that digest is on record")


async def _rows(
    session: AsyncSession,
    news: Sequence[NewConsent],
    wordings: Mapping[tuple[bytes, str], int],
) -> dict[str, list[Any]]:
    """Write what consents say as columns."""
    objects = await number_objects(session, (one.object for one in news))
    return {
        "given": [one.given_at for one in news],
        "expires": [one.expires_at for one in news],
        "objects": [objects[one.object] for one in news],
        "wordings": [wordings[one.wording.name] for one in news],
        "offsets": [one.given_offset for one in news],
        "brands": [one.brand for one in news],
        "media": [int(one.medium) for one in news],
        "mentions": [int(one.mentions) for one in news],
        "acts": [int(one.positive_act) for one in news],
        "proofs": [int(one.proof) for one in news],
        "sources": [int(one.source) for one in news],
        "collectors": [one.collected_by for one in news],
        "callers": [one.called_by for one in news],
        "slots": [_written(one.slots) for one in news],
    }


def _seal(vault: Vault, ids: Sequence[UUID], news: Sequence[NewConsent]) -> list[bytes | None]:
    return [
        seal(vault, one.told, of_consent(number)) for number, one in zip(ids, news, strict=True)
    ]


def _written(slots: Sequence[Slot]) -> str | None:
    """Write slots as an array of PostgreSQL, beginnings and ends by turns."""
    if not slots:
        return None
    return "{" + ",".join(moment.isoformat() for slot in slots for moment in slot) + "}"


async def _same(
    session: AsyncSession, rows: Mapping[str, list[Any]], made: Collection[UUID]
) -> dict[int, UUID]:
    """Find the consents that others said before, by the place of those that say the same."""
    places = [place for place, one in enumerate(rows["ids"]) if one not in made]
    if not places:
        return {}
    names = ("points", "given", "expires", "objects", "wordings", "brands", "media", "proofs")
    found = await session.execute(
        _FIND_SAME, {name: [rows[name][place] for place in places] for name in names}
    )
    return {places[row.n - 1]: row.id for row in found}
