"""Asking the law: the packs of this process, and what is on record about people.

The packs are read, and the calendars of holidays loaded, before a process serves if a brand is
covered by the law then, else when somebody first asks: most processes never do.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from app.contacts import find_known
from app.identifiers import PHONE_TABLES
from app.platform.clock import now
from app.platform.db import Database
from app.platform.merged import Merged
from app.policy import (
    NO_PROFILE,
    NOTHING_KNOWN,
    BadPack,
    Known,
    Law,
    OwnPack,
    Sitting,
    holiday_name,
    the_law,
)
from app.settings import Settings

from .lawful_models import written_ruling
from .line import Line


def own_pack(settings: Settings) -> OwnPack | None:
    """Read the operator's own pack, if there is one.

    Raises:
        BadPack: the file cannot be read.
    """
    file = settings.policy_pack
    if file is None:
        return None
    try:
        return OwnPack(file.name, file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise BadPack(f"{file.name}:1: it cannot be read: {reason}") from None


def load_law(settings: Settings) -> Law:
    """Put the packs together.

    Raises:
        BadPack: the operator's own cannot be in force; the message says where and why.
    """
    return the_law(own_pack(settings))


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The law once it is loaded, and what judges by it."""

    law: Law
    sitting: Sitting[str]


class Counsel:
    """What one process asks the law with: single checks on one connection, batches on others."""

    def __init__(
        self,
        database: Database,
        key_numbers: Collection[int],
        *,
        tables: str = PHONE_TABLES,
        batches: int = 1,
    ) -> None:
        """Take the database; nothing connects yet. ``batches`` are looked up at a time.

        Raises:
            BadPack: the operator's own pack cannot be in force.
        """
        settings = database.settings
        self.is_default = settings.coverage == "law"
        self.default_region = settings.default_region
        self._settings = settings
        self._database = database
        self._law = load_law(settings) if settings.policy_pack is not None else None
        self._ready: _Loaded | None = None
        self._one_loads = asyncio.Lock()
        self._singles = Line(database, "records", key_numbers, tables)
        self._batches = [
            Line(database, "records of batches", key_numbers, tables) for _ in range(batches)
        ]
        self._free: asyncio.Queue[Line] = asyncio.Queue()
        for line in self._batches:
            self._free.put_nowait(line)
        self._merged: Merged[bytes, Known] = Merged(self._look_up)

    @property
    def is_loaded(self) -> bool:
        """Tell whether nobody has to wait for the law."""
        return self._ready is not None

    async def prepare(self) -> None:
        """Load the law before anybody asks it, if a brand or the setting will have it asked."""
        async with self._database.reading() as session:
            found = await session.scalar(
                text("SELECT 1 FROM brands WHERE coverage = 'law' LIMIT 1")
            )
        if self.is_default or found is not None:
            await self.law()

    async def law(self) -> Law:
        """Give the law; the first time it is loaded, which takes half a second of a thread."""
        return (await self._loaded()).law

    async def sitting(self) -> Sitting[str]:
        """Give what judges single checks, each ruling written once; loads the law as ``law``."""
        return (await self._loaded()).sitting

    async def _loaded(self) -> _Loaded:
        if self._ready is None:
            async with self._one_loads:
                if self._ready is None:
                    self._ready = await asyncio.to_thread(self._load)
        return self._ready

    def _load(self) -> _Loaded:
        law = self._law or load_law(self._settings)
        for pack in law.packs:
            for hours in pack.hours:
                if hours.holidays is not None:
                    holiday_name(hours.holidays, now().date())
        return _Loaded(law, Sitting(law, written_ruling))

    async def known(self, digests: Iterable[bytes]) -> Known:
        """Find what is on record about one person, by the few digests of a check.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        waiting = [self._merged.ask(digest) for digest in digests]
        return together([known for answer in waiting if (known := await answer) is not None])

    async def _look_up(self, digests: Sequence[bytes]) -> Mapping[bytes, Known]:
        return await self._singles.use(lambda connection: find_known(connection, digests, at=now()))

    async def known_at(
        self, digests: Collection[bytes], at: datetime, *, past: bool = False
    ) -> Mapping[bytes, Known]:
        """Find what is on record about many, some 10,000 at most; who has nothing is left out.

        Of a ``past`` moment, who they were known to be then.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        if not digests:
            return {}
        line = await self._free.get()
        try:
            return await line.use(
                lambda connection: find_known(connection, digests, at=at, past=past)
            )
        finally:
            self._free.put_nowait(line)

    async def stop(self) -> None:
        """Close every connection."""
        await self._merged.settled()
        for line in (self._singles, *self._batches):
            line.close()


def together(some: Sequence[Known]) -> Known:
    """Put together what is on record about several contact points of one person."""
    if not some:
        return NOTHING_KNOWN
    if len(some) == 1:
        return some[0]
    attempts = sorted(
        (attempt for one in some for attempt in one.attempts),
        key=lambda attempt: attempt.at,
        reverse=True,
    )
    return Known(
        tuple(consent for one in some for consent in one.consents),
        tuple(contract for one in some for contract in one.contracts),
        tuple(request for one in some for request in one.requests),
        tuple(attempts),
        next((one.profile for one in some if one.profile != NO_PROFILE), NO_PROFILE),
    )
