"""Whose opt-outs somebody sees and records: their channel's, their party's, or all."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import User
from app.intake import OptOut, find_opt_out
from app.parties import channels_of_party
from app.platform.refusals import NotFound


async def channels_of(session: AsyncSession, user: User) -> Collection[int] | None:
    """List the channels, by their numbers, that somebody stands for; None is all of them."""
    if user.channel is not None:
        return (user.channel,)
    return None if user.party is None else await channels_of_party(session, user.party)


async def find_own(session: AsyncSession, opt_out: UUID, user: User) -> OptOut:
    """Find an opt-out that somebody may see.

    Raises:
        NotFound: there is none, or another channel's.
    """
    found = await find_opt_out(session, opt_out, channel=None)
    channels = await channels_of(session, user)
    if channels is not None and found.channel not in channels:
        raise NotFound("There is no such opt-out.")
    return found
