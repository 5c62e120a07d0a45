"""The registry against its model.

Whatever people do, in whatever order it arrives, a check says what the model says, and everything
that is derived agrees: the table, the grounds computed anew, the journal replayed, a receiver's
list.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from itertools import count, product
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.checks.lookups import LookUps
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
from app.points import PointKeys
from app.registry import (
    ObjectionIsNewer,
    State,
    WiderObjectionStands,
    derive_states,
    read_states,
)
from tests.acts import Registry, minute, phone
from tests.properties.model import BRANDS, Ground, Model, Reinstatement

MEDIA = (Media.VOICE, Media.SMS, Media.EMAIL)
PEOPLE = 2
_numbers = count()


@dataclass(frozen=True)
class Objects:
    """Some people object, for some media and a brand; it is heard of now, early or late."""

    people: tuple[int, ...]
    brand: int
    media: Media
    minute: int


@dataclass(frozen=True)
class Repeats:
    """The request of an earlier opt-out is sent again with its reference."""

    which: int


@dataclass(frozen=True)
class Voids:
    """An earlier opt-out was a mistake."""

    which: int


@dataclass(frozen=True)
class Erases:
    """Somebody asks to be forgotten."""

    person: int


@dataclass(frozen=True)
class Forgets:
    """What an earlier erasure is about is destroyed."""

    which: int


Act = Objects | Repeats | Reinstatement | Voids | Erases | Forgets

minutes = st.integers(0, 2)
media_sets = st.sampled_from([7, 7, 1, 2, 3, 4, 5, 6]).map(
    lambda bits: Media(sum(medium for n, medium in enumerate(MEDIA) if bits >> n & 1))
)
persons = st.integers(0, PEOPLE - 1)
brands = st.sampled_from([*BRANDS, 1])
some = st.integers(0, 20)
groups = st.sampled_from([(0,), (1,), (0, 1), (1, 0)])
objections = st.builds(Objects, groups, brands, media_sets, minutes)
reinstatements = st.builds(Reinstatement, persons, brands, media_sets, minutes)
rest = st.one_of(
    st.builds(Repeats, some),
    st.builds(Voids, some),
    st.builds(Erases, persons),
    st.builds(Forgets, some),
)
acts = st.sampled_from([objections] * 4 + [reinstatements] * 4 + [rest] * 3).flatmap(
    lambda one: one
)


class Story:
    """Some people, what they do to a registry, and the model of it."""

    def __init__(self, database: Database, look_ups: LookUps) -> None:
        """Begin with people of whom the registry never heard."""
        self.registry = Registry(database)
        self.look_ups = look_ups
        self.model = Model()
        self.people = [phone(next(_numbers)) for _ in range(PEOPLE)]
        self.told: list[tuple[Objects, UUID, str]] = []
        self.erasures: list[UUID] = []

    async def play(self, act: Act) -> None:
        """Do one thing, to the registry and then to the model."""
        match act:
            case Objects():
                await self._object(act)
            case Reinstatement():
                await self._reinstate(act)
            case Repeats(which) if self.told:
                first, opt_out, reference = self.told[which % len(self.told)]
                receipt = await self._send(first, reference)
                if receipt != opt_out:  # its reference was forgotten, so it is a new one
                    self._lay(first, receipt, reference)
            case Voids(which) if self.told:
                _, opt_out, _ = self.told[which % len(self.told)]
                await self.registry.void(opt_out)
                for ground in self.model.grounds:
                    if ground.opt_out is not None:
                        ground.voided |= self.told[ground.opt_out][1] == opt_out
            case Erases(person):
                self.erasures.append(await self.registry.erase(self.people[person]))
            case Forgets(which) if self.erasures:
                await self.registry.destroy(self.erasures[which % len(self.erasures)])

    async def _send(self, act: Objects, reference: str) -> UUID:
        receipt = await self.registry.object(
            *(self.people[person] for person in act.people),
            media=act.media,
            brand=act.brand,
            at=minute(act.minute),
            reference=reference,
        )
        return receipt.opt_out.id

    async def _object(self, act: Objects) -> None:
        reference = f"{self.people[0].value} {next(_numbers)}"
        self._lay(act, await self._send(act, reference), reference)

    def _lay(self, act: Objects, opt_out: UUID, reference: str) -> None:
        self.told.append((act, opt_out, reference))
        self.model.grounds += [
            Ground(len(self.told) - 1, person, act.brand, act.media, act.minute)
            for person in act.people
        ]

    async def _reinstate(self, act: Reinstatement) -> None:
        try:
            await self.registry.reinstate(
                self.people[act.person], media=act.media, brand=act.brand, at=minute(act.minute)
            )
        except (ObjectionIsNewer, WiderObjectionStands):
            return
        self.model.reinstatements.append(act)

    async def answers(self) -> list[bool]:
        """Ask everything that can be asked."""
        return await asyncio.gather(
            *(
                self.registry.allows(
                    self.look_ups, [self.people[person] for person in people], medium, brand
                )
                for people, medium, brand in questions()
            )
        )

    def expected(self) -> list[bool]:
        """Ask the model the same."""
        return [self.model.allows(*question) for question in questions()]


def questions() -> Iterator[tuple[tuple[int, ...], Media, int | None]]:
    """List everything that can be asked."""
    return product([(0,), (1,), (0, 1)], MEDIA, [None, *BRANDS[1:]])


async def hold(story: Story, scope: Scope, seed: int) -> None:
    """Hold what is derived against the model."""
    chance = random.Random(seed)  # noqa: S311 - no secret: an order to try
    async with story.registry.database.reading() as session:
        found = await session.execute(
            text("SELECT id, digest FROM contact_points WHERE digest = ANY(:digests)"),
            {"digests": [story.registry.keys.digests.digest(one)[1] for one in story.people]},
        )
        numbers = {row.digest: row.id for row in found}
        states = await read_states(session, list(numbers.values()))
        derived = await derive_states(session, list(numbers.values()))
        head = (await read_head(session)).position
        entries: list[Entry] = []
        after = 0
        whole = Scope(frozenset(Kind), Media(31), None)
        while after < head:
            window = await find_window(session, whole, after=after, head=head, most=1_000)
            found_here = await read_entries(session, window.positions)
            entries += [one for one in found_here if one.point in numbers.values()]
            after = window.upto
        versions = await session.execute(
            text("""
                SELECT point, brand, array_agg(version ORDER BY position) AS versions
                FROM journal_entries WHERE point = ANY(:points) GROUP BY point, brand
            """),
            {"points": list(numbers.values())},
        )
        table = {(one.point, one.brand): one for one in states}
        for row in versions:
            assert row.versions == list(range(1, table[row.point, row.brand].version + 1))
    by_person = {
        person: numbers.get(story.registry.keys.digests.digest(one)[1])
        for person, one in enumerate(story.people)
    }
    assert {key: (one.media, one.since) for key, one in table.items()} == derived
    for (person, point), brand in product(by_person.items(), BRANDS):
        state = table.get((point or 0, brand))
        assert (state.media if state else Media(0)) == story.model.suppressed(person, brand)
    assert replay(entries, whole) == cut(table, whole)
    heard = [one for one in entries if concerns(one, scope)]
    jumbled = heard + chance.choices(heard, k=len(heard)) if heard else []
    chance.shuffle(jumbled)
    assert replay(jumbled, scope) == cut(table, scope)


def concerns(entry: Entry, scope: Scope) -> bool:
    """Tell whether a database hears of an entry."""
    return bool(entry.touches & scope.media) and (
        scope.brands is None or entry.brand in (EVERY_BRAND, *scope.brands)
    )


def replay(entries: Iterable[Entry], scope: Scope) -> dict[tuple[int, int], Media]:
    """Apply entries as a receiver does that keeps the highest version."""
    best: dict[tuple[int, int], Entry] = {}
    for entry in entries:
        key = entry.point, entry.brand
        if key not in best or best[key].version < entry.version:
            best[key] = entry
    return {key: one.media & scope.media for key, one in best.items() if one.media & scope.media}


def cut(table: dict[tuple[int, int], State], scope: Scope) -> dict[tuple[int, int], Media]:
    """Cut the table to what a database should hold."""
    return {
        (point, brand): media
        for (point, brand), state in table.items()
        if (media := state.media & scope.media)
        and (scope.brands is None or brand in (EVERY_BRAND, *scope.brands))
    }


scopes = st.builds(
    Scope,
    st.just(frozenset(Kind)),
    media_sets,
    st.sampled_from([None, (1,), (2,), (1, 2)]),
)
bounded = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def look_ups(database: Database) -> AsyncIterator[LookUps]:
    """Hold the look-ups of one process."""
    look_ups = LookUps(database, PointKeys.from_settings(database.settings).digests.numbers)
    yield look_ups
    await look_ups.stop()


@settings(bounded, max_examples=100)
@given(st.lists(acts, min_size=4, max_size=16), scopes, st.integers(0, 999))
async def test_no_sequence_of_acts_makes_a_check_differ_from_the_model(
    database: Database,
    look_ups: LookUps,
    sequence: list[Act],
    scope: Scope,
    seed: int,
) -> None:
    story = Story(database, look_ups)
    for act in sequence:
        if isinstance(act, Reinstatement):
            refused = story.model.refuses(act)
            accepted = len(story.model.reinstatements)
            await story.play(act)
            assert (len(story.model.reinstatements) == accepted) == refused
        else:
            await story.play(act)
        assert await story.answers() == story.expected()
    await hold(story, scope, seed)


@settings(bounded, max_examples=40)
@given(
    st.lists(st.lists(acts, min_size=2, max_size=5), min_size=3, max_size=6),
    scopes,
    st.integers(0, 999),
)
async def test_whoever_wins_a_race_about_one_person_the_outcome_is_the_model_s(
    database: Database,
    look_ups: LookUps,
    sequences: list[list[Act]],
    scope: Scope,
    seed: int,
) -> None:
    story = Story(database, look_ups)

    async def play(sequence: list[Act]) -> None:
        for act in sequence:
            await story.play(act)

    await asyncio.gather(*map(play, sequences))
    assert await story.answers() == story.expected()
    await hold(story, scope, seed)
    async with database.reading() as session:
        verdicts = [verdict async for verdict in verify(session)]
    assert verdicts[-1].broken_at is None
