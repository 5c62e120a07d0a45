"""Signing in: the two proofs, how often they may be tried, and a refusal that tells nothing."""

from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from sqlalchemy import select

from app.platform.db import Database
from app.platform.vault import Vault

from .passwords import password_fits
from .second_factors import confirm_enrolment, take_code
from .tables import UserRow
from .tries import Limit, count_try
from .users import User, user_of

_BY_LOGIN_AND_PLACE = Limit(5, timedelta(minutes=15))
_BY_LOGIN = Limit(50, timedelta(hours=1))
_BY_PLACE = Limit(100, timedelta(hours=1))
_CODES = Limit(5, timedelta(minutes=15))


class WrongCredentials(Exception):  # noqa: N818 - it says what they are
    """No such user, not this password, not yet invited, or disabled: nobody is told which."""


class TooManyTries(Exception):  # noqa: N818 - it says how it stands
    """It was tried too often; right or wrong, nothing is judged before the window has passed."""


async def check_password(
    database: Database, login: str, password: str, *, place: str, at: datetime
) -> User:
    """Tell who has this login and password.

    No connection is held while the hash is computed. ``place`` is the address it comes from.

    Raises:
        TooManyTries: from this place, for this login, or both.
        WrongCredentials: they are not those of a user who may sign in.
    """
    login = login.lower()
    block = address_block(place)
    async with database.transaction() as session:
        within = [
            await count_try(session, what, limit, at=at)
            for what, limit in (
                (f"login-from/{block}/{login}", _BY_LOGIN_AND_PLACE),
                (f"login/{login}", _BY_LOGIN),
                (f"sign-in-from/{block}", _BY_PLACE),
            )
        ]
        row = await session.scalar(select(UserRow).where(UserRow.login == login))
    if not all(within):
        raise TooManyTries
    fits = await password_fits(password, None if row is None else row.password)
    if row is None or not fits or row.disabled_at is not None:
        raise WrongCredentials
    return user_of(row)


async def check_code(
    database: Database, vault: Vault, user: User, code: str, *, at: datetime
) -> None:
    """Take a code of a user's second factor, or the first one of a new factor; each counts once.

    Raises:
        TooManyTries: too many were tried.
        WrongCredentials: it is not one that counts now.
    """
    take = take_code if user.second_factor else confirm_enrolment
    async with database.transaction() as session:
        within = await count_try(session, f"code/{user.id}", _CODES, at=at)
        # A try that is refused was made all the same: it is counted, so nothing is raised here.
        fits = within and await take(session, vault, user.id, code, at=at)
    if not within:
        raise TooManyTries
    if not fits:
        raise WrongCredentials


def address_block(place: str) -> str:
    """Name the block that an address is in: itself, or the /64 of IPv6, which is one customer."""
    try:
        address = ip_address(place)
    except ValueError:
        return "unknown"
    return str(ip_network((address, 64 if address.version == 6 else 32), strict=False))  # noqa: PLR2004 - the families
