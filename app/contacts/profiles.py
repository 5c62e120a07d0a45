"""Profiles: who stands behind a contact point, as far as it decides which rules hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.platform.vault import Vault
from app.points import PointKeys

from .claiming import number_points
from .consents import Origin
from .naming import name_objects, number_objects
from .refusals import UnusableRecord
from .sealing import of_profile, seal, unseal
from .words import Audience


@dataclass(frozen=True, slots=True)
class NewProfile:
    """What is known of somebody; ``evidence`` tells how, and a professional needs it.

    ``fits`` are the objects that fit a professional's job.
    """

    identifier: Identifier
    audience: Audience
    sole_trader: bool | None
    country: str | None
    time_zone: str | None
    fits: tuple[str, ...] = ()
    evidence: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it stands."""

    recorded_at: datetime
    audience: Audience
    sole_trader: bool | None
    country: str | None
    time_zone: str | None
    fits: Sequence[str]
    evidence: dict[str, Any] | None = field(repr=False)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def require_profile(new: NewProfile, *, pointer: str = "") -> None:
    """Refuse a time zone that does not exist, and a professional whom nothing shows to be one.

    Raises:
        UnusableRecord: it says where.
    """
    if new.time_zone is not None and new.time_zone not in _zones():
        raise UnusableRecord(
            "unknown_time_zone", f"{pointer}/time_zone", "the IANA database knows no such zone"
        )
    if new.audience is Audience.PROFESSIONAL and not new.evidence:
        raise UnusableRecord(
            "no_evidence", f"{pointer}/evidence", "is needed to treat somebody as a professional"
        )


_KEEP = text("""
INSERT INTO contact_profiles AS p
    (point, recorded_at, key, audience, sole_trader, country, time_zone, fits, evidence)
SELECT DISTINCT ON (g.point) g.point, :at, :key, g.audience, g.sole_trader, g.country,
       g.time_zone, CAST(g.fits AS int4[]), g.evidence
FROM unnest(CAST(:points AS int8[]), CAST(:audiences AS int2[]), CAST(:sole AS bool[]),
            CAST(:countries AS text[]), CAST(:zones AS text[]), CAST(:fits AS text[]),
            CAST(:evidence AS bytea[])) WITH ORDINALITY
     AS g (point, audience, sole_trader, country, time_zone, fits, evidence, n)
ORDER BY g.point, g.n DESC
ON CONFLICT (point) DO UPDATE
SET recorded_at = excluded.recorded_at, key = excluded.key, audience = excluded.audience,
    sole_trader = excluded.sole_trader, country = excluded.country,
    time_zone = excluded.time_zone, fits = excluded.fits, evidence = excluded.evidence
""")


async def record_profiles(
    session: AsyncSession, keys: PointKeys, news: Sequence[NewProfile], origin: Origin
) -> None:
    """Keep profiles, each in place of the one that stood there; of two of one person the last.

    Contact points are found or made, and locked until the commit.
    """
    if not news:
        return
    points = await number_points(session, keys, [one.identifier for one in news])
    objects = await number_objects(session, (name for one in news for name in one.fits))
    await session.execute(
        _KEEP,
        {
            "points": points,
            "audiences": [int(one.audience) for one in news],
            "sole": [one.sole_trader for one in news],
            "countries": [one.country for one in news],
            "zones": [one.time_zone for one in news],
            "fits": ["{" + ",".join(str(objects[name]) for name in one.fits) + "}" for one in news],
            "evidence": [
                seal(keys.vault, one.evidence or {}, of_profile(point))
                for point, one in zip(points, news, strict=True)
            ],
            "at": origin.at,
            "key": origin.key,
        },
    )


async def find_profile(session: AsyncSession, vault: Vault, point: int | None) -> Profile | None:
    """Find the profile of a contact point; None if nobody said anything."""
    rows = await session.execute(
        text("SELECT * FROM contact_profiles WHERE point = :point"), {"point": point}
    )
    row = rows.one_or_none()
    if row is None:
        return None
    objects = await name_objects(session, row.fits)
    return Profile(
        row.recorded_at,
        Audience(row.audience),
        row.sole_trader,
        row.country,
        row.time_zone,
        [objects[one] for one in row.fits],
        unseal(vault, row.evidence, of_profile(row.point)) or None,
    )
