"""Files of opt-outs against the model: a row is an opt-out, a void takes back one file alone."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from app.checks.lookups import LookUps
from app.intake.import_job import Ready, lay_chunk
from app.intake.import_rows import Asked, Chunk
from app.intake.import_voids import begin_void, void_chunk
from app.intake.imports import Import, find_import, keep_import
from app.journal import EVERY_BRAND, Media, Reason, Scope
from app.platform.clock import now
from app.platform.db import Database
from app.platform.ids import new_id
from app.points import PointKeys
from app.registry import Plan
from tests.acts import CHANNEL, KEY, minute
from tests.properties.model import Ground, Reinstatement
from tests.properties.test_model import (
    Act,
    Objects,
    Story,
    bounded,
    hold,
    minutes,
    persons,
    reinstatements,
    rest,
    scopes,
    some,
)

NOW = 1_000_000
"""The minute of what has no date: after all that has one."""


@dataclass(frozen=True)
class Line:
    """A row of a file; without a minute it has no date."""

    person: int
    brand: int
    media: Media
    minute: int | None


@dataclass(frozen=True)
class Imports:
    """A file is sent, and laid so many rows at a time."""

    lines: tuple[Line, ...]
    at_a_time: int


@dataclass(frozen=True)
class Resends:
    """An earlier file is sent again, to the byte."""

    which: int


@dataclass(frozen=True)
class VoidsFile:
    """An earlier import was a mistake."""

    which: int


FileAct = Act | Imports | Resends | VoidsFile

# Few kinds of row, so that they meet.
wide = Media.VOICE | Media.SMS | Media.EMAIL
lines = st.builds(
    Line,
    persons,
    st.sampled_from([EVERY_BRAND, EVERY_BRAND, 1]),
    st.sampled_from([wide, Media.VOICE]),
    minutes | st.none(),
)
objects = st.builds(
    Objects,
    st.sampled_from([(0,), (1,)]),
    st.just(EVERY_BRAND),
    st.sampled_from([wide, Media.VOICE]),
    minutes,
)
lifts = st.builds(Reinstatement, persons, st.just(EVERY_BRAND), st.just(wide), minutes)
files = st.builds(Imports, st.lists(lines, min_size=1, max_size=4).map(tuple), st.integers(1, 3))
acts = st.sampled_from(
    [files] * 4
    + [st.builds(Resends, some)] * 2
    + [st.builds(VoidsFile, some)] * 2
    + [objects, lifts, lifts, reinstatements, rest]
).flatmap(lambda one: one)


class FileStory(Story):
    """A story in which files are sent, too."""

    def __init__(self, database: Database, look_ups: LookUps) -> None:
        """Begin without files."""
        super().__init__(database, look_ups)
        self.sent: list[tuple[Imports, bytes, UUID]] = []
        self.holders: dict[bytes, UUID] = {}
        self.voided: set[UUID] = set()
        self.laid: dict[UUID, list[Ground]] = {}

    async def play_file(self, act: FileAct) -> None:
        """Do one thing, to the registry and then to the model."""
        match act:
            case Imports():
                await self._send_file(act, new_id().bytes)
            case Resends(which) if self.sent:
                again, content, _ = self.sent[which % len(self.sent)]
                await self._send_file(again, content)
            case VoidsFile(which) if self.sent:
                _, _, number = self.sent[which % len(self.sent)]
                await self.begin_void(number)
                await self.void_grounds(number)
                self.voided.add(number)
                for ground in self.laid.get(number, []):
                    ground.voided = True
            case Resends() | VoidsFile():
                pass
            case _:
                await self.play(act)

    async def _send_file(self, act: Imports, content: bytes) -> None:
        number = await self.lay(act, content)
        self.sent.append((act, content, number))
        if self.holders.get(content, number) not in {*self.voided, number}:
            return  # What is sent twice is one record.
        self.holders[content] = number
        self.laid[number] = [
            Ground(
                None, row.person, row.brand, row.media, NOW if row.minute is None else row.minute
            )
            for row in act.lines
        ]
        self.model.grounds += self.laid[number]

    async def lay(self, act: Imports, content: bytes) -> UUID:
        """Import a file: the import's id."""
        at, number = now(), new_id()
        one = Import(
            *(number, at, at, False, KEY, CHANNEL, EVERY_BRAND, None, None, "FR", None, False),
            hashlib.sha256(content).digest(),
            len(content),
        )
        database, keys = self.registry.database, self.registry.keys
        async with database.transaction() as session:
            await keep_import(session, keys.vault, one)
        asked = [
            Asked(
                line,
                self.people[row.person],
                row.brand,
                row.media,
                Reason.OBJECTION,
                at if row.minute is None else minute(row.minute),
                row.minute is not None,
            )
            for line, row in enumerate(act.lines, start=1)
        ]
        for start in range(0, len(asked), act.at_a_time):
            rows = asked[start : start + act.at_a_time]
            ready = Ready.of(keys, Chunk(start + len(rows), len(rows), rows))
            async with database.transaction() as session:
                await lay_chunk(session, keys, one, ready, _save)
        return number

    async def begin_void(self, number: UUID) -> None:
        """Mark an import as voided."""
        async with self.registry.database.transaction() as session:
            one = await find_import(
                session, self.registry.keys.vault, number, channel=None, lock=True
            )
            await begin_void(session, one, by="tests", reason="mistake", key=KEY, at=now())

    async def void_grounds(self, number: UUID) -> None:
        """Void the grounds of an import."""
        after: int | None = 0
        while after is not None:
            async with self.registry.database.transaction() as session:
                after = await void_chunk(session, number, after, _note)


async def _save(_session: AsyncSession, _planned: Plan) -> None:
    """Nobody goes on with these."""


async def _note(_session: AsyncSession, _ground: int, _grounds: int) -> None:
    """Nobody goes on with these."""


@pytest.fixture
async def look_ups(database: Database) -> AsyncIterator[LookUps]:
    """Hold the look-ups of one process."""
    look_ups = LookUps(database, PointKeys.from_settings(database.settings).digests.numbers)
    yield look_ups
    await look_ups.stop()


@settings(bounded, max_examples=60)
@given(st.lists(acts, min_size=3, max_size=12), scopes, st.integers(0, 999))
async def test_files_and_their_voids_leave_what_the_same_opt_outs_one_by_one_would(
    database: Database,
    look_ups: LookUps,
    sequence: list[FileAct],
    scope: Scope,
    seed: int,
) -> None:
    story = FileStory(database, look_ups)
    for act in sequence:
        await story.play_file(act)
        assert await story.answers() == story.expected()
    await hold(story, scope, seed)


async def test_a_file_that_is_sent_again_while_it_is_being_voided_stands(
    database: Database, look_ups: LookUps
) -> None:
    story = FileStory(database, look_ups)
    file, content = Imports((Line(0, EVERY_BRAND, wide, None),), 1), b"the file"
    mistaken = await story.lay(file, content)
    await story.begin_void(mistaken)
    await story.lay(file, content)
    await story.void_grounds(mistaken)
    assert not (await story.answers())[0]
