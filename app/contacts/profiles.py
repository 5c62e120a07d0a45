"""Profiles: who stands behind a contact point, as far as it decides which rules hold."""

import asyncio
import json
from collections.abc import Hashable, Mapping, Sequence
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
from .sealing import EVIDENCE_YEARS, of_profile, seal, unseal
from .words import Audience

MOST_VERSIONS = 50
"""Former profiles of somebody that are kept; what was before the oldest is not known any more."""
_AT_ONCE = 1_000


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

    @property
    def name(self) -> Hashable:
        """What makes two profiles the same."""
        who = (self.audience, self.sole_trader, self.country, self.time_zone, self.fits)
        return (self.identifier, *who, json.dumps(self.evidence, sort_keys=True))


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


# What stood is put aside with the time at which it ceased to; both times follow one another, as
# the contact points are locked.
_KEEP = text("""
WITH new AS (
    SELECT DISTINCT ON (g.point) g.point, g.audience, g.sole_trader, g.country, g.time_zone,
           CAST(g.fits AS int4[]) AS fits, g.evidence
    FROM unnest(CAST(:points AS int8[]), CAST(:audiences AS int2[]), CAST(:sole AS bool[]),
                CAST(:countries AS text[]), CAST(:zones AS text[]), CAST(:fits AS text[]),
                CAST(:evidence AS bytea[])) WITH ORDINALITY
         AS g (point, audience, sole_trader, country, time_zone, fits, evidence, n)
    ORDER BY g.point, g.n DESC
), put_aside AS (
    INSERT INTO contact_profile_versions (point, recorded_at, superseded_at, key, audience,
                                          sole_trader, country, time_zone, fits, evidence)
    SELECT p.point, p.recorded_at, greatest(:at, p.recorded_at + interval '1 microsecond'), p.key,
           p.audience, p.sole_trader, p.country, p.time_zone, p.fits, p.evidence
    FROM contact_profiles p JOIN new USING (point)
)
INSERT INTO contact_profiles AS p
    (point, recorded_at, key, audience, sole_trader, country, time_zone, fits, evidence)
SELECT point, :at, :key, audience, sole_trader, country, time_zone, fits, evidence FROM new
ON CONFLICT (point) DO UPDATE
SET recorded_at = greatest(excluded.recorded_at, p.recorded_at + interval '1 microsecond'),
    key = excluded.key, audience = excluded.audience, sole_trader = excluded.sole_trader,
    country = excluded.country, time_zone = excluded.time_zone, fits = excluded.fits,
    evidence = excluded.evidence
""")
_BOUND = text("""
DELETE FROM contact_profile_versions v
USING unnest(CAST(:points AS int8[])) AS g (point),
LATERAL (
    SELECT recorded_at FROM contact_profile_versions o WHERE o.point = g.point
    ORDER BY recorded_at DESC OFFSET :most LIMIT 1
) o
WHERE v.point = g.point AND v.recorded_at <= o.recorded_at
""")


async def record_profiles(
    session: AsyncSession, keys: PointKeys, news: Sequence[NewProfile], origin: Origin
) -> list[bool]:
    """Keep profiles, each in place of the one that stood there; of two of one person the last.

    What stood before is kept beside it, for the moments before are judged by it. Contact points
    are found or made, and locked until the commit.

    Returns:
        Of each whether it says anything that the one on record did not.
    """
    if not news:
        return []
    points = await number_points(session, keys, [one.identifier for one in news])
    objects = await number_objects(session, (name for one in news for name in one.fits))
    stands = await _standing(session, keys.vault, points)
    last = dict(zip(points, news, strict=True))
    said = {point: _said(one, objects) for point, one in last.items()}
    changed = [point for point in last if stands.get(point) != said[point]]
    if changed:
        await _put(session, keys, {point: last[point] for point in changed}, objects, origin)
    return [
        stands.get(point) != _said(one, objects) for point, one in zip(points, news, strict=True)
    ]


_Said = tuple[int, bool | None, str | None, str | None, list[int], dict[str, Any]]


def _said(new: NewProfile, objects: Mapping[str, int]) -> _Said:
    fits = [objects[name] for name in new.fits]
    zone = new.time_zone
    return int(new.audience), new.sole_trader, new.country, zone, fits, new.evidence or {}


async def _standing(session: AsyncSession, vault: Vault, points: Sequence[int]) -> dict[int, _Said]:
    """Tell what is on record about some contact points, which are locked."""
    rows = await session.execute(
        text("SELECT * FROM contact_profiles WHERE point = ANY(:points)"), {"points": points}
    )
    found = rows.all()

    def opened() -> dict[int, _Said]:
        return {
            row.point: (
                *(row.audience, row.sole_trader, row.country, row.time_zone, row.fits),
                unseal(vault, row.evidence, of_profile(row.point)),
            )
            for row in found
        }

    return await asyncio.to_thread(opened)


async def _put(
    session: AsyncSession,
    keys: PointKeys,
    news: Mapping[int, NewProfile],
    objects: Mapping[str, int],
    origin: Origin,
) -> None:
    points = [*news]
    await session.execute(
        _KEEP,
        {
            "points": points,
            "audiences": [int(one.audience) for one in news.values()],
            "sole": [one.sole_trader for one in news.values()],
            "countries": [one.country for one in news.values()],
            "zones": [one.time_zone for one in news.values()],
            "fits": [
                "{" + ",".join(str(objects[name]) for name in one.fits) + "}"
                for one in news.values()
            ],
            "evidence": [
                seal(keys.vault, one.evidence or {}, of_profile(point))
                for point, one in news.items()
            ],
            "at": origin.at,
            "key": origin.key,
        },
    )
    await session.execute(_BOUND, {"points": points, "most": MOST_VERSIONS})


async def forget_old_profiles(session: AsyncSession, *, at: datetime) -> int:
    """Delete profiles that ceased to stand so long ago that nobody need judge by them: how many."""
    gone = await session.execute(
        text("""
            DELETE FROM contact_profile_versions WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM contact_profile_versions
                WHERE superseded_at <= CAST(:at AS timestamptz) - make_interval(years => :years)
                ORDER BY superseded_at LIMIT :most
            )) RETURNING 1
        """),
        {"at": at, "years": EVIDENCE_YEARS, "most": _AT_ONCE},
    )
    return len(gone.all())


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
