"""The digest of the journal: what a receiver compares its copy with, and never who is in it."""

import hashlib
import random
import re
from collections.abc import Iterable
from functools import reduce
from operator import xor
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import URL

from app.delivery import digests
from app.identifiers import Identifier
from app.journal import Kind, Media
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.receivers import register
from tests.restores import backed_up
from tests.test_feed import read
from tests.test_openapi import OPERATIONS
from tests.test_parties import problem
from tests.test_snapshot import lines

PATH = "/v1/journal/digest"
EMPTY = {"count": 0, "digest": "0" * 64}
States = Iterable[tuple[int, int]]
"""Positions and versions."""


async def ask(puller: httpx.AsyncClient, **query: Any) -> dict[str, Any]:  # noqa: ANN401 - a query
    """Ask for digests; ``first`` goes as ``from``."""
    if "first" in query:
        query["from"] = query.pop("first")
    answer = await puller.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refused(puller: httpx.AsyncClient, **query: Any) -> dict[str, Any]:  # noqa: ANN401 - a query
    """Ask for digests and be refused."""
    return problem(await puller.get(PATH, params=query))


def digest_of(states: States) -> dict[str, Any]:
    """Compute a digest as the reference tells a receiver to."""
    hashes = [hashlib.sha256(f"{at}:{version}".encode()).digest() for at, version in states]
    joined = reduce(xor, (int.from_bytes(one) for one in hashes), 0)
    return {"count": len(hashes), "digest": f"{joined:064x}"}


