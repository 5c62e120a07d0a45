"""Keys: shown once, refused within a second of their end, never loosened."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from app.main import create_app
from app.parties import (
    Access,
    NewKey,
    NewParty,
    Scope,
    Unauthenticated,
    UnknownDatabase,
    create_key,
    create_party,
    delete_database,
    find_key,
    register_database,
    revoke_key,
)
from app.platform.clock import now
from app.platform.db import Base, Database, Unavailable
from app.platform.embedded import Embedded
from app.platform.ids import new_secret
from app.settings import Settings
from tests.conftest import NOT_DURABLE, Caller
from tests.test_parties import CHANNEL, PARTY, TIME, made, problem

if TYPE_CHECKING:
    from asyncpg.connection import LoggedQuery

    from app.platform.db import RawConnection


@asynccontextmanager
async def another_process(database: Database) -> AsyncIterator[FastAPI]:
    """Run a second app, which shares nothing with the first but the database."""
    app = create_app(database.settings)
    async with app.router.lifespan_context(app):
        yield app


async def asked(app: FastAPI, key: str) -> int:
    """Ask for the brands with a key: the status."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        headers = {"Authorization": f"Bearer {key}"}
        return (await client.get("/v1/brands", headers=headers)).status_code


async def make(registry: Database, **wanted: Any) -> tuple[UUID, str]:  # noqa: ANN401 - columns
    """Make a key that may read the parties: its id and its text."""
    async with registry.transaction() as session:
        new = NewKey("a key", ["parties:read"], **wanted)
        issued = await create_key(session, new, actor="tests", at=now())
    return issued.key.id, issued.text


