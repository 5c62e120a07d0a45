"""No sequence of a provider's events weakens an objection that another channel recorded."""

from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.identifiers import Identifier
from app.intake.dialects import DIALECTS, Act, Dialect, Event, Fields, Options, Outcome
from app.intake.inbound import Doors
from app.intake.inbound_events import Door
from app.intake.inbound_links import Links
from app.intake.inbound_understanding import understand
from app.journal import Kind, Media
from app.parties import Directory
from app.platform.clock import now
from app.platform.db import Database
from tests.acts import CHANNEL, Registry, minute

ITS_OWN = CHANNEL + 1
_numbers = count()


@dataclass(frozen=True)
class Says:
    """A provider says that somebody did something."""

    act: Act
    person: int
    minute: int
    hint: str | None
    by_person: bool


@dataclass(frozen=True)
class Objects:
    """Somebody objects by another channel."""

    person: int
    minute: int


MINUTES = st.integers(0, 5)
PEOPLE = st.integers(0, 1)
SAID = st.builds(
    Says, st.sampled_from(Act), PEOPLE, MINUTES, st.sampled_from([None, "a"]), st.booleans()
)
STEPS = st.lists(
    st.one_of(st.lists(SAID, min_size=1, max_size=4), st.builds(Objects, PEOPLE, MINUTES)),
    max_size=10,
)


def of_test(people: list[Identifier]) -> Dialect:
    """Make a dialect whose fields are what it says."""

    def translate(fields: Fields, _options: Options) -> Event:
        said = Says(Act(fields["act"]), *fields["rest"])
        return Event(
            said.act,
            [(Kind.EMAIL, people[said.person].value)],
            id=fields["id"],
            occurred_at=minute(said.minute),
            media=Media.EMAIL,
            brand_hint=said.hint,
            by_person=said.by_person,
        )

    known = DIALECTS["postmark"]
    return Dialect(known.verify, known.split, translate)


@dataclass
class World:
    """A registry and its doors, for as many examples as come."""

    database: Database

    def __post_init__(self) -> None:
        """Open it."""
        self.registry = Registry(self.database)
        self.directory = Directory(self.database)
        self.doors = Doors(self.database, self.registry.keys, self.directory)

    async def play(self, steps: list[list[Says] | Objects]) -> None:
        """Play an example with people of its own; after each step the objections stand."""
        example = next(_numbers)
        people = [Identifier(Kind.EMAIL, f"p{n}-{example}@example.com") for n in range(2)]
        objected: set[int] = set()
        for number, step in enumerate(steps):
            if isinstance(step, Objects):
                await self.registry.object(
                    people[step.person], media=Media.EMAIL, at=minute(step.minute)
                )
                objected.add(step.person)
            else:
                await self._say(step, people, f"{example} {number}")
            await self._stand([people[one] for one in objected])

    async def _say(self, step: list[Says], people: list[Identifier], name: str) -> None:
        options = {"delivery_lifts_bounces": True}
        door = Door(ITS_OWN, "its-own", "of-test", options, b"\0" * 32, now())
        fields = [
            {
                "id": f"{name} {number}",
                "act": said.act.value,
                "rest": [said.person, said.minute, said.hint, said.by_person],
            }
            for number, said in enumerate(step)
        ]
        arrivals = await understand(
            door,
            of_test(people),
            fields,
            keys=self.registry.keys,
            directory=self.directory,
            links=Links(self.database, self.registry.keys.vault),
            region="FR",
        )
        await self.doors.record(door, arrivals)
        again = await self.doors.record(door, arrivals)
        assert {one.outcome for one in again.taken} <= {Outcome.DUPLICATE, Outcome.DROPPED}

    async def _stand(self, people: list[Identifier]) -> None:
        async with self.database.reading() as session:
            weakened = await session.scalar(
                text("SELECT count(*) FROM grounds WHERE channel = :other AND lifted <> 0"),
                {"other": CHANNEL},
            )
            standing = await session.scalar(
                text("""
                    SELECT count(*) FROM suppressions s JOIN contact_points c ON c.id = s.point
                    WHERE c.digest = ANY(:digests) AND s.brand = 0 AND s.media & 8 = 8
                """),
                {"digests": [self.registry.keys.digests.digest(one)[1] for one in people]},
            )
        assert (weakened, standing) == (0, len(people))


@pytest.fixture
def world(database: Database) -> World:
    """Open a world for one test's examples."""
    return World(database)


@given(steps=STEPS)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_sequence_of_events_weakens_what_another_channel_recorded(
    world: World, steps: list[list[Says] | Objects]
) -> None:
    await world.play(steps)
