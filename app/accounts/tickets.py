"""Tickets: the link by which somebody chooses a password, as an invitation or a reset."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.ids import new_secret

from .tables import TicketRow, UserRow
from .users import User, set_password, user_of

LASTS = timedelta(hours=48)


class BadTicket(Exception):  # noqa: N818 - it says what the ticket is
    """The link was used, has run out, or never was one."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """For whom a ticket is, and until when it counts."""

    user: User
    ends_at: datetime


async def issue_ticket(
    session: AsyncSession, user: UUID, *, at: datetime, lasts: timedelta = LASTS
) -> str:
    """Issue a ticket and give its text, which stands nowhere else; earlier ones are void."""
    text = new_secret()
    await session.execute(delete(TicketRow).where(TicketRow.user_id == user))
    session.add(TicketRow(digest=_digest(text), user_id=user, issued_at=at, ends_at=at + lasts))
    await session.flush()
    return text


async def find_ticket(session: AsyncSession, text: str, *, at: datetime) -> Ticket:
    """Tell for whom a ticket is, without using it up: a link scanner may open it.

    Raises:
        BadTicket: it counts no more, or its user is let in no more.
    """
    found = (
        await session.execute(
            select(TicketRow.ends_at, UserRow)
            .join(UserRow, UserRow.id == TicketRow.user_id)
            .where(
                TicketRow.digest == _digest(text),
                TicketRow.ends_at > at,
                UserRow.disabled_at.is_(None),
            )
        )
    ).one_or_none()
    if found is None:
        raise BadTicket
    return Ticket(user_of(found[1]), found[0])


async def redeem_ticket(session: AsyncSession, text: str, hashed: str, *, at: datetime) -> User:
    """Use a ticket up: its user's password is the one of this hash from now on.

    Raises:
        BadTicket: it counts no more.
    """
    used = await session.scalar(
        delete(TicketRow)
        .where(TicketRow.digest == _digest(text), TicketRow.ends_at > at)
        .returning(TicketRow.user_id)
    )
    row = None if used is None else await session.get(UserRow, used)
    if row is None or row.disabled_at is not None:
        raise BadTicket
    await set_password(session, row.id, hashed)
    return user_of(row)


async def forget_tickets(session: AsyncSession, *, at: datetime) -> None:
    """Delete the tickets that have run out."""
    await session.execute(delete(TicketRow).where(TicketRow.ends_at <= at))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
