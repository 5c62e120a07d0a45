"""What is on record about many people at once, for whoever decides: one statement, one round trip.

Nothing sealed is opened for it, and nothing is decided here: which record counts for a brand, an
object, a medium and a moment is ``policy``'s to say.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import EVERY_BRAND, Media
from app.policy import (
    NO_PROFILE,
    AttemptRecord,
    ConsentRecord,
    ContractRecord,
    Known,
    Profile,
)
from app.policy import Audience as AudienceWord

from .attempts import COUNTED_FOR
from .words import Audience, Proof

R = TypeVar("R")
Subscriber = Literal["unknown", "legal_person", "natural_person"]

if TYPE_CHECKING:
    from asyncpg import Record

    from app.platform.db import RawConnection

_MOST_READ = 200
"""Calls of somebody that are read: nobody is called as often who may be called at all."""

# From index to index, whatever the planner is told of the sizes; each kind of record in arrays of
# its own, for a row each would be made of Python objects one by one. The numbers in it are words
# of this room and of the journal: voice is 1, a refusal 2, what was voided 4.
_KNOWN = """
WITH asked AS MATERIALIZED (
    SELECT p.id, p.digest FROM contact_points p WHERE p.digest = ANY($1::bytea[])
), consented AS (
    SELECT array_agg(a.id) AS c_n, array_agg(x.brand) AS c_brand, array_agg(x.object) AS c_object,
           array_agg(x.medium) AS c_medium, array_agg(x.given_at) AS c_given,
           array_agg(x.expires_at) AS c_expires, array_agg(x.proof) AS c_proof,
           array_agg(array_to_string(x.slots, ',')) AS c_slots,
           array_agg((
               SELECT min(w.occurred_at) FROM withdrawals w
               WHERE w.point = a.id AND w.brand IN (0, x.brand) AND w.media & x.medium <> 0
                 AND w.occurred_at >= x.given_at AND w.voided_at IS NULL
           )) AS c_withdrawn
    FROM asked a CROSS JOIN LATERAL (
        SELECT * FROM consents c WHERE c.point = a.id AND c.proof <> 4
        ORDER BY c.given_at DESC LIMIT 50
    ) x
), contracted AS (
    SELECT array_agg(a.id) AS k_n, array_agg(x.brand) AS k_brand, array_agg(x.object) AS k_object,
           array_agg(x.from_on) AS k_from, array_agg(x.to_on) AS k_to,
           array_agg(x.opt_out_offered) AS k_offered
    FROM asked a CROSS JOIN LATERAL (
        SELECT * FROM contracts c WHERE c.point = a.id ORDER BY c.to_on DESC NULLS FIRST LIMIT 50
    ) x
), attempted AS (
    SELECT array_agg(a.id) AS t_n, array_agg(x.brand) AS t_brand,
           array_agg(x.attempted_at) AS t_at
    FROM asked a CROSS JOIN LATERAL (
        SELECT brand, attempted_at FROM contact_attempts t
        WHERE t.point = a.id AND t.medium = 1 AND t.attempted_at <= $2
          AND t.attempted_at > $2 - make_interval(days => $3)
        ORDER BY t.attempted_at DESC LIMIT $5
    ) x
), refused AS (
    SELECT array_agg(a.id) AS r_n, array_agg(x.brand) AS r_brand, array_agg(x.occurred_at) AS r_at
    FROM asked a CROSS JOIN LATERAL (
        SELECT brand, occurred_at FROM withdrawals w
        WHERE w.point = a.id AND w.reason = 2 AND w.media & ~w.lifted & 1 <> 0
          AND w.voided_at IS NULL AND w.occurred_at <= $2
        ORDER BY w.occurred_at DESC LIMIT 50
    ) x
), profiled AS (
    SELECT array_agg(a.id) AS p_n, array_agg(x.audience) AS p_audience,
           array_agg(x.sole_trader) AS p_sole, array_agg(x.country) AS p_country,
           array_agg(x.time_zone) AS p_zone,
           array_agg(nullif(array_to_string(x.fits, ','), '')) AS p_fits
    FROM asked a CROSS JOIN LATERAL (
        SELECT audience, sole_trader, country, time_zone, fits FROM contact_profiles p
        WHERE p.point = a.id AND (NOT $4 OR p.recorded_at <= $2)
        UNION ALL
        SELECT audience, sole_trader, country, time_zone, fits FROM contact_profile_versions v
        WHERE $4 AND v.point = a.id AND v.recorded_at <= $2 AND v.superseded_at > $2
        LIMIT 1
    ) x
)
SELECT *, (SELECT array_agg(id) FROM asked) AS a_id,
       (SELECT array_agg(digest) FROM asked) AS a_digest, (
    SELECT array_agg(o.id) FROM contact_objects o WHERE o.id IN (
        SELECT unnest(c_object) UNION SELECT unnest(k_object)
        UNION SELECT CAST(unnest(string_to_array(array_to_string(p_fits, ','), ',')) AS int4))
) AS o_id, (
    SELECT array_agg(o.name) FROM contact_objects o WHERE o.id IN (
        SELECT unnest(c_object) UNION SELECT unnest(k_object)
        UNION SELECT CAST(unnest(string_to_array(array_to_string(p_fits, ','), ',')) AS int4))
) AS o_name
FROM consented, contracted, attempted, refused, profiled
"""


async def find_known(
    connection: "RawConnection", digests: Collection[bytes], *, at: datetime, past: bool = False
) -> Mapping[bytes, Known]:
    """Find what is on record about contact points, by digests under any live key.

    Best 10,000 at a time. Whoever has nothing on record is left out. Attempts are calls: those of
    the last days before ``at`` that a cap could count, and all that were refused. The profile is
    the present one, or of a ``past`` moment the one that stood then; none may have.
    """
    row = await connection.fetchrow(_KNOWN, list(digests), at, COUNTED_FOR.days, past, _MOST_READ)
    if row is None:
        raise RuntimeError("a query of aggregates gives a row")
    digest_of = dict(zip(row["a_id"] or (), row["a_digest"] or (), strict=True))
    return {digest_of[point]: known for point, known in _read(row).items()}


async def known_to(
    session: AsyncSession, digests: Collection[bytes], *, at: datetime, past: bool = False
) -> Mapping[bytes, Known]:
    """Find the same within a transaction."""
    raw = await (await session.connection()).get_raw_connection()
    connection: Any = raw.driver_connection
    return await find_known(connection, digests, at=at, past=past)


def _read(row: "Record") -> dict[int, Known]:
    """Put the records of each contact point together."""
    names = dict(zip(row["o_id"] or (), row["o_name"] or (), strict=True))
    consents, contracts = _consents(row, names), _contracts(row, names)
    attempts, profiles = _attempts(row), _profiles(row, names)
    return {
        point: Known(
            tuple(consents.get(point, ())),
            tuple(contracts.get(point, ())),
            (),
            tuple(attempts.get(point, ())),
            profiles.get(point, NO_PROFILE),
        )
        for point in {*consents, *contracts, *attempts, *profiles}
    }


_MEDIA = {int(one): one for one in Media}


def _columns(row: "Record", *names: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(row[name] or () for name in names), strict=True)


def _consents(row: "Record", names: Mapping[int, str]) -> Mapping[int, list[ConsentRecord]]:
    # Columns and not rows, as far as they go: a batch has ten thousand of them.
    proofs = row["c_proof"] or ()
    records = map(
        ConsentRecord._make,
        zip(
            row["c_brand"] or (),
            map(names.__getitem__, row["c_object"] or ()),
            map(_MEDIA.__getitem__, row["c_medium"] or ()),
            row["c_given"] or (),
            row["c_expires"] or (),
            row["c_withdrawn"] or (),
            map(Proof.COMPLETE.__eq__, proofs),
            map(Proof.UNPROVEN.__eq__, proofs),
            [_slots(one) if one else () for one in row["c_slots"] or ()],
            strict=True,
        ),
    )
    return _by_point(row["c_n"], records)


def _by_point(points: Sequence[int] | None, records: Iterable[R]) -> Mapping[int, list[R]]:
    found: dict[int, list[R]] = {}
    for point, record in zip(points or (), records, strict=True):
        some = found.get(point)
        if some is None:
            found[point] = [record]
        else:
            some.append(record)
    return found


def _slots(written: str) -> tuple[tuple[datetime, datetime], ...]:
    moments = [datetime.fromisoformat(one) for one in written.split(",")]
    return tuple(zip(moments[::2], moments[1::2], strict=True))


def _contracts(row: "Record", names: Mapping[int, str]) -> Mapping[int, list[ContractRecord]]:
    found: defaultdict[int, list[ContractRecord]] = defaultdict(list)
    for n, brand, number, from_on, to_on, offered in _columns(
        row, "k_n", "k_brand", "k_object", "k_from", "k_to", "k_offered"
    ):
        found[n].append(ContractRecord(brand, names[number], from_on, to_on, offered))
    return found


def _attempts(row: "Record") -> Mapping[int, list[AttemptRecord]]:
    brands = [brand or None for brand in row["t_brand"] or ()]
    calls = map(AttemptRecord, brands, row["t_at"] or ())
    found = {**_by_point(row["t_n"], calls)}
    for n, some in found.items():
        if len(some) >= _MOST_READ:
            # Whose they are of those that were not read, nobody knows: they count for everybody.
            found[n] = [one._replace(brand=None) for one in some]
    refused = list(_columns(row, "r_n", "r_brand", "r_at"))
    for n, brand, at in refused:
        call = AttemptRecord(None if brand == EVERY_BRAND else brand, at, refused=True)
        found.setdefault(n, []).append(call)
    for n in {n for n, _, _ in refused}:
        found[n].sort(key=lambda one: one.at, reverse=True)
    return found


_AUDIENCES: dict[int, AudienceWord] = {
    Audience.UNKNOWN: "unknown",
    Audience.CONSUMER: "consumer",
    Audience.PROFESSIONAL: "professional",
}


def _subscriber(audience: int, *, sole_trader: bool | None) -> Subscriber:
    """Tell whose subscription it is: a sole trader's is a natural person's."""
    if audience == Audience.CONSUMER or sole_trader:
        return "natural_person"
    known = audience == Audience.PROFESSIONAL and sole_trader is not None
    return "legal_person" if known else "unknown"


def _profiles(row: "Record", names: Mapping[int, str]) -> Mapping[int, Profile]:
    return {
        n: Profile(
            _AUDIENCES[audience],
            country,
            zone,
            _subscriber(audience, sole_trader=sole),
            frozenset(names[int(one)] for one in fits.split(",")) if fits else frozenset(),
        )
        for n, audience, sole, country, zone, fits in _columns(
            row, "p_n", "p_audience", "p_sole", "p_country", "p_zone", "p_fits"
        )
    }
