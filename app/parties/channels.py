"""Channels: where opt-outs come from, and how a provider speaks to one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.resealing import Sealed
from app.platform.vault import Vault

from .audit import note
from .parties import NewParty, create_party, party_number, spell_parties
from .slugs import find_row, insert_new, rewrite
from .tables import ChannelRow, PartyRow


@dataclass(frozen=True, slots=True)
class Inbound:
    """How a provider's events reach a channel; ``has_secret`` is all that is ever told of it."""

    dialect: str
    options: Mapping[str, Any]
    has_secret: bool


@dataclass(frozen=True, slots=True)
class NewInbound:
    """What a caller sets; a ``secret`` of None keeps the one that is there."""

    dialect: str
    options: Mapping[str, Any] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel to be registered; ``party`` is a slug."""

    slug: str
    name: str
    kind: str
    party: str
    inbound: NewInbound | None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it stands; ``party`` is a slug."""

    id: int
    slug: str
    name: str
    kind: str
    party: str
    inbound: Inbound | None
    created_at: datetime


async def create_channel(
    session: AsyncSession, vault: Vault, new: NewChannel, *, actor: str, at: datetime
) -> Channel:
    """Register a channel of a party, sealing the inbound secret.

    Raises:
        AlreadyExists: the slug is taken.
        UnknownParty: there is no such party.
    """
    row = await insert_new(
        session,
        ChannelRow,
        new.slug,
        name=new.name,
        kind=new.kind,
        party=await party_number(session, new.party),
        created_at=at,
        **_inbound_columns(vault, new.slug, new.inbound),
    )
    await note(session, actor, "channel.created", f"channel:{new.slug}", at, party=new.party)
    return _channel(row, new.party)


async def find_channel(session: AsyncSession, slug: str) -> Channel:
    """Find a channel.

    Raises:
        NotFound: there is none.
    """
    row = await find_row(session, ChannelRow, slug)
    party = await session.scalar(select(PartyRow.slug).where(PartyRow.id == row.party))
    return _channel(row, str(party))


WEB = "web"
"""The channel of what people do themselves on the pages; made when the first of them does."""


async def web_channel(session: AsyncSession, vault: Vault, *, country: str, at: datetime) -> int:
    """Find the number of the channel ``web``, or make it, and a party for it of this country."""
    found = await session.scalar(select(ChannelRow.id).where(ChannelRow.slug == WEB))
    if found is not None:
        return found
    name = "The people themselves"
    party = NewParty(WEB, name, "department", country, "nobody@registry.invalid", None)
    # Two at once: the second waits for the first, and finds what it made.
    await session.execute(text("LOCK TABLE parties IN SHARE ROW EXCLUSIVE MODE"))
    found = await session.scalar(select(ChannelRow.id).where(ChannelRow.slug == WEB))
    if found is not None:
        return found
    if await session.scalar(select(PartyRow.id).where(PartyRow.slug == WEB)) is None:
        await create_party(session, party, actor=WEB, at=at)
    new = NewChannel(WEB, name, "web", WEB, None)
    return (await create_channel(session, vault, new, actor=WEB, at=at)).id


async def list_channels(session: AsyncSession, *, limit: int, after: int = 0) -> Sequence[Channel]:
    """List channels in the order in which they were made, from number ``after``."""
    rows = await session.execute(
        select(ChannelRow, PartyRow.slug)
        .join(PartyRow, PartyRow.id == ChannelRow.party)
        .where(ChannelRow.id > literal(after, BigInteger))
        .order_by(ChannelRow.id)
        .limit(limit)
    )
    return [_channel(row, party) for row, party in rows]


async def channels_of_party(session: AsyncSession, party: int) -> frozenset[int]:
    """List the numbers of a party's channels."""
    rows = await session.scalars(select(ChannelRow.id).where(ChannelRow.party == party))
    return frozenset(rows)


async def change_channel(
    session: AsyncSession,
    vault: Vault,
    slug: str,
    new: Mapping[str, Any],
    *,
    actor: str,
    at: datetime,
) -> Channel:
    """Give a channel a new ``name``, ``kind``, ``party`` (its slug) or ``inbound``.

    An inbound of None takes the provider away, and its secret with it; so does another dialect,
    whose secret is another one.

    Raises:
        NotFound: there is none.
        UnknownParty: there is no such party.
    """
    row = await find_row(session, ChannelRow, slug, lock=True)
    values = dict(new)
    if "party" in values:
        values["party"] = await party_number(session, values["party"])
    if "inbound" in values:
        values |= _inbound_columns(vault, slug, values["inbound"], before=row)
    changed = rewrite(row, values, unsaid={"inbound", "inbound_secret"})
    if changed:
        await session.flush()
        await spell_parties(session, changed)
        await note(session, actor, "channel.changed", f"channel:{slug}", at, **changed)
    return await find_channel(session, slug)


async def inbound_secret(session: AsyncSession, vault: Vault, slug: str) -> str | None:
    """Unseal what a channel's provider signs with, to verify an event; None if none is set."""
    row = await find_row(session, ChannelRow, slug)
    if row.inbound_secret is None:
        return None
    return vault.unseal(row.inbound_secret, _context(slug)).decode()


def _inbound_columns(
    vault: Vault, slug: str, inbound: NewInbound | None, before: ChannelRow | None = None
) -> dict[str, Any]:
    if inbound is None:
        return {"inbound": None, "inbound_secret": None}
    columns: dict[str, Any] = {
        "inbound": {"dialect": inbound.dialect, "options": dict(inbound.options)}
    }
    if inbound.secret is not None:
        columns["inbound_secret"] = vault.seal(inbound.secret.encode(), _context(slug))
    elif before is not None and (before.inbound or {}).get("dialect") != inbound.dialect:
        columns["inbound_secret"] = None
    return columns


def _context(slug: str) -> bytes:
    return f"channel inbound {slug}".encode()


def _channel(row: ChannelRow, party: str) -> Channel:
    inbound = None
    if row.inbound is not None:
        inbound = Inbound(
            row.inbound["dialect"], row.inbound["options"], row.inbound_secret is not None
        )
    return Channel(row.id, row.slug, row.name, row.kind, party, inbound, row.created_at)


SEALED = (Sealed("channels", "inbound_secret", ("id",), lambda row: _context(row.slug), ("slug",)),)
"""The columns of this room that are sealed."""
