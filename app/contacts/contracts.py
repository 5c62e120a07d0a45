"""Contracts: whose customer somebody is or was, for what, and on which days."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.platform.ids import new_id
from app.platform.refusals import NotFound
from app.platform.vault import Vault
from app.points import PointKeys

from .claiming import number_points
from .consents import MOST_SHOWN, Origin, Recorded
from .naming import name_objects, number_objects
from .refusals import UnusableRecord
from .sealing import of_contract, seal, unseal

_FIRST = date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class NewContract:
    """A contract on the days [``from_on``, ``to_on``), without an end where that is None."""

    identifier: Identifier
    brand: int
    object: str
    from_on: date
    to_on: date | None
    opt_out_offered: bool = False
    reference: str | None = field(default=None, repr=False)

    @property
    def name(self) -> Hashable:
        """What makes two contracts the same, and say the same."""
        terms = (self.brand, self.object, self.from_on, self.to_on, self.opt_out_offered)
        return (self.identifier, *terms)


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract as it stands."""

    id: UUID
    point: int
    recorded_at: datetime
    brand: int
    object: str
    from_on: date
    to_on: date | None
    opt_out_offered: bool
    channel: int | None
    reference: str | None = field(repr=False)


def require_contract(new: NewContract, *, pointer: str = "") -> None:
    """Refuse a contract whose dates are reversed or absurd.

    Raises:
        UnusableRecord: it says where.
    """
    if new.from_on < _FIRST:
        raise UnusableRecord("too_old", f"{pointer}/from_on", "no contract is as old as that")
    if new.to_on is not None and new.to_on <= new.from_on:
        raise UnusableRecord(
            "ends_before_it_starts", f"{pointer}/to_on", "it ends before it begins"
        )


# The same contract again may tell its end, which is what changes of one.
_KEEP = text("""
INSERT INTO contracts AS c (id, point, recorded_at, key, object, from_on, to_on, brand, channel,
                            opt_out_offered, reference)
SELECT DISTINCT ON (g.point, g.brand, g.object, g.from_on)
       g.id, g.point, :at, :key, g.object, g.from_on, g.to_on, g.brand, :channel, g.offered,
       g.reference
FROM unnest(CAST(:ids AS uuid[]), CAST(:points AS int8[]), CAST(:brands AS int2[]),
            CAST(:objects AS int4[]), CAST(:froms AS date[]), CAST(:tos AS date[]),
            CAST(:offered AS bool[]), CAST(:refs AS bytea[])) WITH ORDINALITY
     AS g (id, point, brand, object, from_on, to_on, offered, reference, n)
ORDER BY g.point, g.brand, g.object, g.from_on, g.n DESC
ON CONFLICT (point, brand, object, from_on) DO UPDATE
SET to_on = excluded.to_on, opt_out_offered = excluded.opt_out_offered
WHERE (c.to_on, c.opt_out_offered) IS DISTINCT FROM (excluded.to_on, excluded.opt_out_offered)
RETURNING id
""")
_FIND_SAME = text("""
SELECT g.n, c.id
FROM unnest(CAST(:points AS int8[]), CAST(:brands AS int2[]), CAST(:objects AS int4[]),
            CAST(:froms AS date[])) WITH ORDINALITY AS g (point, brand, object, from_on, n)
JOIN contracts c USING (point, brand, object, from_on)
""")


async def record_contracts(
    session: AsyncSession, keys: PointKeys, news: Sequence[NewContract], origin: Origin
) -> list[Recorded]:
    """Keep contracts, each once; the same one again, with another end, gets that end.

    Contact points are found or made, and locked until the commit. ``Recorded.fresh`` tells
    whether anything was written for it.
    """
    if not news:
        return []
    objects = await number_objects(session, (one.object for one in news))
    ids = [new_id() for _ in news]
    points = await number_points(session, keys, [one.identifier for one in news])
    rows: dict[str, Any] = {
        "points": points,
        "brands": [one.brand for one in news],
        "objects": [objects[one.object] for one in news],
        "froms": [one.from_on for one in news],
    }
    more = {
        "ids": ids,
        "tos": [one.to_on for one in news],
        "offered": [one.opt_out_offered for one in news],
        "refs": [
            seal(keys.vault, {"reference": one.reference} if one.reference else {}, of_contract(i))
            for i, one in zip(ids, news, strict=True)
        ],
        "at": origin.at,
        "key": origin.key,
        "channel": origin.channel,
    }
    written = set((await session.scalars(_KEEP, rows | more)).all())
    found = {row.n - 1: row.id for row in await session.execute(_FIND_SAME, rows)}
    return [Recorded(found[n], point, found[n] in written) for n, point in enumerate(points)]


async def void_contracts(session: AsyncSession, contracts: Collection[UUID]) -> None:
    """Delete contracts that a mistake brought: one that is not there permits nothing."""
    await session.execute(
        text("DELETE FROM contracts WHERE id = ANY(:ids)"), {"ids": list(contracts)}
    )


async def find_contract(
    session: AsyncSession, vault: Vault, number: UUID, *, channel: int | None
) -> Contract:
    """Find a contract, if ``channel`` is None or recorded it.

    Raises:
        NotFound: there is none, or another channel's.
    """
    rows = await session.execute(text("SELECT * FROM contracts WHERE id = :id"), {"id": number})
    found = [row for row in rows if channel in (None, row.channel)]
    if not found:
        raise NotFound("There is no such contract.")
    return (await _contracts(session, vault, found))[0]


async def contracts_on(
    session: AsyncSession, vault: Vault, point: int | None, *, channel: int | None
) -> list[Contract]:
    """List the contracts of a contact point, the latest first, 200 at most."""
    rows = await session.execute(
        text("""
            SELECT * FROM contracts
            WHERE point = :point AND (CAST(:channel AS int2) IS NULL OR channel = :channel)
            ORDER BY from_on DESC LIMIT :most
        """),
        {"point": point, "channel": channel, "most": MOST_SHOWN},
    )
    return await _contracts(session, vault, rows.all())


async def _contracts(
    session: AsyncSession, vault: Vault, rows: Sequence[Row[Any]]
) -> list[Contract]:
    objects = await name_objects(session, (row.object for row in rows))
    return [
        Contract(
            row.id,
            row.point,
            row.recorded_at,
            row.brand,
            objects[row.object],
            row.from_on,
            row.to_on,
            row.opt_out_offered,
            row.channel,
            unseal(vault, row.reference, of_contract(row.id)).get("reference"),
        )
        for row in rows
    ]