@asynccontextmanager
async def key_client(
    app: FastAPI,
    database: Database,
    scope: Scope = "parties:read",
    *,
    requests_per_second: int | None = None,
    checks_per_day: int | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to the app with a key that has limits of its own."""
    async with database.transaction() as session:
        new = NewKey(
            "limited",
            [scope],
            requests_per_second=requests_per_second,
            checks_per_day=checks_per_day,
        )
        issued = await create_key(session, new, actor="tests", at=now())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"Authorization": f"Bearer {issued.text}"},
    ) as client:
        yield client


async def with_database(database: Database, slug: str) -> None:
    """Register a prospecting database and, if need be, its party."""
    async with database.transaction() as session:
        if await session.scalar(text("SELECT count(*) FROM parties WHERE slug = 'p'")) == 0:
            party = NewParty("p", "P", "department", "FR", "p@example.com", None)
            await create_party(session, party, actor="tests", at=now())
        await register_database(session, slug, name="D", party="p", actor="tests", at=now())


async def test_a_key_is_shown_when_it_is_made_and_never_again(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/channels", CHANNEL)
    wanted = {
        "name": "Dialler",
        "scopes": ["opt-outs:write", "checks", "checks"],
        "channel": "mailer",
        "expires_at": "2999-01-01T01:00:00+01:00",
        "requests_per_second": 50,
        "checks_per_day": 1000,
        "rows_per_day": 2000,
        "snapshots_per_day": 3,
    }
    with capture_logs() as logs:
        headers = {"Idempotency-Key": "1"}
        answer = await admin.post("/v1/keys", json=wanted, headers=headers)
        assert answer.status_code == 201
        body = answer.json()
        secret = body.pop("key")
        assert secret.startswith("optout_")
        assert len(secret) == len("optout_") + 43
        shown = {
            "id": body["id"],
            "name": "Dialler",
            "scopes": ["opt-outs:write", "checks"],
            "channel": "mailer",
            "database": None,
            "requests_per_second": 50,
            "checks_per_day": 1000,
            "rows_per_day": 2000,
            "snapshots_per_day": 3,
            "created_at": body["created_at"],
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "revoked_at": None,
            "last_used_at": None,
        }
        assert body == shown
        assert TIME.fullmatch(body["created_at"])
        assert answer.headers["location"] == f"/v1/keys/{body['id']}"
        replayed = await admin.post("/v1/keys", json=wanted, headers=headers)
        assert (replayed.status_code, replayed.json()) == (201, shown | {"key": None})
        read = await admin.get(answer.headers["location"])
        assert read.json() == shown
        listed = await admin.get("/v1/keys")
        assert listed.json()["items"][-1] == shown
        audit = await admin.get("/v1/audit")
    assert secret not in f"{read.text}{replayed.text}{listed.text}{audit.text}{logs}"
    async with database.reading() as session:
        for table in ("keys", "audit", "idempotency_keys"):
            kept = (await session.execute(text(f"SELECT * FROM {table}"))).all()  # noqa: S608 - three names
            assert secret not in repr(kept)
            assert secret.removeprefix("optout_").encode() not in repr(kept).encode()


async def test_a_key_just_made_does_not_show_its_text_in_a_repr(database: Database) -> None:
    async with database.transaction() as session:
        issued = await create_key(session, NewKey("k", ["checks"]), actor="tests", at=now())
    assert issued.text not in repr(issued)


async def test_a_revoked_key_is_refused_within_a_second_in_every_process(
    admin: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    async with another_process(database) as other:
        id_, key = await make(database)
        assert [await asked(app, key), await asked(other, key)] == [200, 200]
        assert (await admin.delete(f"/v1/keys/{id_}")).status_code == 204
        revoked = time.monotonic()
        # Busy all the while, so that what is known of the key is always as fresh as it gets.
        while time.monotonic() < revoked + 0.9:
            await asyncio.gather(asked(app, key), asked(other, key))
        assert [await asked(app, key), await asked(other, key)] == [401, 401]
    assert (await admin.delete(f"/v1/keys/{id_}")).status_code == 204
    again = (await admin.get(f"/v1/keys/{id_}")).json()
    assert TIME.fullmatch(again["revoked_at"])


async def test_a_key_that_rested_is_refused_at_once_after_a_second(
    app: FastAPI, database: Database
) -> None:
    id_, key = await make(database)
    assert await asked(app, key) == 200
    async with database.transaction() as session:
        await revoke_key(session, await find_key(session, id_), actor="tests", at=now())
    await asyncio.sleep(0.9)
    assert await asked(app, key) == 401


async def test_an_expired_key_is_refused_to_the_moment(app: FastAPI, database: Database) -> None:
    expires = now() + timedelta(seconds=1.5)
    _, key = await make(database, expires_at=expires)
    assert await asked(app, key) == 200
    await asyncio.sleep((expires - now()).total_seconds())
    assert await asked(app, key) == 401


async def test_a_key_that_would_have_expired_already_is_not_made(
    admin: httpx.AsyncClient,
) -> None:
    wanted = {"name": "k", "scopes": ["checks"], "expires_at": "2020-01-01T00:00:00Z"}
    answer = await admin.post("/v1/keys", json=wanted)
    assert answer.status_code == 422
    assert problem(answer) == {
        "type": "/problems/invalid-request",
        "title": "The request cannot be understood",
        "status": 422,
        "detail": "The key would have expired already.",
        "errors": [{"pointer": "/expires_at", "detail": "must lie in the future"}],
    }


@pytest.mark.parametrize("bound", ["channel", "database"])
async def test_a_key_is_bound_only_to_what_is_registered(
    admin: httpx.AsyncClient, bound: str
) -> None:
    answer = await admin.post("/v1/keys", json={"name": "k", "scopes": ["checks"], bound: "no"})
    assert answer.status_code == 422
    assert problem(answer) == {
        "type": f"/problems/unknown-{bound}",
        "title": f"There is no such {bound}",
        "status": 422,
        "detail": f"There is no {bound} 'no'.",
        "errors": [{"pointer": f"/{bound}", "detail": "is not registered"}],
    }


async def test_a_deleted_database_takes_its_keys_with_it(
    admin: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    await with_database(database, "d1")
    id_, key = await make(database, database="d1")
    _, unbound = await make(database)
    assert await asked(app, key) == 200
    async with database.transaction() as session:
        await delete_database(session, "d1", actor="tests", at=now())
    await asyncio.sleep(0.9)
    assert [await asked(app, key), await asked(app, unbound)] == [401, 200]
    shown = (await admin.get(f"/v1/keys/{id_}")).json()
    assert shown["database"] == "d1"
    assert TIME.fullmatch(shown["revoked_at"])


async def test_a_key_made_while_its_database_is_deleted_does_not_outlive_it(
    app: FastAPI, database: Database
) -> None:
    await with_database(database, "d1")
    async with database.transaction() as session:
        issued = await create_key(
            session, NewKey("k", ["parties:read"], database="d1"), actor="tests", at=now()
        )
        async with asyncio.TaskGroup() as others:

            async def delete() -> None:
                async with database.transaction() as other:
                    await delete_database(other, "d1", actor="tests", at=now())

            deleting = others.create_task(delete())
            await asyncio.sleep(0.2)
            assert not deleting.done()
            await session.commit()
    assert await asked(app, issued.text) == 401


async def test_no_key_is_made_for_a_database_that_is_being_deleted(database: Database) -> None:
    await with_database(database, "d1")
    async with database.transaction() as session, asyncio.TaskGroup() as others:
        await delete_database(session, "d1", actor="tests", at=now())

        async def create() -> None:
            with pytest.raises(UnknownDatabase):
                await make(database, database="d1")

        creating = others.create_task(create())
        await asyncio.sleep(0.2)
        assert not creating.done()
        await session.commit()


async def test_a_bound_administrator_neither_sees_nor_makes_looser_keys(
    admin: httpx.AsyncClient, caller: Caller
) -> None:
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/channels", CHANNEL)
    await made(admin, "/v1/channels", CHANNEL | {"slug": "other"})
    bound = await caller("admin", channel="mailer")
    key = {"name": "k", "scopes": ["checks"]}
    free = (await made(admin, "/v1/keys", key)).json()
    own = (await made(bound, "/v1/keys", key)).json()
    assert own["channel"] == "mailer"
    refused = await bound.post("/v1/keys", json=key | {"channel": "other"})
    assert refused.status_code == 403
    assert problem(refused)["detail"] == (
        "This key is bound to mailer and makes only keys that are."
    )
    seen = [item["id"] for item in (await bound.get("/v1/keys")).json()["items"]]
    assert own["id"] in seen
    assert free["id"] not in seen
    assert (await bound.get(f"/v1/keys/{free['id']}")).status_code == 404
    assert (await bound.delete(f"/v1/keys/{free['id']}")).status_code == 404
    assert (await bound.delete(f"/v1/keys/{own['id']}")).status_code == 204


async def test_the_last_administrator_may_go(admin: httpx.AsyncClient) -> None:
    (only,) = (await admin.get("/v1/keys")).json()["items"]
    assert (await admin.delete(f"/v1/keys/{only['id']}")).status_code == 204


async def test_the_last_use_of_a_key_is_told_to_the_minute(
    app: FastAPI, database: Database
) -> None:
    id_, key = await make(database)
    before = now().replace(second=0, microsecond=0)
    assert await asked(app, key) == 200
    await app.state.access.flush()
    async with database.reading() as session:
        used = (await find_key(session, id_)).last_used_at
    assert used is not None
    assert before <= used <= now()
    assert (used.second, used.microsecond) == (0, 0)


class Counting(Database):
    """A database that keeps what its bare connections were asked."""

    queries: list[str] = []  # noqa: RUF012 - one test, one list

    async def connect(self, name: str) -> "RawConnection":
        """Open a connection that counts."""
        connection = await super().connect(name)
        connection.add_query_logger(self._keep)
        return connection

    def _keep(self, logged: "LoggedQuery") -> None:
        if "FROM keys" in logged.query:
            self.queries.append(logged.query)


async def test_callers_who_meet_are_looked_up_in_one_query(database: Database) -> None:
    counting = Counting.open(database.url, database.settings)
    counting.queries.clear()
    access = Access(counting)
    _, key = await make(database)
    await access.authenticate(key)
    assert len(counting.queries) == 1
    await asyncio.gather(*(access.authenticate(key) for _ in range(500)))
    assert len(counting.queries) == 1

    async def refused() -> None:
        with pytest.raises(Unauthenticated):
            await access.authenticate(f"optout_{new_secret()}")

    await asyncio.gather(*(refused() for _ in range(500)))
    assert len(counting.queries) <= 3
    with pytest.raises(Unauthenticated):
        await access.authenticate("optout_too-short")
    assert len(counting.queries) <= 3
    await access.stop()
    await counting.close()


async def test_made_up_keys_are_forgotten(database: Database) -> None:
    access = Access(database)
    for _ in range(3):
        for _ in range(100):
            with pytest.raises(Unauthenticated):
                await access.authenticate(f"optout_{new_secret()}")
        await asyncio.sleep(0.9)
    with pytest.raises(Unauthenticated):
        await access.authenticate(f"optout_{new_secret()}")
    assert len(access._seen) == 1  # noqa: SLF001 - memory has no other witness
    await access.stop()


async def test_without_postgresql_nobody_is_let_in_and_soon_after_it_is_back_everybody_is(
    tmp_path: Path, binaries: Path
) -> None:
    server = Embedded(tmp_path, binaries=binaries, settings=NOT_DURABLE)
    with server:
        database = Database.open(server.url(), Settings())
        async with database.write_engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        _, key = await make(database)
        access = Access(database)
        assert (await access.authenticate(key)).name == "a key"
    await asyncio.sleep(0.9)
    with pytest.raises(Unavailable):
        await access.authenticate(key)
    with server:
        assert (await access.authenticate(key)).name == "a key"
        await access.stop()
        await database.close()
