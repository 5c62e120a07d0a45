"""A dry run of a file of consents and the like: what rows would have changed for later ones.

Nothing that a chunk records stays, so what it said is remembered here.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from app.contacts import NewConsent, Wording

_MOST_ROWS = 500_000
"""Rows by which a later one is known to be the same: 50 MB at most."""
_MOST_WORDINGS = 100


class Trial:
    """What the rows of a file have said so far, as far as this process has read them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._seen: set[int] = set()
        self._wordings: dict[Hashable, Wording] = {}

    def told(self, new: Any) -> Any:  # noqa: ANN401 - a record of any kind
        """Give a consent the text of its wording, if an earlier row told it."""
        if not isinstance(new, NewConsent):
            return new
        if new.wording.text is None:
            return replace(new, wording=self._wordings.get(new.wording.name, new.wording))
        if len(self._wordings) < _MOST_WORDINGS:
            self._wordings.setdefault(new.wording.name, new.wording)
        return new

    def are_new(self, news: Sequence[Any]) -> list[bool]:
        """Tell of each whether it is the first to say what it says."""
        return [self._is_new(hash(one.name)) for one in news]

    def _is_new(self, name: int) -> bool:
        if name in self._seen:
            return False
        if len(self._seen) < _MOST_ROWS:
            self._seen.add(name)
        return True
