"""Parties: the departments, subcontractors and suppliers that approach people or hear them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .audit import note
from .slugs import UnknownParty, find_row, insert_new, list_rows, rewrite
from .tables import PartyRow


@dataclass(frozen=True, slots=True)
class Contract:
    """The paper under which a party acts, of which the registry keeps the reference alone."""

    reference: str
    signed_on: date


@dataclass(frozen=True, slots=True)
class NewParty:
    """A party to be registered; ``country`` is ISO 3166-1 alpha-2."""

    slug: str
    name: str
    kind: str
    country: str
    contact_email: str
    contract: Contract | None


@dataclass(frozen=True, slots=True)
class Party:
    """A party as it stands; ``contact_email`` is its own, not a contact point of a person."""

    id: int
    slug: str
    name: str
    kind: str
    country: str
    contact_email: str
    contract: Contract | None
    created_at: datetime


async def create_party(session: AsyncSession, new: NewParty, *, actor: str, at: datetime) -> Party:
    """Register a party.

    Raises:
        AlreadyExists: the slug is taken.
    """
    row = await insert_new(
        session,
        PartyRow,
        new.slug,
        name=new.name,
        kind=new.kind,
        country=new.country,
        contact_email=new.contact_email,
        created_at=at,
        **_contract_columns(new.contract),
    )
    await note(session, actor, "party.created", f"party:{new.slug}", at, kind=new.kind)
    return _party(row)


async def find_party(session: AsyncSession, slug: str) -> Party:
    """Find a party.

    Raises:
        NotFound: there is none.
    """
    return _party(await find_row(session, PartyRow, slug))


async def party_number(session: AsyncSession, slug: str) -> int:
    """Find the number of a party that a request names.

    Raises:
        UnknownParty: there is none.
    """
    number = await session.scalar(select(PartyRow.id).where(PartyRow.slug == slug))
    if number is None:
        raise UnknownParty(f"There is no party {slug!r}; POST /v1/parties makes one.")
    return number


async def spell_parties(session: AsyncSession, changed: dict[str, Any]) -> None:
    """Tell the audit of a change of party by the slugs, where the row has the numbers."""
    if "party" in changed:
        rows = await session.execute(
            select(PartyRow.id, PartyRow.slug).where(PartyRow.id.in_(changed["party"]))
        )
        slugs = {row.id: row.slug for row in rows}
        changed["party"] = [slugs[number] for number in changed["party"]]


async def list_parties(session: AsyncSession, *, limit: int, after: int = 0) -> Sequence[Party]:
    """List parties in the order in which they were made, from number ``after``."""
    rows = await list_rows(session, PartyRow, limit=limit, after=after)
    return [_party(row) for row in rows]


async def change_party(
    session: AsyncSession, slug: str, new: Mapping[str, Any], *, actor: str, at: datetime
) -> Party:
    """Give a party new values of the fields of ``Party``; a contract of None takes it away.

    Raises:
        NotFound: there is none.
    """
    row = await find_row(session, PartyRow, slug, lock=True)
    values = dict(new)
    if "contract" in values:
        values |= _contract_columns(values.pop("contract"))
    changed = rewrite(row, values, unsaid={"contact_email"})
    if changed:
        await session.flush()
        await note(session, actor, "party.changed", f"party:{slug}", at, **changed)
    return _party(row)


def _contract_columns(contract: Contract | None) -> dict[str, Any]:
    return {
        "contract_reference": contract and contract.reference,
        "contract_signed_on": contract and contract.signed_on,
    }


def _party(row: PartyRow) -> Party:
    contract = None
    if row.contract_reference is not None and row.contract_signed_on is not None:
        contract = Contract(row.contract_reference, row.contract_signed_on)
    return Party(
        id=row.id,
        slug=row.slug,
        name=row.name,
        kind=row.kind,
        country=row.country,
        contact_email=row.contact_email,
        contract=contract,
        created_at=row.created_at,
    )
