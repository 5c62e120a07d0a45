"""Sealing what must be told again, and proof that a process holds the keys of its database.

A wrong digest key is worse than none: every look-up would miss and every check would say allow.
So the database keeps a check value of each key, and a process whose ring does not fit refuses
to start.
"""

import hashlib
import hmac
import os
import struct
from datetime import datetime
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import DateTime, LargeBinary, SmallInteger, Text, select, text
from sqlalchemy import func as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base
from app.platform.keyring import KeyRing

_NUMBER = struct.Struct(">H")
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD_BYTES = _NUMBER.size + _NONCE_BYTES
REGISTERING = 0x6F70746F75746B65
"""The advisory lock of whoever makes a key known."""


class Unsealable(Exception):  # noqa: N818 - it says what the value is
    """A sealed value that this ring cannot open in this place; the message holds nothing of it."""


class KeysUnfit(Exception):  # noqa: N818 - a state of the keys, told to the operator
    """The keys of this process do not fit its database; the message names purpose and number."""


class Vault:
    """Seals values with AES-256-GCM under the current key, and opens those of any live key.

    A sealed value is two bytes of key number, twelve of nonce, then ciphertext and tag: 30 bytes
    more than the plain one. Nonces are random, which is safe for four billion values a key
    (NIST SP 800-38D, 8.3): rotate before.
    """

    def __init__(self, ring: KeyRing) -> None:
        """Take the keys of a ring."""
        self.ring = ring
        self._ciphers = {number: AESGCM(key) for number, key in ring.keys.items()}
        # By what a sealed value begins with, for a snapshot opens a million of them.
        self._openers = {
            _NUMBER.pack(number): cipher.decrypt for number, cipher in self._ciphers.items()
        }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Make a vault from a ring as settings write it.

        Raises:
            BadKeys: the text is no ring.
        """
        return cls(KeyRing.parse(text))

    def __repr__(self) -> str:
        """Name the keys by their numbers alone."""
        return f"Vault(numbers={self.ring.numbers})"

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt a value for one place: ``context`` names the column and row it belongs to."""
        number = self.ring.current
        nonce = os.urandom(_NONCE_BYTES)
        return _NUMBER.pack(number) + nonce + self._ciphers[number].encrypt(nonce, plain, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt a value that was sealed for this very place.

        Raises:
            Unsealable: its key is not in the ring, it was sealed for another place, or it is cut
                short or altered.
        """
        if len(sealed) < _HEAD_BYTES + _TAG_BYTES:
            raise Unsealable("The value is too short to be a sealed one")
        opener = self._openers.get(sealed[:2])
        if opener is None:
            (number,) = _NUMBER.unpack_from(sealed)
            raise Unsealable(f"The value names sealing key {number}, which is not in the ring")
        try:
            return opener(sealed[2:_HEAD_BYTES], sealed[_HEAD_BYTES:], context)
        except InvalidTag:
            (number,) = _NUMBER.unpack_from(sealed)
            raise Unsealable(
                f"The value does not open under sealing key {number}: "
                "it was altered, or belongs to another place or key"
            ) from None


def prefix_of(number: int) -> bytes:
    """Tell what every value begins with that is sealed under a key."""
    return _NUMBER.pack(number)


class KeyCheck(Base):
    """A fingerprint of each key that has written here, by which a wrong key is found out.

    Purposes are ``digest`` and ``sealing``; the numbers of the two are independent. A retired key
    need not be in a ring any more, and may not stand first.
    """

    __tablename__ = "key_check"

    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


def check_value(key: bytes) -> bytes:
    """Fingerprint a key in 16 bytes that tell nothing of it or of what it writes."""
    return hashlib.blake2b(b"", digest_size=16, key=key, person=b"optout-keycheck").digest()


async def require_keys(session: AsyncSession, purpose: str, ring: KeyRing) -> None:
    """Refuse a ring that lacks a key which the database knows, or holds another under its number.

    A retired one may be lacking, and must not be the one that writes. Keys that the database does
    not know yet pass: ``register_keys`` makes them known.

    Raises:
        KeysUnfit: with the purpose and the first number that does not fit.
    """
    known = select(KeyCheck.number, KeyCheck.value, KeyCheck.retired_at).where(
        KeyCheck.purpose == purpose
    )
    for number, value, retired_at in await session.execute(known.order_by(KeyCheck.number)):
        key = ring.keys.get(number)
        if retired_at is not None and number == ring.current:
            raise KeysUnfit(
                f"The {purpose} key {number} was retired, and is the one that would write. Put "
                "another one first."
            )
        if key is None and retired_at is not None:
            continue
        if key is None:
            raise KeysUnfit(
                f"The database was written with {purpose} key {number}, which this process was "
                "not given. Give it every key that the other processes have."
            )
        if not hmac.compare_digest(check_value(key), value):
            raise KeysUnfit(
                f"The {purpose} key {number} of this process is not the one that wrote this "
                "database. Give it the right key, or the right database."
            )


async def register_keys(session: AsyncSession, purpose: str, ring: KeyRing) -> None:
    """Make every key of a fitting ring known to the database, before anything is written with it.

    Two processes that bring different keys under one new number: the second to commit is refused.
    A new key waits for every transaction that has read which keys there are: what was written
    without it is committed before anything is written with it.

    Raises:
        KeysUnfit: as ``require_keys``; nothing must be committed then.
    """
    # One process at a time, else two that read the table would wait for each other to lock it.
    await session.execute(select(sql.pg_advisory_xact_lock(REGISTERING)))
    await require_keys(session, purpose, ring)
    if not await _new_to(session, purpose, ring):
        return
    await session.execute(text("LOCK TABLE key_check IN ACCESS EXCLUSIVE MODE"))
    rows = [
        {"purpose": purpose, "number": number, "value": check_value(key)}
        for number, key in sorted(ring.keys.items())
    ]
    await session.execute(insert(KeyCheck).values(rows).on_conflict_do_nothing())
    await require_keys(session, purpose, ring)


async def _new_to(session: AsyncSession, purpose: str, ring: KeyRing) -> bool:
    known = await session.scalars(select(KeyCheck.number).where(KeyCheck.purpose == purpose))
    return not set(ring.numbers).issubset(known)


async def keys_lacking(session: AsyncSession, purpose: str, ring: KeyRing) -> tuple[int, ...]:
    """List the keys that the database knows and this process lacks: during a rotation, say.

    A process that lacks a digest key must not answer checks, for it would miss what the others
    write under it. Ask *after* the look-up: a key is known before anything is written with it,
    so an empty answer covers every row that the look-up could have seen.
    """
    known = await session.scalars(select(KeyCheck.number).where(KeyCheck.purpose == purpose))
    return tuple(sorted(set(known).difference(ring.numbers)))
