"""Rings of numbered keys, as settings write them: ``2:<base64>,1:<base64>``.

In the ground because digests and the vault share it, and beside the vault, not in it, because
``app.identifiers`` is pure and the vault brings SQLAlchemy.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

KEY_BYTES = 32

_LARGEST_NUMBER = 32_767
"""The largest smallint, for rows carry the number of their key."""

_ENTRY = re.compile(r"([0-9]{1,5}):([A-Za-z0-9+/]+={0,2})", re.ASCII)


class BadKeys(ValueError):  # noqa: N818 - it says what the setting holds
    """A text that is no ring of keys; the message holds no part of it but numbers."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Some live keys of 32 bytes by number; the first one writes, every one reads.

    A retired key stays in the ring for as long as something written under it must be read.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``number:base64`` pairs, comma-separated, the one that writes first.

        Raises:
            BadKeys: a pair is malformed, a number is not 1 to 32767, a key is not 32 bytes, or a
                number or a key comes twice.
        """
        keys: dict[int, bytes] = {}
        for place, entry in enumerate(text.split(","), start=1):
            number, key = _parse_entry(entry.strip(), place)
            if number in keys or key in keys.values():
                raise BadKeys(f"key {number} (entry {place}) stands in the ring already")
            keys[number] = key
        return cls(MappingProxyType(keys), tuple(keys))

    @property
    def current(self) -> int:
        """The number of the key that writes."""
        return self.numbers[0]


def _parse_entry(entry: str, place: int) -> tuple[int, bytes]:
    found = _ENTRY.fullmatch(entry)
    if not found:
        raise BadKeys(f"entry {place} is not written number:base64")
    number = int(found[1])
    if not 1 <= number <= _LARGEST_NUMBER:
        raise BadKeys(f"entry {place} has number {number}, outside 1 to {_LARGEST_NUMBER}")
    try:
        key = b64decode(found[2], validate=True)
    except binascii.Error:
        raise BadKeys(f"key {number} (entry {place}) is not base64") from None
    if len(key) != KEY_BYTES:
        raise BadKeys(f"key {number} (entry {place}) has {len(key)} bytes, not {KEY_BYTES}")
    return number, key
