"""Bulk reads in the audit: who, when, how much, what for; one line before the first answer."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.parties import Reads
from app.parties import reads as module
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from tests.conftest import Caller
from tests.test_parties import acts, problem
from tests.test_quotas import LIMITED

BATCH = {"medium": "voice", "items": [{"phone": f"01 99 00 00 0{n}"} for n in range(3)]}


async def reading(admin: httpx.AsyncClient, **query: str) -> list[tuple[str, dict[str, Any]]]:
    """Read the audit of what was read: subjects and details, the latest first."""
    told = await acts(admin, action="checks.read", **query)
    return [(act["subject"], act["detail"]) for act in told]


async def test_a_batch_stands_in_the_audit_before_it_is_answered_with_its_purpose(
    admin: httpx.AsyncClient, caller: Caller
) -> None:
    client = await caller("checks")
    purpose = {b"Optout-Purpose": "campagne d'été".encode()}
    assert (await client.post("/v1/checks/batch", json=BATCH, headers=purpose)).status_code == 200
    (told,) = await acts(admin, action="checks.read")
    assert told.pop("actor").startswith("key:")
    assert told.pop("actor_name").startswith("test ")
    assert told == {
        "action": "checks.read",
        "subject": "medium:voice",
        "detail": {"requests": 1, "rows": 3, "purpose": "campagne d'été"},
    }


async def test_the_batches_of_a_minute_are_added_up_in_one_line(
    admin: httpx.AsyncClient,
    app: FastAPI,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = await caller("checks")
    reads = app.state.access.reads
    first = ("medium:voice", {"requests": 1, "rows": 3})
    for _ in range(5):
        assert (await client.post("/v1/checks/batch", json=BATCH)).status_code == 200
    await reads.flush()
    assert await reading(admin) == [first]
    monkeypatch.setattr(module, "MERGED_SECONDS", 0.0)
    await reads.flush()
    (subject, detail), then = await reading(admin)
    assert detail.pop("since").endswith("Z")
    assert (subject, detail) == ("medium:voice", {"requests": 4, "rows": 12})
    assert then == first
    await reads.flush()
    assert len(await reading(admin)) == 2, "nothing is written twice"


async def test_purposes_media_and_keys_are_kept_apart(
    admin: httpx.AsyncClient, caller: Caller
) -> None:
    one, other = await caller("checks"), await caller("checks")
    email = {"medium": "email", "items": [{"email": "a@example.com"}]}
    for client, body, purpose in (
        (one, BATCH, "spring"),
        (one, BATCH, "autumn"),
        (one, email, "spring"),
        (other, BATCH, "spring"),
    ):
        await client.post("/v1/checks/batch", json=body, headers={"Optout-Purpose": purpose})
    assert [(subject, detail["purpose"]) for subject, detail in await reading(admin)] == [
        ("medium:voice", "spring"),
        ("medium:email", "spring"),
        ("medium:voice", "autumn"),
        ("medium:voice", "spring"),
    ]


@pytest.mark.parametrize("purpose", [b"x" * 201, b"a\tb", b"\x7f", b"\x1b[31m"])
async def test_a_purpose_that_is_no_line_of_text_is_422(caller: Caller, purpose: bytes) -> None:
    client = await caller("checks")
    headers = {b"Optout-Purpose": purpose}
    refused = await client.post("/v1/checks/batch", json=BATCH, headers=headers)
    assert refused.status_code == 422
    (fault,) = problem(refused)["errors"]
    assert fault["pointer"] == "/header/Optout-Purpose"


async def test_a_purpose_of_strange_bytes_or_of_none_is_kept_or_left_out(
    admin: httpx.AsyncClient, caller: Caller
) -> None:
    client = await caller("checks")
    for purpose in (b"", b"\xe9t\xe9", "٣ 🥬".encode()):
        headers = {b"Optout-Purpose": purpose}
        answer = await client.post("/v1/checks/batch", json=BATCH, headers=headers)
        assert answer.status_code == 200
    told = [detail.get("purpose") for _, detail in await reading(admin)]
    assert told == ["٣ 🥬", "été", None]


async def test_nobody_is_answered_whose_read_cannot_be_written_down(
    caller: Caller, database: Database
) -> None:
    client = await caller("checks")
    async with database.transaction() as session:
        await session.execute(text("SET LOCAL lock_timeout = '1s'"))
        await session.execute(text("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE"))
        answer = await client.post("/v1/checks/batch", json=BATCH)
    assert answer.status_code == 503
    assert (await client.post("/v1/checks/batch", json=BATCH)).status_code == 200


async def test_what_could_not_be_written_is_written_with_the_next(database: Database) -> None:
    reads = Reads(database)
    for _ in range(3):
        await reads.note(LIMITED, "checks.read", "medium:voice", rows=2, purpose=None, at=now())
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE audit RENAME TO away"))
    with pytest.raises((DBAPIError, Unavailable)):
        await reads.flush(ending=True)
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE away RENAME TO audit"))
    await reads.note(LIMITED, "checks.read", "medium:voice", rows=2, purpose=None, at=now())
    await reads.flush(ending=True)
    async with database.reading() as session:
        rows = await session.scalars(text("SELECT CAST(detail->'rows' AS int) FROM audit"))
        assert sorted(rows) == [2, 6]


async def test_a_process_that_ends_writes_down_what_it_has_added_up(
    app: FastAPI, database: Database, caller: Caller
) -> None:
    client = await caller("checks")
    await asyncio.gather(*(client.post("/v1/checks/batch", json=BATCH) for _ in range(10)))
    await app.state.access.stop()
    async with database.reading() as session:
        rows = await session.scalar(
            text("SELECT sum(CAST(detail->'rows' AS int)) FROM audit WHERE action = 'checks.read'")
        )
        assert rows == 30
