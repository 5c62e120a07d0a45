"""Batches: the next entries for a database, rendered once for all that stand at the same place."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pydantic_core

from app.journal import FollowerState, Head, Scope, read_head, read_window
from app.parties import Directory
from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from app.points import PointKeys

from .rendering import Form, render_entries

MOST_BYTES = 262_144
MOST_ENTRIES = 700
"""As many as fit into those bytes, so that few are rendered in vain."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a follower stands and what it may see: what decides the bytes of its next batch."""

    scope: Scope
    form: Form
    told: int
    scanned: int
    most: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The entries after ``previous`` up to ``to``, ready to be sent; none: nothing to be sent.

    ``last`` is the id of the last entry.
    """

    journal: UUID
    previous: int
    to: int
    entries: int
    last: UUID | None
    body: bytes = field(repr=False)


class Batches:
    """Reads and renders batches; followers that stand at one place share the bytes."""

    def __init__(self, database: Database, keys: PointKeys, directory: Directory) -> None:
        """Take what is needed to read entries and show contact points."""
        self._database = database
        self._keys = keys
        self._directory = directory
        self._reading: dict[Place, asyncio.Task[Batch]] = {}

    async def after(self, place: Place) -> Batch:
        """Read the batch that follows a place.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        task = self._reading.get(place)
        if task is None:
            task = asyncio.create_task(self._read(place))
            self._reading[place] = task
            task.add_done_callback(lambda done: self._forget(place, done))
        return await asyncio.shield(task)

    def _forget(self, place: Place, done: asyncio.Task[Batch]) -> None:
        del self._reading[place]
        if not done.cancelled():
            done.exception()  # else asyncio complains where nobody waits any more

    async def _read(self, place: Place) -> Batch:
        async with self._database.reading() as session:
            head = await read_head(session)
            window = await read_window(
                session, place.scope, after=place.scanned, head=head.position, most=place.most
            )
            documents = await render_entries(
                session,
                self._keys,
                self._directory,
                window.entries,
                form=place.form,
                media=place.scope.media,
            )
        rendered, upto = _cut(documents, window.upto)
        body = _body(head, place.told, upto, rendered, now()) if rendered else b""
        last = window.entries[len(rendered) - 1].id if rendered else None
        return Batch(head.journal, place.told, upto, len(rendered), last, body)


def _cut(documents: Sequence[dict[str, Any]], upto: int) -> tuple[list[bytes], int]:
    """Keep as many entries as fit into one batch, and tell how far they reach."""
    rendered: list[bytes] = []
    size = 0
    for document in documents:
        one = pydantic_core.to_json(document)
        size += len(one) + 1
        if rendered and size > MOST_BYTES:
            return rendered, int(documents[len(rendered) - 1]["position"])
        rendered.append(one)
    return rendered, upto


def _body(head: Head, previous: int, to: int, entries: Sequence[bytes], at: datetime) -> bytes:
    return (
        b'{"type":"suppressions.changed","timestamp":"%s","data":{"journal":"%s","lane":"main",'
        b'"previous":%d,"to":%d,"head":%d,"entries":[%s]}}'
    ) % (
        wire_time(at).encode(),
        str(head.journal).encode(),
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
    named = hashlib.blake2b(cut.encode(), digest_size=16)
    return f"msg_{named.hexdigest()}"
