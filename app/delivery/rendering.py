"""Entries as a database is shown them: its format, its media, nothing else.

PostgreSQL writes all of an entry but its contact point, on its own core: it is numbers, times and
words of ours. Here the contact point is unsealed, put into the database's form and set between.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import identifier_hmac, plain_sha256
from app.journal import EVERY_BRAND, MEDIA_SETS, Change, Kind, Lane, Media, Reason
from app.parties import Directory
from app.platform.db import driver_of
from app.points import PointKeys

from .endpoints import Format

if TYPE_CHECKING:
    from asyncpg import Record

_BY_HAND = (Kind.EMAIL, Kind.CUSTOMER)
"""What may hold any character; the others are digits and a plus."""

Show = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Form:
    """How a database is shown identifiers; the key is that of the format ``hmac-sha256``."""

    format: Format
    key: bytes | None = field(default=None, repr=False)

    def name(self, normal: str) -> str:
        """Name a contact point, given in its normal form, as this form does."""
        if self.format == "hmac-sha256":
            if self.key is None:
                raise ValueError("a database of this format has no identifier key")
            return identifier_hmac(self.key, normal)
        return plain_sha256(normal) if self.format == "sha256" else normal

    def shows(self, escape: Show) -> dict[int, Show | None]:
        """Tell how an unsealed value of each kind is shown; None: as it was sealed.

        ``escape`` is for what may hold any character, in the format of what is written.
        """
        if self.format != "plain":
            return dict.fromkeys(Kind, lambda value: self.name(value.decode()).encode())
        return {kind: escape if kind in _BY_HAND else None for kind in Kind}


def in_json(value: bytes) -> bytes:
    """Write a text as JSON does between the quotes."""
    return encode_basestring_ascii(value.decode())[1:-1].encode()


async def brand_slugs(directory: Directory, brands: Collection[int]) -> dict[int, str | None]:
    """Name brands by their numbers; every brand is null on the wire."""
    named = {one: await directory.brand_slug(one) for one in set(brands) if one != EVERY_BRAND}
    return named | {EVERY_BRAND: None}


_INSTANT = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
_READ = f"""
SELECT e.brand, p.kind, p.digest, p.sealed, convert_to(
           '{{"position":' || e.position || ',"id":"' || e.id
           || '","type":"' || ($2::text[])[e.change] || '","lane":"' || ($3::text[])[e.lane]
           || '","occurred_at":"' || to_char(e.occurred_at, {_INSTANT})
           || '","recorded_at":"' || to_char(e.recorded_at, {_INSTANT})
           || '","identifier":{{"kind":"', 'UTF8'
       ) AS beginning, convert_to(
           ',"media":' || ($4::text[])[(e.media & $5) + 1] || ',"version":' || e.version
           || ',"reason":"' || ($6::text[])[e.reason] || '"}}', 'UTF8'
       ) AS ending
FROM journal_entries e LEFT JOIN contact_points p ON p.id = e.point
WHERE e.position = ANY($1::int8[]) ORDER BY e.position
"""  # noqa: S608 - nothing in it is given
_WORDS = [
    [words.get(number, "") for number in range(1, max(words) + 1)]
    for words in (
        {int(one): one.word for one in Change},
        {int(one): one.word for one in Lane},
        {int(one): one.word for one in Reason},
    )
]
_MEDIA = [json.dumps(one.words, separators=(",", ":")) for one in MEDIA_SETS]
# A plan kept from when the journal was short would read the whole of it for each batch.
PLAN_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")


async def render_entries(
    session: AsyncSession,
    keys: PointKeys,
    directory: Directory,
    positions: Sequence[int],
    *,
    form: Form,
    media: Media,
) -> list[bytes]:
    """Show the entries at positions in order, each as JSON, their media cut to the database's.

    Raises:
        LookupError: the journal holds one of them no more.
    """
    if not positions:
        return []
    changes, lanes, reasons = _WORDS
    await session.execute(PLAN_ANEW)
    driver = await driver_of(session)
    rows = await driver.fetch(_READ, positions, changes, lanes, _MEDIA, int(media), reasons)
    if len(rows) != len(positions):
        raise LookupError("the journal does not hold what was read in it")
    brands = await brand_slugs(directory, {row[0] for row in rows})
    return _write(rows, keys, brands, form)


def _write(
    rows: Sequence["Record"], keys: PointKeys, brands: Mapping[int, str | None], form: Form
) -> list[bytes]:
    shows = form.shows(in_json)
    told = {kind: f'{kind.word}","format":"{form.format}","value":"'.encode() for kind in Kind}
    erased = {kind: f'{kind.word}","format":"erased","value":null}}'.encode() for kind in Kind}
    named = {brand: b',"brand":' + json.dumps(slug).encode() for brand, slug in brands.items()}
    unseal = keys.vault.unseal
    documents = []
    for brand, kind, digest, sealed, beginning, ending in rows:
        if sealed is None:
            middle = erased[kind]
        else:
            value, show = unseal(sealed, digest), shows[kind]
            middle = told[kind] + (value if show is None else show(value)) + b'"}'
        documents.append(beginning + middle + named[brand] + ending)
    return documents
