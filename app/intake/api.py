"""The routes of the door: opt-outs, reinstatements, erasures, and looking one person up."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from app.identifiers import Identifier, mask
from app.journal import EVERY_MEDIUM
from app.parties import (
    Caller,
    TheDirectory,
    ThePurpose,
    TheReads,
    UnknownBrand,
    UnknownChannel,
    list_databases,
    requires,
)
from app.platform.clock import now
from app.platform.db import ReadSession, Session
from app.platform.idempotency import REPLAYED, Once
from app.platform.ids import new_id
from app.platform.openapi import responses
from app.platform.pages import Page, cut
from app.platform.web import router
from app.points import (
    DefaultRegion,
    IdentifierIn,
    ThePointKeys,
    TheSought,
    UnusableIdentifier,
)
from app.registry import Lifting, ObjectionIsNewer, WiderObjectionStands

from . import models as wire
from .channels import channel_of
from .erasures import Erasure, find_erasure, request_erasure
from .history import read_history
from .opt_outs import (
    Filter,
    InTheFuture,
    OptOut,
    ReferenceReused,
    find_opt_out,
    list_opt_outs,
    occurred,
    void,
)
from .receipts import accept, read_propagation, read_receipt
from .reinstatements import reinstate

opt_outs = router("/v1/opt-outs", "opt-outs")
suppressions = router("/v1/suppressions", "opt-outs")
reinstatements = router("/v1/reinstatements", "reinstatements")
erasures = router("/v1/erasures", "erasures")
ROUTERS = (opt_outs, suppressions, reinstatements, erasures)

Writer = Annotated[Caller, requires("opt-outs:write")]
Reader = Annotated[Caller, requires("opt-outs:read")]
Reinstater = Annotated[Caller, requires("reinstatements:write")]
Admin = Annotated[Caller, requires("admin")]


@opt_outs.post(
    "",
    status_code=201,
    responses=responses(
        ReferenceReused, UnusableIdentifier, UnknownBrand, UnknownChannel, InTheFuture
    ),
)
async def record_opt_out(
    body: wire.OptOutIn,
    caller: Writer,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
    response: Response,
) -> wire.ReceiptOut:
    """Record that somebody objected.

    From the receipt on, every check says `block`; every database that it concerns is told, again
    if it was told before. A `reference` that the channel used for this very request gives the
    same receipt.
    """
    await once.replay(by=caller.key)
    at = now()
    opt_out = OptOut(
        id=new_id(),
        recorded_at=at,
        occurred_at=occurred(body.occurred_at, at, pointer="/occurred_at"),
        channel=await channel_of(caller, body.channel, directory),
        reason=body.reason,
        media=body.scope,
        brand=await wire.brand_number(directory, body.brand),
        key=caller.key,
        recorded_by=body.recorded_by,
        reference=body.reference,
        evidence=None if body.evidence is None else body.evidence.model_dump(exclude_none=True),
    )
    receipt = await accept(
        session,
        keys,
        opt_out,
        _identifiers(body.identifiers, region),
    )
    if receipt.replayed:
        response.headers.update(REPLAYED)
    answer = await wire.ReceiptOut.of(receipt, directory)
    return await once.remember(answer, location=f"/v1/opt-outs/{receipt.opt_out.id}")


@opt_outs.get("", responses=responses(UnknownBrand, UnknownChannel))
async def list_recorded_opt_outs(
    query: Annotated[wire.OptOutQuery, Query()],
    caller: Reader,
    session: ReadSession,
    directory: TheDirectory,
    reads: TheReads,
    purpose: ThePurpose,
) -> Page[wire.OptOutOut]:
    """List opt-outs, the latest first. A key bound to a channel sees what that one recorded.

    The audit notes how many were read, many pages of a minute in one line.
    """
    channel = caller.channel
    if query.channel is not None:
        channel = await directory.channel(query.channel, "/query/channel")
        caller.speak_for(channel)
    wanted = Filter(
        channel,
        query.reason,
        None if query.brand is None else await directory.brand(query.brand, "/query/brand"),
        query.since,
        query.until,
    )
    after = query.after(UUID)
    rows = await list_opt_outs(
        session, wanted, before=None if after is None else after[0], limit=query.limit + 1
    )
    page, next_cursor = cut(rows, query.limit, lambda row: (row.id,))
    subject = "opt-outs" if channel is None else f"channel:{await directory.channel_slug(channel)}"
    await reads.note(caller, "opt-outs.listed", subject, rows=len(page), purpose=purpose, at=now())
    items = [await wire.OptOutOut.of(row, directory) for row in page]
    return Page(items=items, next_cursor=next_cursor)


@opt_outs.get("/{id}")
async def read_opt_out(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Reader,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> wire.ReceiptOut:
    """Tell the receipt of an opt-out as of now."""
    opt_out = await find_opt_out(session, id, channel=caller.channel)
    return await wire.ReceiptOut.of(await read_receipt(session, keys, opt_out), directory)


@opt_outs.get("/{id}/propagation")
async def read_opt_out_propagation(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Reader,
    session: ReadSession,
    directory: TheDirectory,
) -> wire.PropagationOut:
    """Tell database by database who has acknowledged an opt-out, and when.

    Counted are the databases registered when it was recorded that it concerns, less those
    deleted since. The first acknowledgement counts; a replay changes nothing.
    """
    opt_out = await find_opt_out(session, id, channel=caller.channel)
    propagation = await read_propagation(session, opt_out, at=now())
    parties = {one.id: one.party for one in await list_databases(session)}
    return await wire.propagation_out(propagation, directory, parties)


@opt_outs.post("/{id}/void")
async def void_opt_out(
    id: UUID,  # noqa: A002 - the name in the address
    body: wire.VoidIn,
    caller: Admin,
    session: Session,
    once: Once,
) -> wire.VoidOut:
    """Void an opt-out that was recorded by mistake.

    Its record stays. What other opt-outs laid on the same contact points goes on standing, and
    every database hears what changed.
    """
    await once.replay(by=caller.key)
    at = now()
    opt_out = await find_opt_out(session, id, channel=caller.channel)
    voided = await void(session, opt_out.id, by=caller.actor, reason=body.reason, at=at)
    answer = wire.VoidOut(id=id, voided_at=voided.at, position=voided.position)
    return await once.remember(answer, status=200)


@suppressions.post("/search", responses=responses(UnusableIdentifier))
async def search_suppressions(
    caller: Reader,
    sought: TheSought,
    session: ReadSession,
    directory: TheDirectory,
) -> wire.SearchOut:
    """Tell what is suppressed for one contact point, and how that came.

    A key bound to a channel sees the state, and of the history what that channel recorded.
    """
    history = await read_history(session, sought.point, channel=caller.channel)
    return wire.SearchOut(
        identifier=sought.masked,
        suppressions=[await wire.StateOut.of(state, directory) for state in history.states],
        history=[await wire.HistoryOut.of(act, directory) for act in history.acts],
    )


@reinstatements.post(
    "",
    status_code=201,
    responses=responses(
        ObjectionIsNewer,
        WiderObjectionStands,
        UnusableIdentifier,
        UnknownBrand,
        UnknownChannel,
        InTheFuture,
    ),
)
async def record_reinstatement(
    body: wire.ReinstatementIn,
    caller: Reinstater,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
) -> wire.ReinstatementOut:
    """Record a person's own later act that allows contact again, with its proof.

    It lifts, for its brand and media, what occurred before it. If an objection occurred at or
    after it, or a wider one stands, nothing is lifted.
    """
    await once.replay(by=caller.key)
    at = now()
    lifting = Lifting(
        id=new_id(),
        brand=await wire.brand_number(directory, body.brand),
        media=body.media or EVERY_MEDIUM,
        channel=await channel_of(caller, body.channel, directory),
        key=caller.key,
        # Never later than the recording: a fast clock must not lift what is said after it.
        occurred_at=min(occurred(body.occurred_at, at, pointer="/occurred_at"), at),
        recorded_at=at,
        evidence=body.evidence.model_dump(exclude_none=True),
    )
    identifier = body.identifier.read(region=region)
    changed = await reinstate(session, keys, lifting, identifier)
    answer = wire.ReinstatementOut(
        id=lifting.id,
        position=changed.position,
        recorded_at=at,
        occurred_at=lifting.occurred_at,
        channel=await directory.channel_slug(lifting.channel),
        media=lifting.media,
        brand=body.brand,
        suppressions=[await wire.SuppressedOut.of(one, directory) for one in changed.suppressed],
    )
    return await once.remember(answer)


@erasures.post("", status_code=201, responses=responses(UnusableIdentifier))
async def record_erasure(
    body: wire.ErasureIn,
    caller: Admin,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    region: DefaultRegion,
) -> wire.ErasureOut:
    """Forget somebody, and go on recognising him.

    Each database that was told of the contact points is told `identifier.erased`. When all have
    acknowledged, at the latest after OPTOUT_ERASURE_DAYS, the sealed value, the free text and the
    references to evidence are destroyed. Checks go on blocking.
    """
    await once.replay(by=caller.key)
    erasure = Erasure(new_id(), now(), None, caller.key, body.reference)
    identifiers = _identifiers(body.identifiers, region)
    requested = await request_erasure(session, keys, erasure, identifiers)
    answer = wire.ErasureOut(
        id=erasure.id,
        recorded_at=erasure.recorded_at,
        position=requested.position,
        identifiers=[
            wire.ErasedOut(kind=one.kind, masked=mask(one), known=one in requested.known)
            for one in identifiers
        ],
    )
    return await once.remember(answer, location=f"/v1/erasures/{erasure.id}")


@erasures.get("/{id}")
async def read_erasure(
    id: UUID,  # noqa: A002 - the name in the address
    _caller: Admin,
    session: ReadSession,
) -> wire.ErasureState:
    """Tell whether the values of an erasure are destroyed."""
    erasure = await find_erasure(session, id)
    return wire.ErasureState(
        id=erasure.id,
        recorded_at=erasure.recorded_at,
        completed_at=erasure.completed_at,
        reference=erasure.reference,
    )


def _identifiers(given: list[IdentifierIn], region: str) -> list[Identifier]:
    """Read contact points; one that is written twice counts once."""
    read = [one.read(region=region, pointer=f"/identifiers/{n}") for n, one in enumerate(given)]
    return list(dict.fromkeys(read))
