"""Filling a registry fast: the very rows that as many opt-outs would have left, by COPY.

Digests, seals and the journal's chain are the real ones, so checks hit and ``optout verify``
passes.
"""

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.identifiers import Identifier
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Change, Draft, Kind, Lane, Media, Reason
from app.journal.entries import chain, commit_to, content_of
from app.parties import CLI, NewChannel, NewParty, create_channel, create_party
from app.platform.db import Database
from app.platform.ids import new_id
from app.points import PointKeys

from .people import national

if TYPE_CHECKING:
    from app.platform.db import RawConnection

CHANNEL = "call-centre"
AT = datetime(2026, 1, 1, tzinfo=UTC)
_CHUNK = 50_000
_COLUMNS = {
    "contact_points": ("id", "kind", "key_number", "digest", "sealed"),
    "opt_outs": ("id", "recorded_at", "occurred_at", "key", "channel", "brand", "media", "reason"),
    "grounds": (
        *("point", "position", "occurred_at", "opt_out", "brand", "channel", "media", "reason"),
    ),
    "suppressions": ("point", "brand", "media", "told", "version", "since", "position"),
    "journal_entries": (
        *("position", "id", "change", "lane", "kind", "point", "brand", "media", "touches"),
        *("version", "reason", "occurred_at", "recorded_at", "commitment", "hash"),
    ),
}


async def fill(database: Database, keys: PointKeys, people: int) -> None:
    """Let each of the first so many people object once, in a registry that is new."""
    async with database.transaction() as session:
        party = NewParty("dialling", "Dialling", "department", "FR", "dialling@example.com", None)
        await create_party(session, party, actor=CLI, at=AT)
        new = NewChannel(CHANNEL, "Call centre", "call_centre", party.slug, None)
        channel = await create_channel(session, keys.vault, new, actor=CLI, at=AT)
    connection = await database.connect("seeds")
    try:
        hash_ = await connection.fetchval("SELECT hash FROM journal_head")
        for first in range(0, people, _CHUNK):
            indexes = range(first, min(people, first + _CHUNK))
            rows, hash_ = _rows(keys, channel.id, indexes, hash_)
            await _copy(connection, rows, indexes.stop, hash_)
        await connection.execute(
            "SELECT setval(pg_get_serial_sequence('contact_points', 'id'), $1)", people
        )
        # As autovacuum would have, had the rows come one by one.
        await connection.execute("VACUUM (ANALYZE)", timeout=3_600)
    finally:
        await connection.close()


def _rows(
    keys: PointKeys, channel: int, indexes: range, previous: bytes
) -> tuple[dict[str, list[Any]], bytes]:
    """Write the rows of some people, whose number is their position; and the chain's new hash."""
    rows: dict[str, list[Any]] = defaultdict(list)
    kind, brand, reason = Kind.PHONE, EVERY_BRAND, Reason.OBJECTION
    media = int(EVERY_MEDIUM)
    for position in range(indexes.start + 1, indexes.stop + 1):
        person = Identifier(kind, f"+33{national(position - 1)}")
        number, digest = keys.digests.digest(person)
        sealed = keys.vault.seal(person.value.encode(), context=digest)
        opt_out, entry, commitment = new_id(), new_id(), commit_to(digest)
        draft = Draft(
            *(Change.ADDED, Lane.LIVE, kind, position, digest, brand, EVERY_MEDIUM, Media(0)),
            *(1, reason, AT, AT),
        )
        previous = chain(previous, content_of(draft, entry, commitment))
        rows["contact_points"].append((position, kind, number, digest, sealed))
        rows["opt_outs"].append((opt_out, AT, AT, 1, channel, brand, media, reason))
        rows["grounds"].append(
            (position, position, AT, opt_out, brand, channel, media, reason),
        )
        rows["suppressions"].append((position, brand, media, media, 1, AT, position))
        rows["journal_entries"].append(
            (
                *(position, entry, Change.ADDED, Lane.LIVE, kind, position, brand, media, media),
                *(1, reason, AT, AT, commitment, previous),
            )
        )
    return rows, previous


async def _copy(
    connection: "RawConnection", rows: dict[str, list[Any]], position: int, hash_: bytes
) -> None:
    async with connection.transaction():
        for table, columns in _COLUMNS.items():
            await connection.copy_records_to_table(
                table, records=rows[table], columns=columns, timeout=600
            )
        await connection.execute(
            "UPDATE journal_head SET position = $1, hash = $2", position, hash_
        )
