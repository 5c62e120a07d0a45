"""The routes of contracts, attempts and profiles: one, ten thousand at once, those of a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.parties import Caller, Directory, TheDirectory, UnknownBrand, UnknownParty, requires
from app.platform.clock import now
from app.platform.db import ReadSession, Session
from app.platform.idempotency import Once
from app.platform.openapi import responses
from app.platform.problems import Problem
from app.platform.web import BatchRoute, router
from app.points import (
    DefaultRegion,
    MaskedOut,
    PointKeys,
    ThePointKeys,
    TheSought,
    UnusableIdentifier,
    find_point,
)

from . import models as wire
from .attempts import NewAttempt, attempts_on, record_attempts
from .consents import Origin
from .contracts import NewContract, contracts_on, find_contract, record_contracts
from .profiles import NewProfile, find_profile, record_profiles
from .refusals import UnusableRecord
from .wire import (
    LineOut,
    LinesOut,
    Names,
    New,
    Reading,
    Sent,
    read_items,
    read_lines,
    record_lines,
)

contracts = router("/v1/contracts", "contacts")
contract_batches = router("/v1/contracts/batch", "contacts", route_class=BatchRoute)
attempts = router("/v1/attempts", "contacts")
attempt_batches = router("/v1/attempts/batch", "contacts", route_class=BatchRoute)
profiles = router("/v1/profiles", "contacts")
profile_batches = router("/v1/profiles/batch", "contacts", route_class=BatchRoute)
ROUTERS = (
    contract_batches,
    contracts,
    attempt_batches,
    attempts,
    profile_batches,
    profiles,
)

Writer = Annotated[Caller, requires("contacts:write")]
Reader = Annotated[Caller, requires("contacts:read")]
REFUSALS = (UnusableIdentifier, UnusableRecord, UnknownBrand, UnknownParty)


@dataclass(frozen=True, slots=True)
class Readers:
    """What a route reads records with, of the process that serves it."""

    directory: Directory
    region: str
    attempts_days: int

    async def reading(self, sent: Sequence[Sent[New]], at: datetime) -> Reading:
        """Look up the names that some records use."""
        parties = [slug for one in sent for slug in one.named_parties]
        names = await Names.of(self.directory, [one.named_brand for one in sent], parties)
        return Reading(names, self.region, at, self.attempts_days)

    async def one(self, sent: Sent[New], at: datetime) -> New:
        """Read one record."""
        return sent.read(await self.reading([sent], at))

    async def lines(
        self, model: type[Sent[New]], items: Sequence[object], at: datetime
    ) -> list[New | Problem]:
        """Read the items of a batch.

        Raises:
            RequestValidationError: one of them does not have the shape of the model.
        """
        sent = await read_items(model, items)
        return await read_lines(sent, await self.reading(sent, at))


async def _readers(request: Request, directory: TheDirectory, region: DefaultRegion) -> Readers:
    return Readers(directory, region, request.app.state.settings.contact_attempts_days)


TheReaders = Annotated[Readers, Depends(_readers)]


@contracts.post("", status_code=201, responses=responses(*REFUSALS))
async def record_contract(
    body: wire.ContractIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    directory: TheDirectory,
    readers: TheReaders,
) -> wire.RecordedContract:
    """Record that somebody is or was a customer.

    The same contract again (contact point, brand, object and `from_on`) is that one; it may tell
    its end. No objection is lifted by a contract.
    """
    await once.replay(by=caller.key)
    at = now()
    new = await readers.one(body, at)
    origin = Origin(caller.key, caller.channel, at)
    (kept,) = await record_contracts(session, keys, [new], origin)
    found = await find_contract(session, keys.vault, kept.id, channel=None)
    shown = await wire.ContractOut.of(found, directory)
    answer = wire.RecordedContract(identifier=MaskedOut.of(new.identifier), **shown.model_dump())
    return await once.remember(answer, location=f"/v1/contracts/{kept.id}")


@contract_batches.post("", responses=responses(UnusableRecord))
async def record_contract_batch(
    body: wire.ContractsIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    readers: TheReaders,
) -> LinesOut:
    """Record at most 10,000 contracts; a line that is no good is refused, and the others kept."""
    await once.replay(by=caller.key)
    at = now()

    async def record(news: Sequence[NewContract]) -> list[LineOut]:
        kept = await record_contracts(session, keys, news, Origin(caller.key, caller.channel, at))
        return [LineOut(status="recorded" if one.fresh else "unchanged", id=one.id) for one in kept]

    read = await readers.lines(wire.ContractIn, body.items, at)
    return await once.remember(LinesOut.of(await record_lines(read, record)), status=200)


@contracts.post("/search", responses=responses(UnusableIdentifier))
async def search_contracts(
    caller: Reader,
    sought: TheSought,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> wire.ContractsOut:
    """Tell the contracts of one contact point. A key bound to a channel sees that one's."""
    found = await contracts_on(session, keys.vault, sought.point, channel=caller.channel)
    return wire.ContractsOut(
        identifier=sought.masked,
        contracts=[await wire.ContractOut.of(one, directory) for one in found],
    )