def by_parts(states: States, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compute the digests of parts with these bounds."""
    states = [*states]
    return [
        digest_of(one for one in states if part["from"] <= one[0] <= part["to"]) for part in parts
    ]


def shown(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the bounds."""
    return [{name: part[name] for name in ("count", "digest")} for part in parts]


def latest(feed: dict[str, Any]) -> set[tuple[int, int]]:
    """Keep the highest version of each contact point and brand that a feed brought."""
    states: dict[tuple[str, str | None], tuple[int, int]] = {}
    for entry in feed["entries"]:
        key = entry["identifier"]["value"], entry["brand"]
        states[key] = (entry["position"], entry["version"])
    return {*states.values()}


async def live(registry: Registry, acts: int, *, seed: int = 1) -> None:
    """Let some people object, agree again and object anew, in brands and media as it comes."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    for _ in range(acts):
        person = chance.choice([phone(chance.randrange(9)), Identifier(Kind.EMAIL, "a@b.example")])
        if chance.random() < 0.3:
            await registry.reinstate(person)
        else:
            media = chance.choice([Media.VOICE, Media.SMS | Media.EMAIL, Media(31)])
            await registry.object(person, media=media)


def test_the_reference_holds_a_known_answer() -> None:
    described = OPERATIONS[f"GET {PATH}"]["description"]
    assert digest_of([(1, 1), (3, 2)])["digest"] in described
    states = re.search(r"states `(\d+):(\d+)` and `(\d+):(\d+)` give count 2", described)
    assert states is not None
    assert [int(number) for number in states.groups()] == [1, 1, 3, 2]


async def test_an_answer_names_the_journal_its_head_and_the_bounds_of_its_parts(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    await registry.object(phone(2))
    await registry.object(phone(1), media=Media.SMS)
    answer = await ask(puller, parts=2)
    async with registry.database.reading() as session:
        journal = str(await session.scalar(text("SELECT journal_id FROM journal_head")))
    assert answer == {
        "journal": journal,
        "head": 3,
        "of": "all",
        "cursor": answer["cursor"],
        "parts": [
            {"from": 1, "to": 1, **EMPTY, "erased": None},
            {"from": 2, "to": 3, **digest_of([(2, 1), (3, 2)]), "erased": None},
        ],
    }
    assert (await read(puller, cursor=answer["cursor"]))["entries"][0]["position"] == 1


async def test_it_is_what_a_reader_of_the_whole_feed_computes_for_every_filter_and_format(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, caller: Caller, registry: Registry
) -> None:
    await live(registry, 60)
    feed = await read(puller)
    await register(
        admin,
        slug="other",
        media=["sms"],
        kinds=["email"],
        delivery={"identifier_format": "hmac-sha256"},
    )
    other = await caller("journal:read", bound_to="other")
    for parts in (1, 7, 1000):
        answer = await ask(puller, parts=parts)
        assert shown(answer["parts"]) == by_parts(latest(feed), answer["parts"])
        foreign = await ask(other, parts=parts)
        assert foreign["parts"] == answer["parts"]
    assert len(answer["parts"]) == feed["head"], "a part is empty, or there are too many"


async def test_parts_follow_on_each_other_and_differ_by_one_position_at_most(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    await live(registry, 30)
    parts = (await ask(puller, first=4, to=26, parts=9))["parts"]
    covered = [at for part in parts for at in range(part["from"], part["to"] + 1)]
    assert covered == [*range(4, 27)]
    assert {part["to"] - part["from"] + 1 for part in parts} == {2, 3}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"media": ["voice"]},
        {"media": ["sms", "email"], "kinds": ["phone"]},
        {"brands": ["kraut"]},
        {"delivery": {"identifier_format": "hmac-sha256"}},
    ],
)
async def test_one_s_own_is_what_one_s_snapshot_lists(
    admin: httpx.AsyncClient, caller: Caller, registry: Registry, given: dict[str, Any]
) -> None:
    await admin.post("/v1/brands", json={"slug": "kraut", "name": "Kraut"})
    await admin.post("/v1/brands", json={"slug": "beet", "name": "Beet"})
    await live(registry, 40)
    await registry.object(phone(20), brand=1)
    await registry.object(phone(21), brand=2)
    await register(admin, **given)
    puller = await caller("journal:read", bound_to="crm")
    snapshot = lines(await puller.get("/v1/snapshot"))
    listed = [(line["position"], line["version"]) for line in snapshot]
    answer = await ask(puller, of="own", parts=5)
    assert answer["of"] == "own"
    assert shown(answer["parts"]) == by_parts(listed, answer["parts"])
    assert all(part["erased"] == EMPTY for part in answer["parts"])


async def test_erasing_changes_nothing_but_on_which_side_of_one_s_own_a_state_stands(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    for number in range(4):
        await registry.object(phone(number))
    await registry.erase(phone(1))

    async def told() -> list[Any]:
        return [(await ask(puller, of=of, parts=2))["parts"] for of in ("all", "own")]

    everything, own = await told()
    assert own[1] == {"from": 3, "to": 5, **digest_of([(3, 1), (4, 1), (5, 2)]), "erased": EMPTY}
    async with registry.database.transaction() as session:
        await session.execute(text("UPDATE contact_points SET sealed = NULL WHERE id = 2"))
    after, apart = await told()
    assert after == everything
    assert apart[1] == {
        **own[1],
        **digest_of([(3, 1), (4, 1)]),
        "erased": digest_of([(5, 2)]),
    }


async def test_a_long_range_is_read_in_slices_that_lose_nothing(
    puller: httpx.AsyncClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live(registry, 60)
    whole = await ask(puller, first=2, parts=11)
    monkeypatch.setattr(digests, "_SLICE", 7)
    assert await ask(puller, first=2, parts=11) == whole


async def test_an_empty_range_has_no_parts(puller: httpx.AsyncClient, registry: Registry) -> None:
    assert (await ask(puller, parts=3))["parts"] == []
    await live(registry, 3)
    head = (await ask(puller))["head"]
    assert (await ask(puller, first=head + 1, parts=3))["parts"] == []


async def test_a_range_that_cannot_be_is_refused_by_name(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    await live(registry, 5)
    head = (await ask(puller))["head"]
    beyond = await refused(puller, to=head + 1)
    assert beyond == {
        "type": "/problems/beyond-the-journal",
        "title": "The journal does not reach that position",
        "status": 409,
        "detail": f"The journal's last position is {head}.",
        "head": head,
        "snapshot": "/v1/snapshot",
    }
    assert await refused(puller, **{"from": head + 2}) == beyond
    backwards = await refused(puller, **{"from": 3, "to": 1})
    assert backwards["errors"] == [{"pointer": "/query/to", "detail": "lies before `from`"}]
    for query in ({"parts": 1001}, {"parts": 0}, {"from": 0}, {"of": "mine"}, {"to": 2**63}):
        assert (await refused(puller, **query))["status"] == 422, query


async def test_a_range_that_takes_too_long_is_refused(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    async with registry.database.transaction() as session:
        await session.execute(text("UPDATE journal_head SET position = 2000001"))
    assert len((await ask(puller, first=2, parts=3))["parts"]) == 3
    refusal = await refused(puller, parts=3)
    assert (refusal["status"], refusal["errors"][0]["pointer"]) == (422, "/query/to")


async def test_a_fork_is_told_to_whoever_names_a_cursor(
    app: FastAPI, puller: httpx.AsyncClient, registry: Registry, postgres: URL
) -> None:
    await registry.object(phone(1))
    async with backed_up(postgres, registry.database, app.state.database) as restore:
        await registry.object(phone(2))
        cursor = (await read(puller))["next_cursor"]
        assert (await ask(puller, cursor=cursor))["head"] == 2
        await restore()
        await registry.object(phone(3))
        forked = await refused(puller, cursor=cursor)
    assert (forked["type"], forked["status"]) == ("/problems/journal-forked", 410)
    assert forked["snapshot"] == "/v1/snapshot"


async def test_a_cursor_of_another_registration_is_told_so(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    cursor = (await read(puller))["next_cursor"]
    await admin.patch("/v1/databases/crm", json={"media": ["voice"]})
    assert (await refused(puller, cursor=cursor))["type"] == "/problems/cursor-expired"
    assert (await refused(puller, cursor="AAAA"))["type"] == "/problems/bad-cursor"
