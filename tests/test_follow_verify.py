"""``optout follow --verify``: whatever became of a list behind its back is found and mended."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from sqlalchemy.engine import make_url

from app.cli import remote
from app.cli.follow import verifier
from app.cli.follow.csv_file import CsvFile
from app.cli.follow.ending import Ending
from app.cli.follow.engines import Postgresql, Sqlite
from app.cli.follow.follower import Follower
from app.cli.follow.rows import checksum
from app.cli.follow.store import Store
from app.cli.follow.verifier import Verifier
from app.identifiers import Identifier
from app.journal import Kind, Media
from app.main import create_app
from app.platform.db import Database
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.receivers import register
from tests.servers import listening

T = TypeVar("T")
CLEAN = {"missing": 0, "different": 0, "unlisted": 0, "held": 0, "snapshots": 0}
DIGEST, SNAPSHOT = "/v1/journal/digest", "/v1/snapshot"
PEOPLE = 2_500
"""Three parts of the journal."""


@pytest.fixture
async def url(database: Database) -> AsyncIterator[str]:
    async with listening(create_app(database.settings)) as url:
        yield url


@dataclass
class Copy:
    """A list, and a follower that brings it up to date in a thread of its own."""

    url: str
    key: str
    opened: Callable[[], Store]
    asked: Counter[str] = field(default_factory=Counter)

    async def catch_up(self) -> None:
        """Follow until there is nothing more."""
        await asyncio.to_thread(self._with, lambda follower, _: follower.catch_up())

    async def verify(self) -> dict[str, int]:
        """Verify: what was found; ``asked`` counts the requests by their paths."""
        self.asked.clear()
        found = await asyncio.to_thread(self._with, lambda _, verifier: verifier.verify())
        return asdict(found)

    async def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Do something to the table behind its back: the rows of the last statement."""
        return await asyncio.to_thread(self._run, statements)

    async def rows(self) -> set[tuple[Any, ...]]:
        """Read who is blocked, from the file itself where it is one for diallers."""

        def read() -> set[tuple[Any, ...]]:
            with closing(self.opened()) as store:
                return {row[:6] for page in store.pages() for row in page}

        return await asyncio.to_thread(read)

    def _with(self, do: Callable[[Follower, Verifier], T]) -> T:
        def count(request: httpx.Request) -> None:
            self.asked[request.url.path] += 1

        with (
            httpx.Client(
                base_url=self.url,
                headers={"Authorization": self.key},
                timeout=30,
                event_hooks={"request": [count]},
            ) as client,
            closing(self.opened()) as store,
        ):
            registry = remote.Registry(client)
            follower = Follower(registry, store, Ending())
            return do(follower, Verifier(registry, store, follower))

    def _run(self, statements: Iterable[str]) -> list[tuple[Any, ...]]:
        with closing(self.opened()) as store:
            engine = store._engine  # noqa: SLF001 - what no caller may do, and somebody does
            with engine.transaction():
                return [engine.run(statement) for statement in statements][-1]


Copies = Callable[..., Awaitable[Copy]]


@pytest.fixture
def copy_of(
    url: str, admin: httpx.AsyncClient, caller: Caller, tmp_path: Path, empty_url: str
) -> Copies:
    """Register a database that pulls, and make an empty list for it."""

    async def make(slug: str = "crm", *, kept: str = "sqlite", **given: Any) -> Copy:  # noqa: ANN401 - JSON
        await register(admin, slug=slug, **given)
        key = (await caller("journal:read", bound_to=slug)).headers["Authorization"]
        there = make_url(empty_url).set(drivername="postgresql")
        openers: dict[str, Callable[[], Store]] = {
            "sqlite": lambda: Store(Sqlite(tmp_path / slug)),
            "postgresql": lambda: Store(Postgresql(there.render_as_string(hide_password=False))),
            "csv": CsvFile(tmp_path / slug).open,
        }
        return Copy(url, key, openers[kept])

    return make


@pytest.fixture
async def crowd(registry: Registry) -> None:
    """Let many people object, 500 at once."""
    for first in range(0, PEOPLE, 500):
        await registry.object(*map(phone, range(first, first + 500)))


