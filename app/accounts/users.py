"""Users: made, changed, disabled; never deleted, for records name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.ids import new_id
from app.platform.refusals import NotFound

from .roles import Role
from .tables import SessionRow, TicketRow, UserRow

UserState = Literal["active", "invited", "ended"]
USER_STATES: tuple[UserState, ...] = get_args(UserState)
_IN_STATE: dict[UserState, tuple[ColumnElement[bool], ...]] = {
    "active": (UserRow.disabled_at.is_(None), UserRow.password.is_not(None)),
    "invited": (UserRow.disabled_at.is_(None), UserRow.password.is_(None)),
    "ended": (UserRow.disabled_at.is_not(None),),
}


class LoginTaken(Exception):  # noqa: N818 - it says what the login is
    """Somebody else has this login, or had."""


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in; ``channel`` is the number of the one they record as.

    With ``party`` they record as any channel of that party; with neither, as any at all.

    ``ready`` tells that a password was chosen, ``second_factor`` that codes are asked for.
    """

    id: UUID
    login: str
    name: str
    role: Role
    channel: int | None
    party: int | None
    ready: bool
    second_factor: bool
    created_at: datetime
    disabled_at: datetime | None
    signed_in_at: datetime | None

    @property
    def state(self) -> UserState:
        """Tell whether they may sign in, have yet to choose a password, or may no more."""
        if self.disabled_at is not None:
            return "ended"
        return "active" if self.ready else "invited"

    @property
    def actor(self) -> str:
        """Name the person as the audit does."""
        return f"user:{self.id}"


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person to be let in, for a channel, a party, or all; the login is kept in lower case."""

    login: str
    name: str
    role: Role
    channel: int | None = None
    party: int | None = None


async def create_user(session: AsyncSession, new: NewUser, *, at: datetime) -> User:
    """Make a user, who cannot sign in before a ticket was redeemed.

    Raises:
        LoginTaken: there is one of that login.
    """
    row = await session.scalar(
        insert(UserRow)
        .values(
            id=new_id(),
            login=new.login.lower(),
            name=new.name,
            role=int(new.role),
            channel=new.channel,
            party=new.party,
            created_at=at,
        )
        .on_conflict_do_nothing()
        .returning(UserRow)
    )
    if row is None:
        raise LoginTaken(new.login)
    return user_of(row)


async def find_user(session: AsyncSession, user: UUID) -> User:
    """Find a user, a disabled one too.

    Raises:
        NotFound: there is none.
    """
    row = await session.get(UserRow, user)
    if row is None:
        raise NotFound("There is no such user.")
    return user_of(row)


async def find_user_by_login(session: AsyncSession, login: str) -> User:
    """Find a user by login, in any case of letters.

    Raises:
        NotFound: there is none.
    """
    row = await session.scalar(select(UserRow).where(UserRow.login == login.lower()))
    if row is None:
        raise NotFound("There is no such user.")
    return user_of(row)


@dataclass(frozen=True, slots=True)
class Among:
    """Which users to list; None is any, ``place`` the numbers of a channel and of a party."""

    role: Role | None = None
    state: UserState | None = None
    place: tuple[int | None, int | None] | None = None


async def list_users(
    session: AsyncSession, among: Among = Among(), *, after: str = "", limit: int = 50
) -> list[User]:
    """List users by login, from the one after ``after``."""
    query = select(UserRow).where(UserRow.login > after).order_by(UserRow.login).limit(limit)
    if among.role is not None:
        query = query.where(UserRow.role == int(among.role))
    if among.state is not None:
        query = query.where(*_IN_STATE[among.state])
    if among.place is not None:
        channel, party = among.place
        query = query.where(
            UserRow.channel.is_not_distinct_from(channel), UserRow.party.is_not_distinct_from(party)
        )
    return [user_of(row) for row in await session.scalars(query)]


async def name_users(session: AsyncSession, users: Sequence[UUID]) -> dict[UUID, str]:
    """Tell the names of some users."""
    rows = await session.execute(select(UserRow.id, UserRow.name).where(UserRow.id.in_(users)))
    return {row.id: row.name for row in rows}


async def any_user(session: AsyncSession) -> bool:
    """Tell whether there is a user at all."""
    return await session.scalar(select(UserRow.id).limit(1)) is not None


async def change_user(
    session: AsyncSession,
    user: UUID,
    *,
    role: Role,
    channel: int | None,
    party: int | None = None,
) -> User:
    """Give a user another role, channel or party; it counts from the next request.

    Raises:
        NotFound: there is none.
    """
    await session.execute(
        update(UserRow)
        .where(UserRow.id == user)
        .values(role=int(role), channel=channel, party=party)
    )
    return await find_user(session, user)


async def disable_user(session: AsyncSession, user: UUID, *, at: datetime) -> None:
    """Let a user in no more: sessions end, tickets are void."""
    await session.execute(update(UserRow).where(UserRow.id == user).values(disabled_at=at))
    await session.execute(delete(SessionRow).where(SessionRow.user_id == user))
    await session.execute(delete(TicketRow).where(TicketRow.user_id == user))


async def set_password(session: AsyncSession, user: UUID, hashed: str) -> None:
    """Keep the hash of a new password; every session ends, and every ticket is void."""
    await session.execute(update(UserRow).where(UserRow.id == user).values(password=hashed))
    await session.execute(delete(SessionRow).where(SessionRow.user_id == user))
    await session.execute(delete(TicketRow).where(TicketRow.user_id == user))


def user_of(row: UserRow) -> User:
    """Show a row without its secrets."""
    return User(
        row.id,
        row.login,
        row.name,
        Role(row.role),
        row.channel,
        row.party,
        row.password is not None,
        row.second_factor is not None,
        row.created_at,
        row.disabled_at,
        row.signed_in_at,
    )
