"""Bulk reads in the audit: who read, when, how much, for what purpose, as the reader declares it.

The first read of a kind is written down before it is answered. Those that follow within a minute
are added up in memory and written in one line, so that a thousand small batches a second are not
a thousand lines. A process that is killed loses at most the last minute of those; what a key
checked on a day stands in its quota besides.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time

from .audit import Action, note

MERGED_SECONDS = 60.0
_MOST_KINDS = 1_000
"""Kinds of read that are added up at once; a purpose is free text, and there is no end of them."""


class Reader(Protocol):
    """Whoever reads: a key's holder, or a person who signed in."""

    @property
    def actor(self) -> str:
        """Name them as the audit does."""


class _Kind(NamedTuple):
    actor: str
    action: Action
    subject: str
    purpose: str | None


@dataclass(slots=True)
class _Sum:
    """What came after the read that was written down, since ``began`` (monotonic seconds)."""

    began: float
    requests: int = 0
    rows: int = 0
    first_at: datetime | None = None

    def add(self, rows: int, at: datetime) -> None:
        """Add one more read."""
        self.requests += 1
        self.rows += rows
        self.first_at = self.first_at or at


class Reads:
    """The bulk reads of one process."""

    def __init__(self, database: Database) -> None:
        """Take the database that the audit stands in."""
        self._database = database
        self._sums: dict[_Kind, _Sum] = {}

    async def note(
        self,
        caller: Reader,
        action: Action,
        subject: str,
        *,
        rows: int,
        purpose: str | None,
        at: datetime,
    ) -> None:
        """Note a read before it is answered: ``"checks.read"``, ``"medium:voice"``.

        Raises:
            Unavailable: it cannot be written down; answer nothing then.
        """
        kind = _Kind(caller.actor, action, subject, purpose)
        if kind in self._sums:
            self._sums[kind].add(rows, at)
            return
        await self._write(kind, _Sum(0, 1, rows), at)
        if len(self._sums) < _MOST_KINDS:
            self._sums.setdefault(kind, _Sum(time.monotonic()))

    def add(self, caller: Reader, action: Action, subject: str, *, rows: int, at: datetime) -> None:
        """Note what was read already, where nothing can be awaited: within a minute."""
        kind = _Kind(caller.actor, action, subject, None)
        self._sums.setdefault(kind, _Sum(time.monotonic())).add(rows, at)

    async def flush(self, *, ending: bool = False) -> None:
        """Write down what was added up for a minute, and all of it when the process ends."""
        due = time.monotonic() - MERGED_SECONDS
        for kind, merged in [*self._sums.items()]:
            if not ending and merged.began > due:
                continue
            # Taken away first: a read that comes while it is written begins anew.
            del self._sums[kind]
            if merged.requests:
                try:
                    await self._write(kind, merged, now())
                except BaseException:
                    self._give_back(kind, merged)
                    raise

    def _give_back(self, kind: _Kind, merged: _Sum) -> None:
        since = self._sums.setdefault(kind, merged)
        if since is not merged:
            since.requests += merged.requests
            since.rows += merged.rows
            since.first_at = merged.first_at

    async def _write(self, kind: _Kind, merged: _Sum, at: datetime) -> None:
        detail: dict[str, object] = {"requests": merged.requests, "rows": merged.rows}
        if merged.first_at is not None:
            detail["since"] = wire_time(merged.first_at)
        if kind.purpose is not None:
            detail["purpose"] = kind.purpose
        async with self._database.transaction() as session:
            await note(session, kind.actor, kind.action, kind.subject, at, **detail)
