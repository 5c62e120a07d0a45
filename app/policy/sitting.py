"""Judging people one by one as they are asked about: who is alike under one clock is judged once.

A ruling is remembered with the stretch of time over which no clock that decides it turns; it
counts for the law that it was made under, which never changes while a process lives.
"""

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from app.journal import Media

from .calendars import local_date
from .judging import Hearing
from .law import Law
from .places import Places
from .records import Known, Terms
from .rulings import Ruling
from .shapes import MARGIN, Shapes

T = TypeVar("T")

_MOST = 2_000
"""Rulings that are remembered: some megabytes, however much somebody has on record."""


class Told(NamedTuple, Generic[T]):
    """A ruling, and what was written of it."""

    ruling: Ruling
    written: T


class _Remembered(NamedTuple, Generic[T]):
    """What was told at ``since``, and is told again before ``until`` (None: all that day)."""

    since: datetime
    until: datetime | None
    told: Told[T]


class Sitting(Generic[T]):
    """Judges under one law, for campaigns and moments as they come."""

    def __init__(self, law: Law, write: Callable[[Ruling], T]) -> None:
        """Take the law; ``write`` makes of a ruling what is remembered beside it."""
        self._law = law
        self._write = write
        self._shapes = Shapes(law)
        self._remembered: dict[Hashable, _Remembered[T]] = {}

    def judge(
        self, known: Known, places: Places, *, terms: Terms, media: Media, at: datetime
    ) -> Told[T]:
        """Decide whether somebody may be contacted for a campaign at a moment, past or present."""
        shape = self._shapes.lasting(known, at)
        hearing = Hearing(self._law, terms, media, at)
        if shape is None:
            return self._told(hearing.judge(known, places))
        days = tuple([local_date(at, zone) for zone in places.zones])
        question = (shape, days, places, terms, media)
        one = self._remembered.get(question)
        if one is not None and one.since <= at and (one.until is None or at < one.until):
            return one.told
        told = self._told(hearing.judge(known, places))
        ends = told.ruling.valid_until
        # What ends later ends with a consent, whose own day a shape does not hold.
        if ends is None or ends < at + MARGIN / 2:
            if len(self._remembered) >= _MOST:
                self._remembered.clear()
            self._remembered[question] = _Remembered(at, hearing.turns_at(places), told)
        return told

    def _told(self, ruling: Ruling) -> Told[T]:
        return Told(ruling, self._write(ruling))
