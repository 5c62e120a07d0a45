"""Sessions: which browser is signed in as whom, looked up in the database at every request."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.ids import new_id, new_secret

from .tables import SessionRow, UserRow
from .users import User, user_of

IDLE = timedelta(minutes=30)
"""How long a session lasts without a request."""
WHOLE = timedelta(hours=12)
"""How long one lasts at most: a working day."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser as its owner sees it in a list."""

    id: UUID
    began_at: datetime
    seen_at: datetime
    browser: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of a signed-in browser.

    ``whole`` is false while the second factor is missing. ``token`` is the cookie's.
    """

    user: User
    session: UUID
    whole: bool
    seen_at: datetime
    token: str = field(repr=False)


async def begin_session(
    session: AsyncSession, user: UUID, *, whole: bool, browser: str, at: datetime
) -> str:
    """Sign a browser in and give the token for its cookie; it stands nowhere else."""
    token = new_secret()
    session.add(
        SessionRow(
            digest=_digest(token),
            id=new_id(),
            user_id=user,
            whole=whole,
            began_at=at,
            seen_at=at,
            ends_at=at + WHOLE,
            browser=browser[:200],
        )
    )
    await session.execute(update(UserRow).where(UserRow.id == user).values(signed_in_at=at))
    await session.flush()
    return token


async def find_visit(session: AsyncSession, token: str, *, at: datetime) -> Visit | None:
    """Tell who is signed in with a token; None if nobody is, or no more."""
    found = (
        await session.execute(
            select(SessionRow, UserRow)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(
                SessionRow.digest == _digest(token),
                SessionRow.ends_at > at,
                SessionRow.seen_at > at - IDLE,
                UserRow.disabled_at.is_(None),
            )
        )
    ).one_or_none()
    if found is None:
        return None
    row, user = found
    return Visit(user_of(user), row.id, row.whole, row.seen_at, token)


async def present_sessions(
    session: AsyncSession, sessions: Collection[UUID], *, at: datetime
) -> frozenset[UUID]:
    """Tell which of some sessions stand, without noting that they are in use."""
    rows = await session.scalars(
        select(SessionRow.id)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(
            SessionRow.id.in_(sessions),
            SessionRow.ends_at > at,
            SessionRow.seen_at > at - IDLE,
            UserRow.disabled_at.is_(None),
        )
    )
    return frozenset(rows)


async def was_seen(session: AsyncSession, token: str, *, at: datetime) -> None:
    """Note that a session is in use."""
    await session.execute(
        update(SessionRow).where(SessionRow.digest == _digest(token)).values(seen_at=at)
    )


async def pass_second_factor(session: AsyncSession, visit: Visit, *, at: datetime) -> str:
    """Make a session whole; it goes on under a new token, so that an older one is worth nothing."""
    token = new_secret()
    await session.execute(
        update(SessionRow)
        .where(SessionRow.digest == _digest(visit.token))
        .values(digest=_digest(token), whole=True, seen_at=at)
    )
    return token


async def list_sessions(session: AsyncSession, user: UUID, *, at: datetime) -> Sequence[Session]:
    """List where a user is signed in, the latest use first."""
    rows = await session.scalars(
        select(SessionRow)
        .where(SessionRow.user_id == user, SessionRow.ends_at > at, SessionRow.seen_at > at - IDLE)
        .order_by(SessionRow.seen_at.desc())
        .limit(50)
    )
    return [Session(row.id, row.began_at, row.seen_at, row.browser) for row in rows]


async def end_session(session: AsyncSession, user: UUID, which: UUID) -> None:
    """Sign one browser of a user out."""
    await session.execute(
        delete(SessionRow).where(SessionRow.id == which, SessionRow.user_id == user)
    )


async def end_sessions(session: AsyncSession, user: UUID) -> None:
    """Sign a user out everywhere."""
    await session.execute(delete(SessionRow).where(SessionRow.user_id == user))


async def forget_sessions(session: AsyncSession, *, at: datetime) -> None:
    """Delete the sessions that are over."""
    await session.execute(
        delete(SessionRow).where(or_(SessionRow.ends_at <= at, SessionRow.seen_at <= at - IDLE))
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
