"""The words of an entry, and the small numbers that stand for them in rows.

A number, once written, keeps its meaning for ever; new words get new numbers.
"""

from collections.abc import Iterable
from enum import IntEnum, IntFlag, unique
from functools import cached_property
from typing import Self


class Word(IntEnum):
    """A small number with the word that the wire shows for it."""

    @cached_property
    def word(self) -> str:
        """Spell the member as the wire does."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Self:
        """Find the member for a word of the wire.

        Raises:
            KeyError: there is none; a word in capitals is none.
        """
        if word != word.lower():
            raise KeyError(word)
        return cls[word.upper()]


@unique
class Kind(Word):
    """What sort of contact point it is."""

    PHONE = 1
    EMAIL = 2
    SIREN = 3
    CUSTOMER = 4

    @property
    def carries(self) -> "Media":
        """Tell by which media a contact point of this kind can be reached."""
        return _CARRIES[self]


class Media(IntFlag):
    """A set of media, as bits."""

    VOICE = 1
    SMS = 2
    MESSAGING = 4
    EMAIL = 8
    POST = 16

    @property
    def words(self) -> list[str]:
        """Spell the set in the order of the contract."""
        return [*self._spelled]

    @cached_property
    def _spelled(self) -> tuple[str, ...]:
        # Once for each set: it was a fifth of the time that an entry takes to be told.
        return tuple(medium.word for medium in ALL_MEDIA if medium in self)

    @cached_property
    def word(self) -> str:
        """Spell a single medium."""
        return (self.name or "").lower()

    @classmethod
    def of(cls, words: Iterable[str]) -> Self:
        """Make the set of some words of the wire.

        Raises:
            KeyError: a word is no medium.
        """
        found = cls(0)
        for word in words:
            found |= cls[word.upper()]
        return found


ALL_MEDIA = tuple(Media)
EVERY_MEDIUM = Media(31)
MEDIA_SETS = tuple(Media(bits) for bits in range(EVERY_MEDIUM + 1))
"""Every set of media by its bits: looked up, because calling a flag's enumeration is slow."""

_PHONE_MEDIA = Media.VOICE | Media.SMS | Media.MESSAGING
_CARRIES = {
    Kind.PHONE: _PHONE_MEDIA,
    Kind.EMAIL: Media.EMAIL,
    Kind.SIREN: EVERY_MEDIUM,
    Kind.CUSTOMER: EVERY_MEDIUM,
}


@unique
class Reason(Word):
    """Why a contact point is suppressed."""

    OBJECTION = 1
    REFUSAL = 2
    COMPLAINT = 3
    UNSUBSCRIBE = 4
    STOP_KEYWORD = 5
    CONSENT_WITHDRAWN = 6
    HARD_BOUNCE = 7
    ERASURE = 8


@unique
class Lane(Word):
    """Whether a person is waiting for it, or a file brought it."""

    LIVE = 1
    BULK = 2


@unique
class Change(IntEnum):
    """What an entry says has happened."""

    ADDED = 1
    LIFTED = 2
    ERASED = 3

    @property
    def word(self) -> str:
        """Spell the entry's type."""
        return _CHANGES[self]


_CHANGES = {
    Change.ADDED: "suppression.added",
    Change.LIFTED: "suppression.lifted",
    Change.ERASED: "identifier.erased",
}
