"""The routes of consents: they arrive here, for their answers tell which objections stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import (
    REFUSALS,
    Consent,
    LineCounts,
    NewConsent,
    Origin,
    TheReaders,
    UnusableRecord,
    code_of,
    consents_on,
    find_consent,
    list_consents,
    note_copy,
)
from app.parties import (
    Caller,
    Directory,
    TheDirectory,
    ThePurpose,
    TheReads,
    TheVault,
    UnknownBrand,
    requires,
)
from app.platform.clock import now
from app.platform.db import ReadSession, Session
from app.platform.idempotency import Once
from app.platform.openapi import responses
from app.platform.pages import Page, cut
from app.platform.problems import Problem
from app.platform.web import BatchRoute, router
from app.points import (
    MaskedOut,
    ThePointKeys,
    TheSought,
    UnusableIdentifier,
)

from . import consent_models as wire
from .consents import Taken, is_objected, objections_on, take_consents
from .copies import seal_copy

consents = router("/v1/consents", "contacts")
batches = router("/v1/consents/batch", "contacts", route_class=BatchRoute)
ROUTERS = (batches, consents)

Writer = Annotated[Caller, requires("contacts:write")]
Reader = Annotated[Caller, requires("contacts:read")]


@consents.post("", status_code=201, responses=responses(*REFUSALS))
async def record_consent(
    body: wire.ConsentIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    directory: TheDirectory,
    readers: TheReaders,
) -> wire.RecordedConsent:
    """Record that somebody consented, with the whole proof.

    It holds for this brand, object and medium alone. What the proof lacks is told, and such a
    consent allows nothing. It lifts no objection: `objection_stands` says that one forbids the
    contact all the same. The very same consent again is that one. A withdrawal is an opt-out:
    send it to `/v1/opt-outs` with the reason `consent_withdrawn`.
    """
    await once.replay(by=caller.key)
    at = now()
    new = await readers.one(body, at)
    (taken,) = await take_consents(session, keys, [new], Origin(caller.key, caller.channel, at))
    if isinstance(taken, UnusableRecord):
        raise taken
    found = await find_consent(session, keys.vault, taken.id, channel=None)
    shown = await wire.ConsentOut.of(
        found, directory, objection_stands=taken.objection_stands, at=at
    )
    answer = wire.RecordedConsent(
        identifier=MaskedOut.of(new.identifier), **shown.model_dump(by_alias=True)
    )
    return await once.remember(answer, location=f"/v1/consents/{taken.id}")


@batches.post("", responses=responses(UnusableRecord))
async def record_consent_batch(
    body: wire.ConsentsIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    readers: TheReaders,
) -> wire.ConsentLinesOut:
    """Record at most 10,000 consents; a line that is no good is refused, and the others kept.

    Of those with one wording the first may hold its text, and the others its `sha256`.
    """
    await once.replay(by=caller.key)
    at = now()
    read = await readers.lines(wire.ConsentIn, body.items, at)
    good = [one for one in read if isinstance(one, NewConsent)]
    done = iter(await take_consents(session, keys, good, Origin(caller.key, caller.channel, at)))
    results = [_line(next(done) if isinstance(one, NewConsent) else one) for one in read]
    answer = wire.ConsentLinesOut(
        counts=LineCounts.of([one.status for one in results]),
        objections=sum(bool(one.objection_stands) for one in results),
        results=results,
    )
    return await once.remember(answer, status=200)


def _line(taken: Taken | Problem) -> wire.ConsentLineOut:
    if isinstance(taken, Problem):
        return wire.ConsentLineOut(status="refused", code=code_of(taken), detail=taken.detail)
    return wire.ConsentLineOut(
        status="recorded" if taken.fresh else "unchanged",
        id=taken.id,
        complete=taken.complete,
        objection_stands=taken.objection_stands,
    )


@consents.post("/search", responses=responses(UnusableIdentifier))
async def search_consents(
    caller: Reader,
    sought: TheSought,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> wire.ConsentsOut:
    """Tell the consents of one contact point. A key bound to a channel sees that one's."""
    found = await consents_on(session, keys.vault, sought.point, channel=caller.channel)
    return wire.ConsentsOut(
        identifier=sought.masked,
        consents=await _show(session, found, directory, now()),
    )


@consents.get("", responses=responses(UnknownBrand))
async def list_recorded_consents(
    query: Annotated[wire.ConsentQuery, Query()],
    caller: Reader,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
    reads: TheReads,
    purpose: ThePurpose,
) -> Page[wire.ConsentOut]:
    """List consents as they were recorded, the latest first; no contact point is told.

    The audit notes how many were read.
    """
    at = now()
    after = query.after(UUID)
    rows = await list_consents(
        session,
        keys.vault,
        brand=await directory.brand(query.brand, "/query/brand") if query.brand else None,
        channel=caller.channel,
        before=None if after is None else after[0],
        limit=query.limit + 1,
    )
    page, next_cursor = cut(rows, query.limit, lambda row: (row.id,))
    await reads.note(caller, "consents.listed", "consents", rows=len(page), purpose=purpose, at=at)
    return Page(items=await _show(session, page, directory, at), next_cursor=next_cursor)


async def _show(
    session: AsyncSession, found: Sequence[Consent], directory: Directory, at: datetime
) -> list[wire.ConsentOut]:
    objected = await objections_on(session, {one.point for one in found})
    return [
        await wire.ConsentOut.of(
            one,
            directory,
            objection_stands=is_objected(objected, one.point, one.brand, one.medium),
            at=at,
        )
        for one in found
    ]


@consents.get("/{id:uuid}")
async def read_consent(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Reader,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> wire.ConsentOut:
    """Tell a consent as it stands, with its evidence."""
    found = await find_consent(session, keys.vault, id, channel=caller.channel)
    (shown,) = await _show(session, [found], directory, now())
    return shown


@consents.post("/{id:uuid}/copies", status_code=201)
async def make_consent_copy(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    vault: TheVault,
) -> wire.CopyOut:
    """Give the person a copy of a consent, and note that it was asked for.

    The page behind `url` needs no account and costs nothing (C. conso R223-2). It counts for as
    long as the evidence is kept.
    """
    await once.replay(by=caller.key)
    at = now()
    found = await find_consent(session, keys.vault, id, channel=caller.channel)
    number = await note_copy(session, found.id, key=caller.key, at=at)
    settings = request.app.state.settings
    base = (settings.public_url or settings.url).rstrip("/")
    answer = wire.CopyOut(
        id=number, requested_at=at, url=f"{base}/copy/{seal_copy(vault, found.id)}"
    )
    return await once.remember(answer)
