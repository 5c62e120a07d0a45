"""Passwords: argon2id hashes, and the refusal of those that others guess first.

The hash's costs are argon2-cffi's defaults, RFC 9106's second recommended option: 64 MiB of
memory, three passes. So that many sign-ins at once cannot take the machine's memory, two are
computed at a time in one process.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

LEAST = 12
"""Characters, as NIST SP 800-63B-4 (3.1.1.2) asks for where there may be no second factor."""
MOST = 128

_hasher = PasswordHasher()
_hashing = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")


class WeakPassword(Exception):  # noqa: N818 - it says what the password is
    """A password that is guessed soon; ``why`` is ``short``, ``long``, ``common`` or ``login``."""

    def __init__(self, why: str) -> None:
        """Say why in one word."""
        super().__init__(f"the password is refused: {why}")
        self.why = why


@cache
def _nobodys() -> str:
    """Hash something to verify where there is no such user, so that time tells nothing."""
    return _hasher.hash("")


async def hash_password(password: str) -> str:
    """Hash a password under a salt of its own."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_hashing, _hasher.hash, password)


async def password_fits(password: str, hashed: str | None) -> bool:
    """Tell whether a password belongs to a hash; without one it takes as long, and does not."""
    loop = asyncio.get_running_loop()
    fits = await loop.run_in_executor(_hashing, _verify, hashed, password[: MOST + 1])
    return fits and hashed is not None


def require_strength(password: str, login: str) -> None:
    """Refuse a password that is guessed soon.

    Raises:
        WeakPassword: it is too short or too long, holds the login, or is made of a common one.
    """
    if len(password) < LEAST:
        raise WeakPassword("short")
    if len(password) > MOST:
        raise WeakPassword("long")
    folded = password.casefold()
    if login.partition("@")[0] in folded:
        raise WeakPassword("login")
    common = files(__package__).joinpath("common_passwords.txt").read_text("ascii")
    # What is left of password2026!! or of monkeymonkey is what everybody tries.
    for root in {folded, _period(folded), *map(_period, re.split(r"[^a-z]+", folded))}:
        alone = folded.replace(root, "") if root else folded
        if root and f"\n{root}\n" in f"\n{common}" and not re.search("[a-z]", alone):
            raise WeakPassword("common")
    if len(set(folded)) < LEAST // 3 or not any(map(str.isalpha, folded)):
        raise WeakPassword("common")


def _period(text: str) -> str:
    """Find the shortest text that, repeated, gives this one."""
    return text[: (text + text).find(text, 1)] if text else ""


def _verify(hashed: str | None, password: str) -> bool:
    try:
        return _hasher.verify(hashed or _nobodys(), password)
    except VerificationError:
        return False
