"""Rows of a file as opt-outs: what each one says, or why it is refused whole. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from app.files import (
    BadValue,
    Batch,
    Columns,
    DateOrder,
    Fault,
    Field,
    ReasonOfRow,
    clean,
    phone_text,
    read_date,
    shown_name,
)
from app.identifiers import Identifier, Unusable, normalise
from app.journal import EVERY_MEDIUM, Kind, Media, Reason

_KINDS = {
    Field.PHONE: Kind.PHONE,
    Field.EMAIL: Kind.EMAIL,
    Field.SIREN: Kind.SIREN,
    Field.CUSTOMER: Kind.CUSTOMER,
}
_WORDS = re.compile(r"[\s,;|+/]+")
FIELDS = frozenset(
    {
        *_KINDS,
        Field.AREA_CODE,
        Field.REGION,
        Field.OCCURRED_AT,
        Field.REASON,
        Field.MEDIA,
        Field.BRAND,
    }
)
"""What an import reads; no column that means anything else is looked at."""
_Word = TypeVar("_Word", int, Media, Reason)
_SHOWN = 40
_ENDS = 6
"""Signs below which a refused value is hidden whole."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a row says nothing.

    ``media`` None: what the reason is usually for; ``reason`` None: what the export is known for,
    else an objection. ``dated`` tells that the sender gave ``occurred_at``; ``guessed`` that
    nobody mapped the columns: then a reason, a brand or media that are no words of ours are not
    looked at.
    """

    brand: int
    media: Media | None
    reason: Reason | None
    region: str
    occurred_at: datetime
    recorded_at: datetime
    dated: bool
    guessed: bool
    zone: ZoneInfo
    order: DateOrder | None
    brands: Mapping[str, int]


class Asked(NamedTuple):
    """One contact point of a row, with what the row says of it."""

    line: int
    identifier: Identifier
    brand: int
    media: Media
    reason: Reason
    occurred_at: datetime
    dated: bool


class Refused(NamedTuple):
    """A row that is not taken: the column at fault, what stands there, masked, and why."""

    number: int
    line: int
    column: str
    value: str
    reason: str


@dataclass(slots=True)
class Chunk:
    """Some rows in order; ``number`` is that of the last, ``rows`` how many there are.

    ``read`` is how many bytes of the file were read by then.
    """

    number: int = 0
    rows: int = 0
    asked: list[Asked] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    read: int = 0


class _Fault(Exception):  # noqa: N818 - a state of the row
    """A row cannot be taken."""

    def __init__(self, column: int, value: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.value = value
        self.reason = reason


class RowReader:
    """Reads the rows of one file by its columns."""

    def __init__(self, header: Sequence[str] | None, columns: Columns, defaults: Defaults) -> None:
        """Take what the columns mean; all others are not looked at."""
        self._header = header
        self._defaults = defaults
        self._contacts = [
            (kind, place) for which, kind in _KINDS.items() for place in columns.get(which, ())
        ]
        self._area, self._region, self._date, self._reason, self._media, self._brand = (
            columns.get(which, (None,))[0]
            for which in (
                Field.AREA_CODE,
                Field.REGION,
                Field.OCCURRED_AT,
                Field.REASON,
                Field.MEDIA,
                Field.BRAND,
            )
        )
        self._meant = ReasonOfRow(header)

    def chunks(self, batches: Iterator[Batch], *, after: int, most: int) -> Iterator[Chunk]:
        """Read the rows after number ``after``, at most ``most`` at a time."""
        chunk = Chunk()
        for batch in batches:
            if batch.number + len(batch) <= after + 1:
                continue
            rows = zip(batch.lines, batch.cells, strict=True)
            for number, (line, cells) in enumerate(rows, start=batch.number):
                fault = batch.faults.get(number - batch.number) if batch.faults else None
                if number <= after or fault is Fault.BLANK:
                    continue
                chunk.number = number
                chunk.rows += 1
                self._read(chunk, line, cells, fault)
                if chunk.rows == most:
                    yield chunk
                    chunk = Chunk()
        if chunk.rows:
            yield chunk

    def _read(self, chunk: Chunk, line: int, cells: Sequence[str], fault: Fault | None) -> None:
        if fault is not None:
            chunk.refused.append(Refused(chunk.number, line, "", "", fault.value))
            return
        try:
            chunk.asked += self._asked(line, cells)
        except _Fault as found:
            name = self._name(found.column)
            value = masked_text(found.value)
            chunk.refused.append(Refused(chunk.number, line, name, value, found.reason))

    def _name(self, column: int) -> str:
        if self._header is None or column >= len(self._header):
            return str(column + 1)
        return shown_name(self._header[column])

    def _asked(self, line: int, cells: Sequence[str]) -> list[Asked]:
        identifiers = self._identifiers(cells)
        given = self._defaults
        reason = self._reason_of(cells)
        media = self._word(cells, self._media, read_media)
        brand = self._word(cells, self._brand, self._brand_of)
        occurred_at = self._occurred(cells)
        media = media or given.media
        if media is None:
            media = Media.EMAIL if reason is Reason.HARD_BOUNCE else EVERY_MEDIUM
        return [
            Asked(
                line,
                identifier,
                given.brand if brand is None else brand,
                media,
                reason,
                occurred_at or given.occurred_at,
                given.dated or occurred_at is not None,
            )
            for identifier in identifiers
        ]

    def _identifiers(self, cells: Sequence[str]) -> list[Identifier]:
        """Read the contact points of a row; one that stands twice counts once."""
        region = _cell(cells, self._region).upper() or self._defaults.region
        found = []
        for kind, place in self._contacts:
            value = _cell(cells, place)
            if not value:
                continue
            try:
                if kind is Kind.PHONE:
                    value = phone_text(value, area_code=_cell(cells, self._area))
                found.append(normalise(kind, value, region=region))
            except Unusable as unusable:
                raise _Fault(place, value, f"unusable: {unusable}") from None
            except BadValue as bad:
                raise _Fault(place, value, bad.code) from None
        if not found:
            raise _Fault(self._contacts[0][1], "", "no_contact_point")
        return found if len(found) == 1 else [*dict.fromkeys(found)]

    def _occurred(self, cells: Sequence[str]) -> datetime | None:
        value = _cell(cells, self._date)
        if not value or self._date is None:
            return None
        given = self._defaults
        try:
            return read_date(value, zone=given.zone, now=given.recorded_at, order=given.order)
        except BadValue as bad:
            raise _Fault(self._date, value, bad.code) from None

    def _reason_of(self, cells: Sequence[str]) -> Reason:
        given = self._defaults
        reason = self._word(cells, self._reason, read_reason)
        if reason is None and given.guessed and self._meant.is_known:
            word = self._meant.of(cells)
            if word is None:
                raise _Fault(self._contacts[0][1], "", "no_objection")
            reason = given.reason or Reason.of(word)
        return reason or given.reason or Reason.OBJECTION

    def _word(
        self, cells: Sequence[str], place: int | None, read: Callable[[str], _Word | None]
    ) -> _Word | None:
        value = _cell(cells, place)
        if not value or place is None:
            return None
        found = read(value)
        if found is None and not self._defaults.guessed:
            raise _Fault(place, value, "unknown_word")
        return found

    def _brand_of(self, text: str) -> int | None:
        return self._defaults.brands.get(text.lower())


def _cell(cells: Sequence[str], place: int | None) -> str:
    return clean(cells[place]) if place is not None and place < len(cells) else ""


def read_media(text: str) -> Media | None:
    """Read a list of media as people write one; None if one of them is none."""
    try:
        return Media.of(_WORDS.split(text.lower())) or None
    except KeyError:
        return None


def read_reason(text: str) -> Reason | None:
    """Read a reason, however its words are joined; None if it is none of ours."""
    try:
        return Reason.of(re.sub(r"[\s-]+", "_", text.lower()))
    except KeyError:
        return None


def masked_text(text: str) -> str:
    """Hide a text that could not be understood, but for its shape and its ends."""
    cut = text[:_SHOWN]
    signs = [at for at, sign in enumerate(cut) if sign.isalnum()]
    shown = {signs[0], *signs[-2:]} if len(signs) >= _ENDS else set()
    return "".join(
        "•" if at in signs and at not in shown else sign if sign.isprintable() else "·"
        for at, sign in enumerate(cut)
    ) + ("…" if len(text) > _SHOWN else "")
