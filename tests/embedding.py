"""Questions to a server of a data folder, for the tests of it."""

import asyncpg

from app.platform.embedded import Embedded


async def ask(embedded: Embedded, question: str = "SELECT 1") -> object:
    """Ask for one value."""
    connection = await asyncpg.connect(embedded.url())
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def postmaster(embedded: Embedded) -> int:
    """Read the number of its process."""
    return int((embedded.folder.data / "postmaster.pid").read_text().split()[0])
