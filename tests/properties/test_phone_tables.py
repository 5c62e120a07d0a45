"""Whatever people did, and whatever becomes of their numbers: who was blocked stays blocked.

Some people act on a registry, its phone tables change, people act again, and so on. The tables are
made up: each brings some forms to other forms, and back again some time.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.checks.lookups import LookUps
from app.identifiers import Identifier
from app.intake import renormalise
from app.journal import (
    EVERY_BRAND,
    Entry,
    Kind,
    Media,
    Scope,
    find_window,
    read_entries,
    read_head,
    verify,
)
from app.platform.db import Database
from app.registry import ObjectionIsNewer, State, WiderObjectionStands, derive_states, read_states
from tests.acts import Registry, minute, phone
from tests.properties.test_model import MEDIA, bounded, cut, media_sets, replay

if TYPE_CHECKING:
    from uuid import UUID

FORMS = 4
BRANDS = (EVERY_BRAND, 1)
EVERYTHING = Scope(frozenset(Kind), Media(31), None)
_numbers = count()


@dataclass(frozen=True)
class Objects:
    """Somebody objects by a number in one of its forms."""

    form: int
    brand: int
    media: Media
    minute: int


@dataclass(frozen=True)
class Reinstates:
    """Somebody's later act, by a number in one of its forms."""

    form: int
    brand: int
    media: Media
    minute: int


@dataclass(frozen=True)
class Voids:
    """An earlier opt-out was a mistake."""

    which: int


Act = Objects | Reinstates | Voids
Tables = Mapping[int, int]

forms = st.integers(0, FORMS - 1)
minutes = st.integers(0, 2)
brands = st.sampled_from(BRANDS)
objections = st.builds(Objects, forms, brands, media_sets, minutes)
rest = st.one_of(
    st.builds(Reinstates, forms, brands, media_sets, minutes), st.builds(Voids, st.integers(0, 9))
)
acts = st.sampled_from([objections, objections, rest]).flatmap(lambda one: one)


@st.composite
def tables(draw: st.DrawFn) -> Tables:
    """Bring some forms to others, which stay as they are."""
    wanted = draw(st.lists(forms, min_size=FORMS, max_size=FORMS))
    return {form: to if wanted[to] == to else form for form, to in enumerate(wanted)}


chapters = st.lists(
    st.tuples(st.lists(acts, min_size=1, max_size=5), tables()), min_size=1, max_size=4
)


class Story:
    """Some numbers, what becomes of them, and what their owners do."""

    def __init__(self, database: Database) -> None:
        """Begin with tables that leave every form as it is."""
        self.registry = Registry(database)
        self.forms = [phone(next(_numbers)) for _ in range(FORMS)]
        self.tables: Tables = {form: form for form in range(FORMS)}
        self._opt_outs: list[UUID] = []

    async def go_over(self, to: Tables) -> None:
        """Let a release with other tables take the registry over."""
        self.tables = to
        now = {self.forms[form].value: self.forms[other].value for form, other in to.items()}
        version = f"{next(_numbers) + 100}+1"
        self.registry.keys = replace(self.registry.keys, tables=version)

        def read(normals: Sequence[str]) -> list[str]:
            return [now.get(normal, normal) for normal in normals]

        await renormalise(self.registry.database, self.registry.keys, read=read)

    def person(self, form: int) -> Identifier:
        """Name a number as the tables of now do."""
        return self.forms[self.tables[form]]

    async def play(self, act: Act) -> None:
        """Do one thing."""
        match act:
            case Objects():
                receipt = await self.registry.object(
                    self.person(act.form),
                    brand=act.brand,
                    media=act.media,
                    at=minute(act.minute),
                )
                self._opt_outs.append(receipt.opt_out.id)
            case Reinstates():
                try:
                    await self.registry.reinstate(
                        self.person(act.form),
                        brand=act.brand,
                        media=act.media,
                        at=minute(act.minute),
                    )
                except (ObjectionIsNewer, WiderObjectionStands):
                    return
            case Voids(which) if self._opt_outs:
                await self.registry.void(self._opt_outs[which % len(self._opt_outs)])

    async def blocked(self, people: Mapping[int, Identifier]) -> set[tuple[int, Media, int]]:
        """Ask everything that can be asked about people: who is blocked."""
        keys = self.registry.keys
        look_ups = LookUps(self.registry.database, keys.digests.numbers, tables=keys.tables)
        found = {
            (number, medium, brand)
            for number, person in people.items()
            for medium in MEDIA
            for brand in BRANDS
            if not await self.registry.allows(look_ups, [person], medium, brand or None)
        }
        await look_ups.stop()
        return found


async def states(database: Database) -> tuple[dict[tuple[int, int], State], dict[int, int]]:
    """Read every suppression, and what was merged into which."""
    async with database.reading() as session:
        points = (await session.execute(text("SELECT id FROM contact_points"))).scalars().all()
        merged = await session.execute(text("SELECT point, into_point FROM merged_points"))
        table = {(one.point, one.brand): one for one in await read_states(session, points)}
        return table, {row.point: row.into_point for row in merged}


async def hold(database: Database) -> None:
    """Hold what is derived against the grounds, and the journal against what is derived."""
    table, merged = await states(database)
    async with database.reading() as session:
        derived = await derive_states(session, {point for point, _ in table} | {*merged.values()})
        head = (await read_head(session)).position
        told: list[Entry] = []
        while (after := told[-1].position if told else 0) < head:
            window = await find_window(session, EVERYTHING, after=after, head=head, most=1_000)
            told += await read_entries(session, window.positions)
        verdicts = [verdict async for verdict in verify(session)]
    assert verdicts[-1].broken_at is None
    for (point, brand), state in table.items():
        media, since = derived.get((point, brand), (Media(0), None))
        if point in merged:
            wide, _ = derived.get((merged[point], brand), (Media(0), None))
            assert media & ~state.media == Media(0)
            assert state.media & ~(media | wide) == Media(0)
        else:
            assert (state.media, state.since) == (media, since)
    present = [one for one in told if (one.point, one.brand) in table]
    assert replay(present, EVERYTHING) == cut(table, EVERYTHING)


@pytest.fixture(autouse=True)
async def nobody(database: Database) -> AsyncIterator[None]:
    """Leave nothing to whoever comes next."""
    yield
    await forget(database)


async def forget(database: Database) -> None:
    """Empty the registry but for its journal."""
    async with database.transaction() as session:
        await session.execute(text("TRUNCATE contact_points CASCADE"))


@settings(bounded, max_examples=30)
@given(chapters)
async def test_who_was_blocked_stays_blocked_whatever_becomes_of_the_numbers(
    database: Database, story_of: Sequence[tuple[list[Act], Tables]]
) -> None:
    await forget(database)
    story = Story(database)
    await story.go_over(story.tables)
    for sequence, to in story_of:
        for act in sequence:
            await story.play(act)
        # A number is known by the form that the old tables gave it, and by nothing else.
        known = {form for form, other in story.tables.items() if form == other}
        before = await story.blocked({form: story.forms[form] for form in known})
        told, _ = await states(database)
        grounds = await counted(database)
        await story.go_over(to)
        after = await story.blocked({form: story.person(form) for form in known})
        assert before - after == set()
        now, _ = await states(database)
        lowered = {key for key, state in told.items() if state.media & ~now[key].media}
        assert lowered == set(), "databases may know the person by the old form alone"
        assert await counted(database) == grounds
        await hold(database)


async def counted(database: Database) -> int:
    """Count all grounds."""
    async with database.reading() as session:
        return int(await session.scalar(text("SELECT count(*) FROM grounds")) or 0)
