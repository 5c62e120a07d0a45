"""What lies at rest: every row of every table, and every file of a folder, as whoever stole it."""

import re
from pathlib import Path

from sqlalchemy import text

from app.platform.db import Database

_HEX = re.compile(r"\\+x([0-9a-f]*)")


async def at_rest(database: Database, folder: Path | None = None) -> bytes:
    """Gather all of it, bytes in hex also as the bytes that they are."""
    found = []
    async with database.reading() as session:
        for table in await session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        ):
            rows = await session.scalars(text(f'SELECT t::text FROM "{table}" t'))  # noqa: S608 - a table of ours
            for row in rows:
                found += [row.encode(), *map(bytes.fromhex, _HEX.findall(row))]
    return b"\n".join(found + files_of(folder))


def files_of(folder: Path | None) -> list[bytes]:
    """Read every file of a folder."""
    files = folder.rglob("*") if folder is not None else ()
    return [file.read_bytes() for file in files if file.is_file()]
