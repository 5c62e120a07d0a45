"""Answers that take long: a key that ends meanwhile is told nothing more."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.delivery import snapshots
from tests.acts import Registry, phone
from tests.receivers import list_to


async def revoke(admin: httpx.AsyncClient, puller: httpx.AsyncClient) -> None:
    """Revoke the puller's key, and wait until it opens nothing any more."""
    keys = (await admin.get("/v1/keys")).json()["items"]
    (id_,) = [key["id"] for key in keys if key["database"] == "crm"]
    assert (await admin.delete(f"/v1/keys/{id_}")).status_code == 204
    async with asyncio.timeout(10):
        while True:
            if (await puller.get("/v1/journal")).status_code == 401:
                return
            await asyncio.sleep(0.05)


async def test_a_long_poll_tells_nothing_to_a_key_that_was_revoked_while_it_waited(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, registry: Registry
) -> None:
    poll = asyncio.create_task(puller.get("/v1/journal", params={"cursor": "latest", "wait": 25}))
    await revoke(admin, puller)
    assert not poll.done()
    await registry.object(phone(1))
    answer = await poll
    assert (answer.status_code, phone(1).value in answer.text) == (401, False)


async def test_a_list_breaks_off_when_its_key_is_revoked(
    admin: httpx.AsyncClient,
    app: FastAPI,
    puller: httpx.AsyncClient,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots, "_PIECE", 10)
    monkeypatch.setattr(snapshots, "_PIECES", 1)
    await registry.object(*(phone(number) for number in range(95)))
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)
        if len(sent) == 3:
            await revoke(admin, puller)

    with capture_logs() as logs:
        await list_to(app, puller, send)
    assert [message.get("more_body") for message in sent] == [None, True, True]
    assert "a list was broken off, for its key has ended" in [log["event"] for log in logs]