@contracts.get("/{id:uuid}")
async def read_contract(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Reader,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> wire.ContractOut:
    """Tell a contract as it stands."""
    found = await find_contract(session, keys.vault, id, channel=caller.channel)
    return await wire.ContractOut.of(found, directory)


@attempts.post("", status_code=201, responses=responses(*REFUSALS))
async def record_attempt(
    body: wire.AttemptIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    readers: TheReaders,
) -> wire.RecordedAttempt:
    """Record that somebody was called or written to, answered or not.

    The same attempt again (contact point, medium, brand and time) counts once. What a person
    refused in a call is an opt-out: send it to `/v1/opt-outs` with the reason `refusal`.
    """
    await once.replay(by=caller.key)
    at = now()
    new = await readers.one(body, at)
    origin = Origin(caller.key, caller.channel, at)
    (fresh,) = await record_attempts(session, keys, [new], origin)
    answer = wire.RecordedAttempt(
        identifier=MaskedOut.of(new.identifier), recorded_at=at, fresh=fresh
    )
    return await once.remember(answer)


@attempt_batches.post("", responses=responses(UnusableRecord))
async def record_attempt_batch(
    body: wire.AttemptsIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    readers: TheReaders,
) -> LinesOut:
    """Record at most 10,000 attempts; a line that is no good is refused, and the others kept."""
    await once.replay(by=caller.key)
    at = now()

    async def record(news: Sequence[NewAttempt]) -> list[LineOut]:
        kept = await record_attempts(session, keys, news, Origin(caller.key, caller.channel, at))
        return [LineOut(status="recorded" if fresh else "unchanged") for fresh in kept]

    read = await readers.lines(wire.AttemptIn, body.items, at)
    return await once.remember(LinesOut.of(await record_lines(read, record)), status=200)


@attempts.post("/search", responses=responses(UnusableIdentifier))
async def search_attempts(
    caller: Reader,
    sought: TheSought,
    session: ReadSession,
    directory: TheDirectory,
) -> wire.AttemptsOut:
    """Tell the attempts on one contact point. A key bound to a channel sees that one's."""
    found = await attempts_on(session, sought.point, channel=caller.channel)
    return wire.AttemptsOut(
        identifier=sought.masked,
        attempts=[await wire.AttemptOut.of(one, directory) for one in found],
    )


@profiles.post("", status_code=201, responses=responses(*REFUSALS))
async def record_profile(
    body: wire.ProfileIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    readers: TheReaders,
) -> wire.RecordedProfile:
    """Record who stands behind a contact point; it takes the place of what was said before.

    It decides which rules hold: of which country, by which clock, for a consumer or not.
    """
    await once.replay(by=caller.key)
    at = now()
    new = await readers.one(body, at)
    await record_profiles(session, keys, [new], Origin(caller.key, caller.channel, at))
    profile = await _found(session, keys, new)
    answer = wire.RecordedProfile(identifier=MaskedOut.of(new.identifier), **profile.model_dump())
    return await once.remember(answer)


async def _found(session: AsyncSession, keys: PointKeys, new: NewProfile) -> wire.ProfileOut:
    point = await find_point(session, keys, new.identifier)
    found = await find_profile(session, keys.vault, point)
    if found is None:
        raise LookupError("a profile was recorded")
    return wire.ProfileOut.of(found)


@profile_batches.post("", responses=responses(UnusableRecord))
async def record_profile_batch(
    body: wire.ProfilesIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    readers: TheReaders,
) -> LinesOut:
    """Record at most 10,000 profiles; a line that is no good is refused, and the others kept."""
    await once.replay(by=caller.key)
    at = now()

    async def record(news: Sequence[NewProfile]) -> list[LineOut]:
        kept = await record_profiles(session, keys, news, Origin(caller.key, caller.channel, at))
        return [LineOut(status="recorded" if fresh else "unchanged") for fresh in kept]

    read = await readers.lines(wire.ProfileIn, body.items, at)
    return await once.remember(LinesOut.of(await record_lines(read, record)), status=200)


@profiles.post("/search", responses=responses(UnusableIdentifier))
async def search_profiles(
    _caller: Reader, sought: TheSought, session: ReadSession, keys: ThePointKeys
) -> wire.FoundProfile:
    """Tell the profile of one contact point."""
    found = await find_profile(session, keys.vault, sought.point)
    return wire.FoundProfile(
        identifier=sought.masked,
        profile=None if found is None else wire.ProfileOut.of(found),
    )
