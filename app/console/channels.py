"""Channels for the officer: where opt-outs come from, whose they are, when each was last used."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Request, Response

from app.accounts import Role, Visit
from app.intake import last_uses
from app.parties import Channel, Key, list_channels, list_keys, list_parties
from app.platform.clock import now
from app.platform.db import database_of

from .doors import signed_in
from .lists import PAGE, Asked
from .pages import page, pages, words_for
from .parties import CHANNEL_KINDS

channel_list = pages("/channels")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]

_ALL = 32_767


@channel_list.get("")
async def show_channels(request: Request, visit: Officer) -> Response:
    """List channels in the order in which they were made; by name, kind and party."""
    del visit
    at, t, asked = now(), words_for(request), Asked(request)
    after = asked.after(int)
    async with database_of(request).reading() as session:
        known = await list_channels(session, limit=_ALL)
        parties = {one.slug: one.name for one in await list_parties(session, limit=_ALL)}
        rows = [one for one in known if _wanted(one, asked) and (not after or one.id > after[0])]
        shown, following = asked.page(rows[: PAGE + 1], lambda one: (one.id,))
        used = await last_uses(session, [one.id for one in shown])
        keys = _in_force(await list_keys(session), at)
    return await page(
        request,
        "channels.html",
        rows=shown,
        next=following,
        any_channel=bool(known),
        used=used,
        keys=keys,
        parties=parties,
        party_choices=sorted(parties.items(), key=lambda one: one[1]),
        kinds=[(kind, t(f"channel.{kind}")) for kind in CHANNEL_KINDS],
    )


def _wanted(channel: Channel, asked: Asked) -> bool:
    sought = (asked.text("q") or "").casefold()
    return (
        asked.text("kind") in (None, channel.kind)
        and asked.text("party") in (None, channel.party)
        and (sought in channel.name.casefold() or sought in channel.slug)
    )


def _in_force(keys: Sequence[Key], at: datetime) -> Counter[str]:
    """Count the keys in force that are bound to a channel, by its slug."""
    return Counter(key.channel for key in keys if key.channel is not None and key.is_in_force(at))
