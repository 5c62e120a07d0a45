"""``Idempotency-Key``: what is sent again is done once, over real transactions."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Header
from sqlalchemy import text as sql

from app.platform.clock import now
from app.platform.db import Database, Session
from app.platform.idempotency import Once, forget_old
from app.platform.refusals import InvalidRequest
from app.platform.web import Api, router
from app.platform.wire import Answer, WireModel, text
from tests.cups import NUMBER, SMALL, shown

doors = router("/v1/doors", "doors")


class NewDoor(WireModel):
    """What is sent."""

    name: Annotated[str, text(40)]
    wait_seconds: float = 0
    color: str | None = None


class Door(Answer):
    """What is answered, with a secret."""

    number: int
    name: str
    key: str | None


@doors.post("", status_code=201)
async def build(
    new: NewDoor, session: Session, once: Once, caller: Annotated[int, Header()] = 1
) -> Door:
    """Build a door and hand out its key."""
    await once.replay(by=caller)
    await asyncio.sleep(new.wait_seconds)
    if new.name == "crooked":
        raise InvalidRequest("It would not close.")
    number = await session.scalar(
        sql("INSERT INTO doors (name) VALUES (:name) RETURNING number"), {"name": new.name}
    )
    door = Door(number=int(number), name=new.name, key="secret")
    return await once.remember(door, location=f"/v1/doors/{number}", without=("key",))


@doors.post("/others", status_code=201)
async def build_another(new: NewDoor, session: Session, once: Once) -> Door:
    """Build a door elsewhere."""
    return await build(new, session, once, 1)


@doors.post("/paint")
async def paint(once: Once) -> Door:
    """Take no body."""
    await once.replay(by=1)
    return await once.remember(Door(number=1, name="painted", key=None), status=200)


@pytest.fixture
async def web(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to an app that counts its doors."""
    async with database.transaction() as session:
        await session.execute(
            sql("CREATE TABLE doors (number int GENERATED ALWAYS AS IDENTITY, name text)")
        )
    api = Api(SMALL, routers=[doors])
    api.state.database = database
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://test"
    ) as client:
        yield client


async def count(database: Database, table: str = "doors") -> int:
    """Count the rows of a table."""
    async with database.reading() as session:
        return int(await session.scalar(sql(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608 - a constant


KEY = {"Idempotency-Key": "order 66"}
OAK = {"name": "oak", "color": None}


async def test_the_same_request_again_is_answered_the_same_and_does_nothing(
    web: httpx.AsyncClient, database: Database
) -> None:
    first = await web.post("/v1/doors", json=OAK, headers=KEY)
    assert first.status_code == 201
    assert first.json() == {"number": 1, "name": "oak", "key": "secret"}
    assert first.headers["location"] == "/v1/doors/1"
    assert "idempotent-replayed" not in first.headers

    # Canonical JSON: order and white space do not make another body.
    again = await web.post(
        "/v1/doors",
        content=b'{ "color" : null,\n "name": "\\u006fak" }',
        headers=KEY | {"Content-Type": "application/json"},
    )
    assert again.status_code == 201
    assert again.json() == {"number": 1, "name": "oak", "key": None}
    assert again.headers["location"] == "/v1/doors/1"
    assert again.headers["idempotent-replayed"] == "true"
    assert await count(database) == 1


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"{}", 200), (b"{", 422)])
async def test_what_takes_no_body_refuses_one_that_cannot_be_read(
    web: httpx.AsyncClient, body: bytes, status: int
) -> None:
    answer = await web.post("/v1/doors/paint", content=body, headers=KEY)
    assert answer.status_code == status


