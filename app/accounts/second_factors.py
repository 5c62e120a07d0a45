"""The second factor: time-based codes (RFC 6238) of an authenticator app."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import pyotp
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.resealing import Sealed
from app.platform.vault import Vault

from .tables import UserRow

_ISSUER = "Optout Registry"
_STEP_SECONDS = 30
_DRIFT = 1
"""Steps that a phone's clock may be off, as RFC 6238 (5.2) recommends."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is shown, once: the secret, and the address that holds it."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


async def begin_enrolment(session: AsyncSession, vault: Vault, user: UUID, login: str) -> Enrolment:
    """Make a new secret, which counts for nothing before its first code was given.

    Asked again before that, it is the same one: a page that is loaded anew must not spoil what
    was scanned already.
    """
    sealed = await session.scalar(
        select(UserRow.new_second_factor).where(UserRow.id == user).with_for_update()
    )
    if sealed is None:
        secret = pyotp.random_base32()
        await session.execute(
            update(UserRow)
            .where(UserRow.id == user)
            .values(new_second_factor=vault.seal(secret.encode(), _context(user)))
        )
    else:
        secret = vault.unseal(sealed, _context(user)).decode()
    uri = pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=_ISSUER)
    return Enrolment(secret, uri)


async def confirm_enrolment(
    session: AsyncSession, vault: Vault, user: UUID, code: str, *, at: datetime
) -> bool:
    """Take the first code of a new secret, which counts from now; False if it does not fit."""
    sealed = await session.scalar(select(UserRow.new_second_factor).where(UserRow.id == user))
    step = None if sealed is None else _step_of(_open(vault, user, sealed), code, at)
    if step is None:
        return False
    await session.execute(
        update(UserRow)
        .where(UserRow.id == user)
        .values(second_factor=sealed, new_second_factor=None, code_step=step)
    )
    return True


async def take_code(
    session: AsyncSession, vault: Vault, user: UUID, code: str, *, at: datetime
) -> bool:
    """Take a code; False if it does not fit, or it or a later one was taken before."""
    sealed = await session.scalar(select(UserRow.second_factor).where(UserRow.id == user))
    step = None if sealed is None else _step_of(_open(vault, user, sealed), code, at)
    if step is None:
        return False
    taken = await session.scalar(
        update(UserRow)
        .where(UserRow.id == user, or_(UserRow.code_step.is_(None), UserRow.code_step < step))
        .values(code_step=step)
        .returning(UserRow.id)
    )
    return taken is not None


async def forget_second_factor(session: AsyncSession, user: UUID) -> None:
    """Ask a user for codes no more, until they enrol again: their phone is lost."""
    await session.execute(
        update(UserRow)
        .where(UserRow.id == user)
        .values(second_factor=None, new_second_factor=None, code_step=None)
    )


def _step_of(secret: pyotp.TOTP, code: str, at: datetime) -> int | None:
    """Find the step whose code this is, near a time."""
    digits = "".join(code.split())
    now = int(at.timestamp()) // _STEP_SECONDS
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        if pyotp.utils.strings_equal(digits, secret.generate_otp(step)):
            return step
    return None


def _open(vault: Vault, user: UUID, sealed: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(vault.unseal(sealed, _context(user)).decode())


def _context(user: UUID) -> bytes:
    return b"second-factor:" + user.bytes


SEALED = tuple(
    Sealed("users", column, ("id",), lambda row: _context(row.id))
    for column in ("second_factor", "new_second_factor")
)
"""What a new sealing key must seal anew."""
