"""Digests: by which a contact point is recognised without being kept, and told without a name."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from app.journal import Kind
from app.platform.keyring import KeyRing

from .identifier import Identifier

_PURPOSE = b"optout-digest"


@dataclass(frozen=True, slots=True)
class DigestKeys:
    """The live keys under which contact points are recognised.

    A digest is keyed BLAKE2b (RFC 7693) of 16 bytes over one byte for the kind and the normal form
    in UTF-8. 16 bytes are enough: no two of a hundred million contact points agree but with a
    chance of 1 in 10^22, nobody without the key can search for a pair, and two that agreed would
    block a person too many, never one too few.
    """

    ring: KeyRing

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the keys as settings write them, the one that writes first.

        Raises:
            BadKeys: the text is no ring.
        """
        return cls(KeyRing.parse(text))

    @property
    def current(self) -> int:
        """The number of the key that writes."""
        return self.ring.current

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the live keys, the current one first."""
        return self.ring.numbers

    def digest(self, identifier: Identifier) -> tuple[int, bytes]:
        """Digest under the current key, whose number comes with it."""
        return self.current, _digest(self.ring.keys[self.current], identifier)

    def digests(self, identifier: Identifier) -> tuple[bytes, ...]:
        """Digest under each live key, in the order of ``numbers``: a look-up tries them all."""
        return tuple(_digest(key, identifier) for key in self.ring.keys.values())

    def digest_many(
        self, kind: Kind, normals: Iterable[str | None]
    ) -> tuple[list[bytes | None], ...]:
        """Digest many normal forms of one kind: for each live key, as in ``numbers``, a list.

        What has no normal form has no digest. Two million a second and key.
        """
        normals = list(normals)
        return tuple(_digest_many(key, kind, normals) for key in self.ring.keys.values())


def _digest(key: bytes, identifier: Identifier) -> bytes:
    text = bytes((identifier.kind,)) + identifier.value.encode()
    return hashlib.blake2b(text, digest_size=16, key=key, person=_PURPOSE).digest()


def _digest_many(key: bytes, kind: Kind, normals: Iterable[str | None]) -> list[bytes | None]:
    # A copy of a hash that was begun costs a third of one begun anew.
    begun = hashlib.blake2b(bytes((kind,)), digest_size=16, key=key, person=_PURPOSE)
    copy = begun.copy
    digests: list[bytes | None] = []
    for normal in normals:
        if normal is None:
            digests.append(None)
        else:
            one = copy()
            one.update(normal.encode())
            digests.append(one.digest())
    return digests


def identifier_hmac(identifier_key: bytes, normal: str) -> str:
    """Name a contact point to one database: HMAC-SHA-256 under its key, in lower-case hex."""
    return hmac.digest(identifier_key, normal.encode(), "sha256").hex()


def plain_sha256(normal: str) -> str:
    """Name a contact point to anybody, in lower-case hex.

    It hides nothing: all French mobile numbers can be tried in two minutes. Only for partners who
    accepted that.
    """
    return hashlib.sha256(normal.encode()).hexdigest()