async def test_without_the_header_each_request_counts_and_nothing_is_kept(
    web: httpx.AsyncClient, database: Database
) -> None:
    for number in (1, 2):
        answer = await web.post("/v1/doors", json=OAK)
        assert answer.headers["location"] == f"/v1/doors/{number}"
    assert await count(database, "idempotency_keys") == 0


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/doors", OAK | {"name": "elm"}), ("/v1/doors/others", OAK)]
)
async def test_another_request_with_the_key_is_refused(
    web: httpx.AsyncClient, database: Database, path: str, body: dict[str, str]
) -> None:
    await web.post("/v1/doors", json=OAK, headers=KEY)
    answer = await web.post(path, json=body, headers=KEY)
    assert answer.status_code == 422
    assert shown(answer) == {
        "type": "/problems/idempotency-key-reused",
        "title": "The idempotency key belongs to another request",
        "detail": "Another request was sent with this key; use a new one.",
    }
    assert await count(database) == 1


async def test_callers_do_not_share_keys(web: httpx.AsyncClient, database: Database) -> None:
    for caller in ("1", "2"):
        answer = await web.post("/v1/doors", json=OAK, headers=KEY | {"Caller": caller})
        assert "idempotent-replayed" not in answer.headers
    assert await count(database) == 2


async def test_of_two_at_once_one_works_and_one_is_told_to_wait(
    web: httpx.AsyncClient, database: Database
) -> None:
    slow = OAK | {"wait_seconds": 0.3}
    answers = await asyncio.gather(
        *(web.post("/v1/doors", json=slow, headers=KEY) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    busy = next(answer for answer in answers if answer.status_code == 409)
    assert shown(busy)["type"] == "/problems/idempotency-key-busy"
    assert busy.headers["retry-after"] == "1"
    assert await count(database) == 1
    assert (await web.post("/v1/doors", json=slow, headers=KEY)).status_code == 201
    assert await count(database) == 1


async def test_a_refusal_is_not_remembered(web: httpx.AsyncClient, database: Database) -> None:
    refused = await web.post("/v1/doors", json={"name": "crooked"}, headers=KEY)
    assert refused.status_code == 422
    answer = await web.post("/v1/doors", json=OAK, headers=KEY)
    assert answer.status_code == 201
    assert await count(database) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
async def test_a_key_that_is_not_1_to_255_printable_characters_is_422(
    web: httpx.AsyncClient, key: str
) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = await web.post("/v1/doors", json=OAK, headers=headers)
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in shown(answer)["errors"]]
    assert pointers == ["/header/Idempotency-Key"]


async def test_after_seven_days_the_key_is_free_again(
    web: httpx.AsyncClient, database: Database
) -> None:
    await web.post("/v1/doors", json=OAK, headers=KEY)
    async with database.transaction() as session:
        await session.execute(
            sql("UPDATE idempotency_keys SET created_at = created_at - interval '7 days'")
        )
    answer = await web.post("/v1/doors", json={"name": "elm"}, headers=KEY)
    assert answer.json()["number"] == 2
    again = await web.post("/v1/doors", json={"name": "elm"}, headers=KEY)
    assert again.headers["idempotent-replayed"] == "true"


async def test_old_answers_are_forgotten_in_chunks_and_young_ones_kept(
    web: httpx.AsyncClient, database: Database
) -> None:
    for number in range(5):
        headers = {"Idempotency-Key": str(number)}
        await web.post("/v1/doors", json={"name": str(number)}, headers=headers)
    in_a_week = now() + timedelta(days=7)
    async with database.transaction() as session:
        assert await forget_old(session, at=now()) == 0
        assert await forget_old(session, at=in_a_week, chunk=3) == 3
        assert await forget_old(session, at=in_a_week, chunk=3) == 2
    assert await count(database, "idempotency_keys") == 0


async def test_what_was_sent_stands_nowhere_in_what_is_kept(
    web: httpx.AsyncClient, database: Database
) -> None:
    body = OAK | {"color": NUMBER}
    await web.post("/v1/doors", json=body, headers={"Idempotency-Key": f"key {NUMBER}"})
    async with database.reading() as session:
        kept = str((await session.execute(sql("SELECT * FROM idempotency_keys"))).one())
    assert "secret" not in kept
    assert NUMBER not in kept
