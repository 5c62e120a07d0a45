"""A connection of its own for look-ups, made anew when it is lost."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from app.platform.db import Database, OwnConnection, Unavailable
from app.points import require_tables

if TYPE_CHECKING:
    from asyncpg import Record

# The way is always the same, from index to index. Planning it anew takes four times as long as
# walking it, and a plan made while the registry was empty must serve it when it is full.
_ONE_PLAN = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off
"""


class Line(OwnConnection):
    """One connection, on which one question is asked at a time."""

    def __init__(
        self, database: Database, name: str, key_numbers: Collection[int], tables: str
    ) -> None:
        """Take the database, and the digest keys and phone tables that this process has."""
        super().__init__(database, name, prepare=_ONE_PLAN)
        self._tables = tables
        self._key_numbers = frozenset(key_numbers)

    async def ask(self, query: str, *arguments: object) -> "list[Record]":
        """Fetch the rows of a look-up, each with the digest keys and phone tables in use.

        Raises:
            Unavailable: PostgreSQL does not answer, or this process lacks a digest key.
        """
        rows = await self.use(lambda connection: connection.fetch(query, *arguments))
        lacking = set(rows[0]["numbers"] or ()) - self._key_numbers
        if lacking:
            # What was written under a key that is not here would be missed, and allowed.
            raise Unavailable(
                f"This process was not given digest key {min(lacking)}; start it with every key.",
                headers={"Retry-After": "1"},
            )
        require_tables(self._tables, rows[0]["tables"])
        return rows
