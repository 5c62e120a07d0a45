"""Entries as a database is shown them: its format, its media, nothing else."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import identifier_hmac, plain_sha256
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Entry, Media
from app.parties import Directory
from app.platform.wire import wire_time
from app.points import OpenedPoint, PointKeys, open_points

from .endpoints import Format


class Shown(NamedTuple):
    """An identifier as a database sees it; an erased one has no value."""

    kind: str
    format: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Form:
    """How a database is shown identifiers; the key is that of the format ``hmac-sha256``."""

    format: Format
    key: bytes | None = field(default=None, repr=False)

    def show(self, point: OpenedPoint) -> Shown:
        """Show a contact point in this form; an erased one has no value any more."""
        if point.identifier is None:
            return Shown(point.kind.word, "erased", None)
        return Shown(point.kind.word, self.format, self.name(point.identifier.value))

    def name(self, normal: str) -> str:
        """Name a contact point, given in its normal form, as this form does."""
        if self.format == "hmac-sha256":
            if self.key is None:
                raise ValueError("a database of this format has no identifier key")
            return identifier_hmac(self.key, normal)
        return plain_sha256(normal) if self.format == "sha256" else normal


async def brand_slugs(directory: Directory, brands: Collection[int]) -> dict[int, str | None]:
    """Name brands by their numbers; every brand is null on the wire."""
    named = {one: await directory.brand_slug(one) for one in set(brands) if one != EVERY_BRAND}
    return named | {EVERY_BRAND: None}


async def render_entries(
    session: AsyncSession,
    keys: PointKeys,
    directory: Directory,
    entries: Sequence[Entry],
    *,
    form: Form,
    media: Media,
) -> list[bytes]:
    """Show entries in a form, each as JSON, their media cut to those of the database."""
    points = await open_points(session, keys, {entry.point for entry in entries})
    brands = await brand_slugs(directory, {entry.brand for entry in entries})
    return [
        _json(entry, form.show(points[entry.point]), brands[entry.brand], media).encode()
        for entry in entries
    ]


_MEDIA = [json.dumps(Media(bits).words) for bits in range(EVERY_MEDIUM + 1)]


def _json(entry: Entry, identifier: Shown, brand: str | None, media: Media) -> str:
    # Written by hand, which takes a third of the time of a dict and a serialiser. What may hold
    # anything is encoded; the rest are numbers, times and words of our own.
    recorded = wire_time(entry.recorded_at)
    said_at_once = entry.occurred_at == entry.recorded_at
    occurred = recorded if said_at_once else wire_time(entry.occurred_at)
    kind, written, value = identifier
    return (
        f'{{"position":{entry.position},"id":"{entry.id}","type":"{entry.change.word}",'
        f'"lane":"{entry.lane.word}","occurred_at":"{occurred}","recorded_at":"{recorded}",'
        f'"identifier":{{"kind":"{kind}","format":"{written}","value":{_text(value)}}},'
        f'"brand":{_text(brand)},"media":{_MEDIA[int(entry.media) & int(media)]},'
        f'"version":{entry.version},"reason":"{entry.reason.word}"}}'
    )


def _text(value: str | None) -> str:
    return "null" if value is None else json.dumps(value)
