"""Entries as a database is shown them: its format, its media, nothing else."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import identifier_hmac, plain_sha256
from app.journal import EVERY_BRAND, Entry, Media
from app.parties import Directory
from app.platform.wire import wire_time
from app.points import OpenedPoint, PointKeys, open_points

from .endpoints import Format


@dataclass(frozen=True, slots=True)
class Form:
    """How a database is shown identifiers; the key is that of the format ``hmac-sha256``."""

    format: Format
    key: bytes | None = field(default=None, repr=False)

    def show(self, point: OpenedPoint) -> dict[str, str | None]:
        """Show a contact point in this form; an erased one has no value any more."""
        if point.identifier is None:
            return {"kind": point.kind.word, "format": "erased", "value": None}
        value = point.identifier.value
        if self.format == "hmac-sha256":
            if self.key is None:
                raise ValueError("a database of this format has no identifier key")
            value = identifier_hmac(self.key, value)
        elif self.format == "sha256":
            value = plain_sha256(value)
        return {"kind": point.kind.word, "format": self.format, "value": value}


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
) -> list[dict[str, Any]]:
    """Show entries in a form, their media cut to those of the database."""
    points = await open_points(session, keys, {entry.point for entry in entries})
    brands = await brand_slugs(directory, {entry.brand for entry in entries})
    return [
        _document(entry, form.show(points[entry.point]), brands[entry.brand], media)
        for entry in entries
    ]


def _document(
    entry: Entry, identifier: dict[str, str | None], brand: str | None, media: Media
) -> dict[str, Any]:
    recorded = wire_time(entry.recorded_at)
    said_at_once = entry.occurred_at == entry.recorded_at
    return {
        "position": entry.position,
        "id": str(entry.id),
        "type": entry.change.word,
        "lane": entry.lane.word,
        "occurred_at": recorded if said_at_once else wire_time(entry.occurred_at),
        "recorded_at": recorded,
        "identifier": identifier,
        "brand": brand,
        "media": (entry.media & media).words,
        "version": entry.version,
        "reason": entry.reason.word,
    }
