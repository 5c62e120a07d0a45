"""The directory: which small number stands for which brand, channel, database, party.

A check names its brand by a slug and must not pay a query for it. Slugs and numbers of brands,
channels and parties never change nor go away, so what was once read stays right; what was not
is looked up, all that are missing at the moment in one query, and never two queries at a time.
"""

import re
from collections.abc import Mapping, Sequence

from sqlalchemy import ARRAY, SmallInteger, Text, any_, literal, or_, select

from app.platform.db import Database
from app.platform.merged import Merged

from .slugs import Unknown, UnknownBrand, UnknownChannel, UnknownDatabase, UnknownParty
from .tables import BrandRow, ChannelRow, DatabaseRow, PartyRow

_SLUG = re.compile(r"[a-z0-9-]{1,64}")
Named = type[BrandRow] | type[ChannelRow] | type[DatabaseRow] | type[PartyRow]


class Directory:
    """The names of one database, as one process has come to know them.

    ``pointer`` says where a request names one, if not in the field that mostly does.
    """

    def __init__(self, database: Database) -> None:
        """Begin empty; nothing is read before it is asked for."""
        self._brands = _Names(database, BrandRow, UnknownBrand)
        self._channels = _Names(database, ChannelRow, UnknownChannel)
        self._databases = _Names(database, DatabaseRow, UnknownDatabase)
        self._parties = _Names(database, PartyRow, UnknownParty)

    async def brand(self, slug: str, pointer: str | None = None) -> int:
        """Find a brand's number.

        Raises:
            UnknownBrand: there is no such brand.
        """
        return await self._brands.number(slug, pointer)

    async def brand_slug(self, number: int) -> str:
        """Name the brand of a number found in a row."""
        return await self._brands.slug(number)

    async def channel(self, slug: str, pointer: str | None = None) -> int:
        """Find a channel's number.

        Raises:
            UnknownChannel: there is no such channel.
        """
        return await self._channels.number(slug, pointer)

    async def channel_slug(self, number: int) -> str:
        """Name the channel of a number found in a row."""
        return await self._channels.slug(number)

    async def database(self, slug: str, pointer: str | None = None) -> int:
        """Find a living database's number; asked anew each time, for databases can be deleted.

        Raises:
            UnknownDatabase: there is no such database, or no longer.
        """
        return await self._databases.number(slug, pointer)

    async def database_slug(self, number: int) -> str:
        """Name the database of a number found in a row, deleted ones included."""
        return await self._databases.slug(number)

    async def party(self, slug: str, pointer: str | None = None) -> int:
        """Find a party's number.

        Raises:
            UnknownParty: there is no such party.
        """
        return await self._parties.number(slug, pointer)

    async def party_slug(self, number: int) -> str:
        """Name the party of a number found in a row."""
        return await self._parties.slug(number)


class _Names:
    """Slugs and numbers of one table."""

    def __init__(self, database: Database, table: Named, unknown: type[Unknown]) -> None:
        self._database = database
        self._table = table
        self._unknown = unknown
        self._numbers: dict[str, int] = {}
        self._slugs: dict[int, str] = {}
        self._missing: Merged[str | int, tuple[int, str]] = Merged(self._look_up)

    async def number(self, slug: str, pointer: str | None) -> int:
        number = self._numbers.get(slug)
        if number is not None:
            return number
        # What cannot be a slug is not worth a query, and NUL would make it fail.
        found = await self._ask(slug) if _SLUG.fullmatch(slug) else None
        if found is None:
            noun = self._table.__tablename__
            raise self._unknown(f"There is nothing named {slug[:80]!r} among the {noun}.", pointer)
        return found[0]

    async def slug(self, number: int) -> str:
        slug = self._slugs.get(number)
        if slug is not None:
            return slug
        found = await self._ask(number)
        if found is None:
            raise LookupError(f"no row {number} in {self._table.__tablename__}")
        return found[1]

    async def _ask(self, subject: str | int) -> tuple[int, str] | None:
        return await self._missing.ask(subject)

    async def _look_up(self, subjects: Sequence[str | int]) -> Mapping[str | int, tuple[int, str]]:
        slugs = [subject for subject in subjects if isinstance(subject, str)]
        numbers = [subject for subject in subjects if isinstance(subject, int)]
        table = self._table
        living = DatabaseRow.deleted_at.is_(None) if table is DatabaseRow else literal(value=True)
        query = select(table.id, table.slug, living).where(
            or_(
                table.slug == any_(literal(slugs, ARRAY(Text))),
                table.id == any_(literal(numbers, ARRAY(SmallInteger))),
            )
        )
        found: dict[str | int, tuple[int, str]] = {}
        async with self._database.reading() as session:
            for number, slug, lives in await session.execute(query):
                self._slugs[number] = slug
                found[number] = (number, slug)
                if lives:
                    found[slug] = (number, slug)
                if table is not DatabaseRow:
                    self._numbers[slug] = number
        return found
