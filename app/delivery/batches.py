"""Batches: the next entries for a database, rendered once for all that stand at the same place."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from app.journal import FollowerState, Head, LaneName, Scope, Window, find_window, read_head
from app.parties import Directory
from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from app.points import PointKeys

from .rendering import Form, render_entries

MOST_BYTES = 262_144
MOST_ENTRIES = 700
"""As many as fit into those bytes, so that few are rendered in vain."""
_KEPT = 16
"""Full batches that are kept for the followers that come after."""
_FRESH_SECONDS = 5.0
"""How long one may be kept: an erased value must not be told from memory."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a follower stands and what it may see: what decides the bytes of its next batch.

    On the express lane ``told`` and ``scanned`` are one.
    """

    scope: Scope
    form: Form
    told: int
    scanned: int
    most: int
    lane: LaneName = "main"

    def beyond(self, batch: "Batch") -> "Place":
        """Tell where a follower stands that has acknowledged a whole batch."""
        return replace(self, told=batch.to, scanned=batch.to, most=grown(self.most))


@dataclass(frozen=True, slots=True)
class Batch:
    """The entries after ``previous`` up to ``to``, ready to be sent; none: nothing to be sent.

    ``at`` and ``last`` are position and id of the last entry, ``oldest`` the recording of the
    first; ``full`` tells that more stood behind it. On the express lane it holds the live entries
    alone, and does not say what was before it.
    """

    journal: UUID
    lane: LaneName
    previous: int
    to: int
    entries: int
    at: int
    last: UUID | None
    full: bool
    body: bytes = field(repr=False)
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """A batch that is being read or was, and since when (monotonic seconds)."""

    task: asyncio.Task[Batch]
    began: float


class Batches:
    """Reads and renders batches; followers that stand at one place share the bytes.

    Behind a full batch the next is read at once, while the first is being sent.
    """

    def __init__(self, database: Database, keys: PointKeys, directory: Directory) -> None:
        """Take what is needed to read entries and show contact points."""
        self._database = database
        self._keys = keys
        self._directory = directory
        self._readings: OrderedDict[Place, _Reading] = OrderedDict()

    async def after(self, place: Place) -> Batch:
        """Read the batch that follows a place.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        batch = await asyncio.shield(self._reading(place))
        if batch.full and place.lane == "main":
            self._reading(place.beyond(batch))
        return batch

    async def alone(self, place: Place, position: int) -> Batch:
        """Read one entry at a position, whatever its lane, for the express lane.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        here = replace(place, told=position - 1, scanned=position - 1, most=1, lane="express")
        return await self._read(here, only=position)

    async def settled(self) -> None:
        """Wait until nothing is read ahead any more, before the database is closed under it."""
        under_way = [one.task for one in self._readings.values() if not one.task.done()]
        if under_way:
            await asyncio.wait(under_way)

    def _reading(self, place: Place) -> asyncio.Task[Batch]:
        known = self._readings.get(place)
        if known is not None and time.monotonic() - known.began < _FRESH_SECONDS:
            return known.task
        reading = _Reading(asyncio.create_task(self._read(place)), time.monotonic())
        reading.task.add_done_callback(lambda done: self._forget(place, done))
        self._readings[place] = reading
        while len(self._readings) > _KEPT:
            self._readings.popitem(last=False)
        return reading.task

    def _forget(self, place: Place, done: asyncio.Task[Batch]) -> None:
        """Keep a full batch alone: what follows a place that is not full depends on the moment."""
        failed = done.cancelled() or done.exception() is not None
        known = self._readings.get(place)
        if known is not None and known.task is done and (failed or not done.result().full):
            del self._readings[place]

    async def _read(self, place: Place, *, only: int | None = None) -> Batch:
        async with self._database.reading() as session:
            head = await read_head(session)
            window = await find_window(
                session,
                place.scope,
                after=place.scanned,
                head=only or head.position,
                most=place.most,
                live=place.lane == "express" and only is None,
            )
            documents = await render_entries(
                session,
                self._keys,
                self._directory,
                window.positions,
                form=place.form,
                media=place.scope.media,
            )
        rendered, upto = _cut(window, documents)
        body = _body(head, place, upto, rendered, now()) if rendered else b""
        last = len(rendered) - 1
        full = bool(rendered) and upto < head.position
        return Batch(
            journal=head.journal,
            lane=place.lane,
            previous=place.told,
            to=upto,
            entries=len(rendered),
            at=window.positions[last] if rendered else upto,
            last=window.ids[last] if rendered else None,
            full=full,
            body=body,
            oldest=window.oldest,
        )


def grown(limit: int) -> int:
    """Say how many entries a batch may hold after one of so many was acknowledged."""
    return min(MOST_ENTRIES, 2 * limit)


def _cut(window: Window, documents: Sequence[bytes]) -> tuple[Sequence[bytes], int]:
    """Keep as many entries as fit into one batch, and tell how far they reach."""
    size = 0
    for number, document in enumerate(documents):
        size += len(document) + 1
        if number and size > MOST_BYTES:
            return documents[:number], window.positions[number - 1]
    return documents, window.upto


def _body(head: Head, place: Place, to: int, entries: Sequence[bytes], at: datetime) -> bytes:
    previous = b'"previous":%d,' % place.told if place.lane == "main" else b""
    return (
        b'{"type":"suppressions.changed","timestamp":"%s","data":{"journal":"%s","lane":"%s",'
        b'%s"to":%d,"head":%d,"entries":[%s]}}'
    ) % (
        wire_time(at).encode(),
        str(head.journal).encode(),
        place.lane.encode(),
        previous,
        to,
        head.position,
        b",".join(entries),
    )


def message_id(follower: FollowerState, batch: Batch) -> str:
    """Name a cut of the journal for one follower: the same cut, sent again, has the same name.

    A replay that was asked for is a new sending: a receiver that drops what it has seen must
    not drop it. Nor may it drop what was written anew after a restore to an older state, under
    the same positions: so the id of the last entry counts.
    """
    follows = f"{batch.journal}/{follower.id}/{follower.generation}/{follower.replays}"
    cut = f"{follows}/{batch.previous}/{batch.to}/{batch.last}"
    if batch.lane == "express":
        cut += "/express"
    named = hashlib.blake2b(cut.encode(), digest_size=16)
    return f"msg_{named.hexdigest()}"