def where(number: int) -> str:
    """Write the condition that is one person."""
    return f"value = '{phone(number).value}'"


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("kept", ["sqlite", "postgresql", "csv"])
async def test_whatever_was_done_to_a_list_is_found_and_mended(
    copy_of: Copies, registry: Registry, kept: str
) -> None:
    copy = await copy_of(kept=kept)
    await copy.catch_up()
    await copy.run(
        f"CREATE TABLE backup AS SELECT * FROM suppressions WHERE {where(7)} OR {where(8)}"  # noqa: S608 - numbers
    )
    await registry.reinstate(phone(7))
    await registry.object(phone(8), media=Media.SMS)
    await copy.catch_up()
    right = await copy.rows()
    assert await copy.verify() == CLEAN

    await copy.run(
        # Restored from a backup: one who agreed since, and one who objected to more.
        f"DELETE FROM suppressions WHERE {where(7)} OR {where(8)}",  # noqa: S608 - numbers
        "INSERT INTO suppressions SELECT * FROM backup",
        f"DELETE FROM suppressions WHERE {where(1)} OR {where(1200)} OR {where(2499)}",  # noqa: S608 - numbers
        f"UPDATE suppressions SET media = '' WHERE {where(2)}",  # noqa: S608 - numbers
        f"UPDATE suppressions SET media = 'sms' WHERE {where(3)}",  # noqa: S608 - numbers
        f"UPDATE suppressions SET version = 99 WHERE {where(4)}",  # noqa: S608 - numbers
        f"UPDATE suppressions SET value = '+33639989999' WHERE {where(5)}",  # noqa: S608 - numbers
        f"UPDATE suppressions SET brand = 'no-such' WHERE {where(6)}",  # noqa: S608 - numbers
        "INSERT INTO suppressions"
        " (kind, format, value, brand, media, version, position, since, erased)"
        " VALUES ('phone', 'plain', 'nobody', '', 'voice', 1, 1, '2026-01-01T00:00Z', false)",
    )
    assert await copy.verify() == {
        "missing": 3 + 1 + 2,  # deleted; emptied; under another number, under another brand
        "different": 3,  # sms, 99, and the older state from the backup
        "unlisted": 4,  # who agreed, the other number, the other brand, nobody
        "held": 0,
        "snapshots": 0,
    }
    assert await copy.rows() == right
    assert await copy.verify() == CLEAN
    assert copy.asked[DIGEST] == 1


@pytest.mark.usefixtures("crowd")
async def test_verifying_costs_one_request_and_few_more_for_each_part_that_differs(
    copy_of: Copies,
) -> None:
    copy = await copy_of()
    await copy.catch_up()
    assert await copy.verify() == CLEAN
    assert copy.asked == {DIGEST: 1, "/v1/journal": 2, "/v1/acknowledgements": 1}

    right = await copy.rows()
    await copy.run(f"DELETE FROM suppressions WHERE {where(1)}")  # noqa: S608 - numbers
    await copy.run("DELETE FROM suppressions WHERE position BETWEEN 1900 AND 1999")
    assert (await copy.verify())["missing"] == 101
    assert await copy.rows() == right
    # The parts once more as they are mended; all of them again, to see that it helped.
    assert copy.asked[DIGEST] == 1 + 2 + 1
    assert copy.asked["/v1/journal"] <= 2 * (1 + 2 + 1)
    assert SNAPSHOT not in copy.asked


@pytest.mark.usefixtures("crowd")
async def test_a_row_that_pretends_to_be_newer_and_whole_hides_nobody(copy_of: Copies) -> None:
    copy = await copy_of()
    await copy.catch_up()
    right = await copy.rows()
    forged = ("phone", "plain", phone(4).value, "", "voice", 99, 2300)
    await copy.run(
        "UPDATE suppressions SET media = 'voice', version = 99, position = 2300,"  # noqa: S608 - numbers
        f" checksum = '{checksum(*forged)}' WHERE {where(4)}"
    )
    assert await copy.verify() == {**CLEAN, "different": 1}
    assert await copy.rows() == right


