"""The routes of those who take part: brands, parties, channels, keys, the audit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from app.platform.clock import now
from app.platform.db import ReadSession, Session
from app.platform.idempotency import Once
from app.platform.openapi import responses
from app.platform.pages import Page, PageQuery, cut
from app.platform.problems import FieldError
from app.platform.refusals import InvalidRequest
from app.platform.web import router
from app.platform.wire import Slug

from .audit import Acts, list_audit
from .brands import change_brand, create_brand, find_brand, list_brands
from .caller import Caller, Forbidden
from .channels import change_channel, create_channel, find_channel, list_channels
from .directory import Directory
from .doors import TheDirectory, TheVault, requires
from .keys import create_key, find_key, list_keys, revoke_key
from .models import (
    AuditOut,
    AuditQuery,
    BrandChange,
    BrandIn,
    BrandOut,
    ChannelChange,
    ChannelIn,
    ChannelOut,
    IssuedKeyOut,
    KeyIn,
    KeyOut,
    PartyChange,
    PartyIn,
    PartyOut,
)
from .parties import change_party, create_party, find_party, list_parties
from .slugs import AlreadyExists, UnknownChannel, UnknownDatabase, UnknownParty

Reader = Annotated[Caller, requires("parties:read")]
Writer = Annotated[Caller, requires("parties:write")]
Admin = Annotated[Caller, requires("admin")]
Auditor = Annotated[Caller, requires("evidence:read")]
ListQuery = Annotated[PageQuery, Query()]

brands = router("/v1/brands", "brands")
parties = router("/v1/parties", "parties")
channels = router("/v1/channels", "channels")
keys = router("/v1/keys", "keys")
audit = router("/v1/audit", "audit")
ROUTERS = (brands, parties, channels, keys, audit)


@brands.post("", status_code=201, responses=responses(AlreadyExists))
async def register_brand(body: BrandIn, caller: Writer, session: Session, once: Once) -> BrandOut:
    """Register a brand: from then on opt-outs and checks may name it."""
    await once.replay(by=caller.key)
    brand = await create_brand(
        session,
        body.slug,
        name=body.name,
        coverage=body.coverage,
        actor=caller.actor,
        at=now(),
    )
    return await once.remember(BrandOut.of(brand), location=f"/v1/brands/{brand.slug}")


@brands.get("")
async def read_brands(_: Reader, session: ReadSession, query: ListQuery) -> Page[BrandOut]:
    """List brands, the oldest first."""
    rows = await list_brands(session, limit=query.limit + 1, after=_after(query))
    page, cursor = cut(rows, query.limit, lambda brand: (brand.id,))
    return Page(items=[BrandOut.of(brand) for brand in page], next_cursor=cursor)


@brands.get("/{slug}")
async def read_brand(slug: Slug, _: Reader, session: ReadSession) -> BrandOut:
    """Show a brand."""
    return BrandOut.of(await find_brand(session, slug))


@brands.patch("/{slug}")
async def update_brand(slug: Slug, body: BrandChange, caller: Writer, session: Session) -> BrandOut:
    """Change a brand: what is left out stays. Its slug never changes, none is ever deleted."""
    return BrandOut.of(
        await change_brand(session, slug, body.given(), actor=caller.actor, at=now())
    )


@parties.post("", status_code=201, responses=responses(AlreadyExists))
async def register_party(body: PartyIn, caller: Writer, session: Session, once: Once) -> PartyOut:
    """Register a department, subcontractor or supplier."""
    await once.replay(by=caller.key)
    party = await create_party(session, body.party(), actor=caller.actor, at=now())
    return await once.remember(PartyOut.of(party), location=f"/v1/parties/{party.slug}")


@parties.get("")
async def read_parties(_: Reader, session: ReadSession, query: ListQuery) -> Page[PartyOut]:
    """List parties, the oldest first."""
    rows = await list_parties(session, limit=query.limit + 1, after=_after(query))
    page, cursor = cut(rows, query.limit, lambda party: (party.id,))
    return Page(items=[PartyOut.of(party) for party in page], next_cursor=cursor)


@parties.get("/{slug}")
async def read_party(slug: Slug, _: Reader, session: ReadSession) -> PartyOut:
    """Show a party."""
    return PartyOut.of(await find_party(session, slug))


@parties.patch("/{slug}")
async def update_party(slug: Slug, body: PartyChange, caller: Writer, session: Session) -> PartyOut:
    """Change a party; what is left out stays, `"contract": null` takes the contract away."""
    return PartyOut.of(
        await change_party(session, slug, body.given(), actor=caller.actor, at=now())
    )


@channels.post("", status_code=201, responses=responses(AlreadyExists, UnknownParty))
async def register_channel(
    body: ChannelIn, caller: Writer, session: Session, vault: TheVault, once: Once
) -> ChannelOut:
    """Register a channel of a party: from then on opt-outs may come from it."""
    await once.replay(by=caller.key)
    channel = await create_channel(session, vault, body.channel(), actor=caller.actor, at=now())
    return await once.remember(ChannelOut.of(channel), location=f"/v1/channels/{channel.slug}")


@channels.get("")
async def read_channels(_: Reader, session: ReadSession, query: ListQuery) -> Page[ChannelOut]:
    """List channels, the oldest first."""
    rows = await list_channels(session, limit=query.limit + 1, after=_after(query))
    page, cursor = cut(rows, query.limit, lambda channel: (channel.id,))
    return Page(items=[ChannelOut.of(channel) for channel in page], next_cursor=cursor)


@channels.get("/{slug}")
async def read_channel(slug: Slug, _: Reader, session: ReadSession) -> ChannelOut:
    """Show a channel; of its inbound secret only whether one is set."""
    return ChannelOut.of(await find_channel(session, slug))


@channels.patch("/{slug}", responses=responses(UnknownParty))
async def update_channel(
    slug: Slug, body: ChannelChange, caller: Writer, session: Session, vault: TheVault
) -> ChannelOut:
    """Change a channel, or how a provider's events reach it.

    What is left out stays; `"inbound": null` takes the provider and its secret away. A key that
    is bound to a channel can change that one alone.
    """
    caller.speak_for((await find_channel(session, slug)).id)
    return ChannelOut.of(
        await change_channel(session, vault, slug, body.given(), actor=caller.actor, at=now())
    )


@keys.post("", status_code=201, responses=responses(UnknownChannel, UnknownDatabase))
async def make_key(
    body: KeyIn, caller: Admin, session: Session, directory: TheDirectory, once: Once
) -> IssuedKeyOut:
    """Make a key. Its text is shown in this answer and never again.

    Bound to a channel it writes as that channel and reads what that one recorded; bound to a
    database it follows the journal as that database. A bound administrator's keys are bound as
    his own.
    """
    await once.replay(by=caller.key)
    at = now()
    if body.expires_at is not None and body.expires_at <= at:
        raise InvalidRequest(
            "The key would have expired already.",
            errors=[FieldError("/expires_at", "must lie in the future")],
        )
    own = await _binding(directory, caller)
    new = body.key(
        channel=_within(own.channel, body.channel), database=_within(own.database, body.database)
    )
    issued = await create_key(session, new, actor=caller.actor, at=at)
    answer = IssuedKeyOut.of(issued.key, key=issued.text)
    return await once.remember(answer, location=f"/v1/keys/{answer.id}", without=("key",))


@keys.get("")
async def read_keys(caller: Admin, session: ReadSession, query: ListQuery) -> Page[KeyOut]:
    """List keys without their texts, the oldest first, revoked ones included."""
    rows = await list_keys(
        session,
        limit=query.limit + 1,
        after=_after(query),
        channel=caller.channel,
        database=caller.database,
    )
    page, cursor = cut(rows, query.limit, lambda key: (key.number,))
    return Page(items=[KeyOut.of(key) for key in page], next_cursor=cursor)


@keys.get("/{id}")
async def read_key(
    id: UUID,  # noqa: A002 - the word of the wire
    caller: Admin,
    session: ReadSession,
) -> KeyOut:
    """Show a key without its text."""
    return KeyOut.of(await find_key(session, id, channel=caller.channel, database=caller.database))


@keys.delete("/{id}", status_code=204)
async def end_key(
    id: UUID,  # noqa: A002 - the word of the wire
    caller: Admin,
    session: Session,
) -> None:
    """Revoke a key: within a second it is refused everywhere, and for good.

    The caller's own may go too, and even the last one with scope `admin`: the command
    `optout keys create` on the machine itself makes another.
    """
    key = await find_key(session, id, channel=caller.channel, database=caller.database)
    await revoke_key(session, key, actor=caller.actor, at=now())


@audit.get("")
async def read_audit(
    caller: Auditor, session: ReadSession, query: Annotated[AuditQuery, Query()]
) -> Page[AuditOut]:
    """List who changed what, and who read in bulk, the latest first.

    A bound key sees its own acts alone.
    """
    actor = query.actor
    if caller.channel is not None or caller.database is not None:
        if actor not in (None, caller.actor):
            return Page(items=[], next_cursor=None)
        actor = caller.actor
    wanted = Acts(actor, query.action, query.subject, query.since, query.until)
    after = query.after(datetime, UUID)
    acts = await list_audit(
        session,
        wanted,
        limit=query.limit + 1,
        after=None if after is None else (after[0], after[1]),
    )
    page, cursor = cut(acts, query.limit, lambda act: (act.at, act.id))
    return Page(items=[AuditOut.of(act) for act in page], next_cursor=cursor)


def _after(query: PageQuery) -> int:
    (after,) = query.after(int) or (0,)
    return int(after)


@dataclass(frozen=True, slots=True)
class _Binding:
    """The slugs of what a caller is bound to."""

    channel: str | None
    database: str | None


async def _binding(directory: Directory, caller: Caller) -> _Binding:
    return _Binding(
        None if caller.channel is None else await directory.channel_slug(caller.channel),
        None if caller.database is None else await directory.database_slug(caller.database),
    )


def _within(own: str | None, wanted: str | None) -> str | None:
    """Bind a new key as wanted, but never looser than its maker's own."""
    if own is not None and wanted not in (None, own):
        raise Forbidden(f"This key is bound to {own} and makes only keys that are.")
    return wanted if own is None else own
