"""What people may do: four roles, each more than the one before."""

from enum import IntEnum, unique
from functools import cached_property
from typing import Self


@unique
class Role(IntEnum):
    """A person's role; a number, once written, keeps its meaning.

    An agent records objections; a supervisor takes back what an agent recorded; an officer sees
    all that happened and to whom; an admin changes who takes part.
    """

    AGENT = 1
    SUPERVISOR = 2
    OFFICER = 3
    ADMIN = 4

    @cached_property
    def word(self) -> str:
        """Spell the role as people and commands do."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Self:
        """Find the role of a word.

        Raises:
            KeyError: there is none; a word in capitals is none.
        """
        if word != word.lower():
            raise KeyError(word)
        return cls[word.upper()]

    @property
    def needs_second_factor(self) -> bool:
        """Tell whether a password alone is too little for what the role sees."""
        return self >= Role.OFFICER