@pytest.mark.usefixtures("crowd")
async def test_where_too_much_differs_a_snapshot_mends_it(
    copy_of: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "_MOST_PARTS", 2)
    copy = await copy_of()
    await copy.catch_up()
    right = await copy.rows()
    await copy.run("DELETE FROM suppressions WHERE position % 3 = 0")
    found = await copy.verify()
    assert found == {**CLEAN, "missing": PEOPLE // 3, "snapshots": 1}
    assert (copy.asked[DIGEST], copy.asked[SNAPSHOT]) == (1, 1)
    assert await copy.rows() == right


async def test_a_database_of_few_things_finds_nothing_but_what_it_lost_of_these(
    copy_of: Copies, registry: Registry, admin: httpx.AsyncClient
) -> None:
    await admin.post("/v1/brands", json={"slug": "kraut", "name": "Kraut"})
    await admin.post("/v1/brands", json={"slug": "beet", "name": "Beet"})
    for number in range(12):
        await registry.object(phone(number), media=Media.VOICE, brand=number % 3)
        await registry.object(phone(number + 5), media=Media.SMS | Media.POST, brand=number % 3)
        await registry.object(Identifier(Kind.EMAIL, f"{number}@example.com"), brand=1)
    copy = await copy_of(
        media=["sms"],
        kinds=["phone"],
        brands=["kraut"],
        delivery={"identifier_format": "hmac-sha256"},
    )
    await copy.catch_up()
    await registry.object(phone(30), brand=1)
    await registry.reinstate(phone(12), brand=1)
    await registry.object(phone(12), media=Media.VOICE, brand=1)
    assert await copy.verify() == CLEAN
    assert copy.asked[DIGEST] == 1

    right = await copy.rows()
    assert {row[3] for row in right} == {"sms"}
    await copy.run("DELETE FROM suppressions WHERE position % 2 = 0")
    found = await copy.verify()
    assert found == {**CLEAN, "missing": found["missing"]}
    assert 0 < found["missing"] < len(right)
    assert await copy.rows() == right


async def test_it_is_right_while_entries_go_on_coming(copy_of: Copies, registry: Registry) -> None:
    await registry.object(*map(phone, range(400)))
    copy = await copy_of()
    await copy.catch_up()
    writing = True

    async def write() -> None:
        number = 0
        while writing:
            number += 1
            await registry.object(phone(number % 400), media=Media(1 + number % 31))
            await registry.reinstate(phone((number + 200) % 400))

    writer = asyncio.create_task(write())
    try:
        for _ in range(3):
            # Nobody else writes about these, so that whatever is found of them was done here.
            await registry.object(phone(1000), phone(1001))
            await copy.catch_up()
            await copy.run(
                f"DELETE FROM suppressions WHERE {where(1000)}",  # noqa: S608 - numbers
                f"UPDATE suppressions SET media = 'post' WHERE {where(1001)}",  # noqa: S608 - numbers
            )
            found = await copy.verify()
            assert found == {**CLEAN, "missing": 1, "different": 1}
    finally:
        writing = False
        await writer
    await copy.catch_up()
    fresh = await copy_of("fresh")
    await fresh.catch_up()
    assert await copy.rows() == await fresh.rows()
    assert await copy.verify() == CLEAN


async def test_who_was_erased_stays_blocked_and_is_no_difference_for_those_who_never_knew(
    copy_of: Copies, registry: Registry
) -> None:
    await registry.object(*map(phone, range(5)))
    old = await copy_of("old")
    await old.catch_up()
    erasure = await registry.erase(phone(1))
    await old.catch_up()
    await registry.destroy(erasure)
    before = await old.rows()
    assert len(before) == 5
    assert await old.verify() == {**CLEAN, "held": 1}
    assert old.asked[DIGEST] == 1
    assert await old.rows() == before

    new = await copy_of("new")
    await new.catch_up()
    assert len(await new.rows()) == 4
    assert await new.verify() == CLEAN
    assert new.asked[DIGEST] == 1
    for copy in (old, new):
        await copy.run(f"DELETE FROM suppressions WHERE {where(2)}")  # noqa: S608 - numbers
        assert (await copy.verify())["missing"] == 1
        assert len(await copy.rows()) == (5 if copy is old else 4)


async def test_who_is_still_to_be_erased_can_be_told_again(
    copy_of: Copies, registry: Registry
) -> None:
    await registry.object(*map(phone, range(3)))
    copy = await copy_of()
    await copy.catch_up()
    await registry.erase(phone(1))
    await copy.catch_up()
    right = await copy.rows()
    await copy.run(f"DELETE FROM suppressions WHERE {where(1)}")  # noqa: S608 - numbers
    assert await copy.verify() == {**CLEAN, "missing": 1}
    assert await copy.rows() == right
    ((erased,),) = await copy.run(f"SELECT erased FROM suppressions WHERE {where(1)}")  # noqa: S608 - numbers
    assert erased


async def test_nobody_is_removed_who_may_have_been_erased_while_the_list_was_away(
    copy_of: Copies, registry: Registry
) -> None:
    await registry.object(*map(phone, range(3)))
    copy = await copy_of()
    await copy.catch_up()
    # For so long that the registry waited no more: nobody can tell this list whom it is about.
    await registry.destroy(await registry.erase(phone(1)))
    assert await copy.verify() == {**CLEAN, "held": 1}
    assert {row[1] for row in await copy.rows()} == {phone(number).value for number in range(3)}
    assert await copy.verify() == {**CLEAN, "held": 1}
