"""What was done about a person, for those who answer for it: each act leads to its own page."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Role, User
from app.intake import Act, History
from app.parties import list_channels

from .scope import channels_of

_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class Done:
    """An act, the name of its channel, and the page that shows it; None where there is none."""

    act: Act
    channel: str
    page: str | None


async def acts_seen_by(session: AsyncSession, user: User, history: History) -> Sequence[Done]:
    """List what was done, the latest first: an agent sees none, a supervisor their own party's."""
    if user.role < Role.SUPERVISOR or not history.acts:
        return ()
    own = await channels_of(session, user)
    names = {one.id: one.name for one in await list_channels(session, limit=_EVERY)}
    return [
        Done(act, names[act.channel], _page(user, act))
        for act in history.acts
        if own is None or act.channel in own
    ]


def _page(user: User, act: Act) -> str | None:
    if act.type == "opt_out":
        return f"{'' if user.role >= Role.OFFICER else '/desk'}/opt-outs/{act.id}"
    of_officers = act.type == "import" and user.role >= Role.OFFICER
    return f"/files/imports/{act.id}" if of_officers else None
