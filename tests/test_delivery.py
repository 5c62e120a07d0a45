"""What a database is told by webhook: the bytes, their signature, their order, nothing else."""

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from app.delivery.batches import MOST_BYTES
from app.identifiers import Identifier
from app.journal import EVERY_MEDIUM, Kind, Lane, Media
from app.journal.followers import FIRST_BATCH
from app.parties import Directory
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, minute, phone
from tests.receivers import (
    Told,
    acknowledged,
    attempts,
    hasty,
    receiver,
    register,
    spans,
    standing,
    until,
    working,
)

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
EVERYTHING = ["voice", "sms", "messaging", "email", "post"]


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


def without_times_and_ids(document: dict[str, Any]) -> dict[str, Any]:
    """Take away what differs from run to run, which must be what the contract says."""
    assert TIME.fullmatch(document.pop("timestamp"))
    assert UUID(document["data"].pop("journal"))
    for entry in document["data"]["entries"]:
        assert UUID(entry.pop("id")).version == 7
        assert TIME.fullmatch(entry.pop("recorded_at"))
    return document


async def test_a_webhook_is_what_the_contract_says_and_the_libraries_verify(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async with receiver() as crm, receiver() as mailer:
        for_crm = await register(admin, crm.url)
        for_mailer = await register(admin, mailer.url, "mailer")
        receipt = await registry.object(phone(1), media=Media.VOICE | Media.SMS, at=minute(1))
        async with working(database.settings):
            (told,) = await crm.heard(1)
            (other,) = await mailer.heard(1)
            await acknowledged(admin, receipt.position)
            await acknowledged(admin, receipt.position, "mailer")
    assert Webhook(for_crm["signing_secret"]).verify(told.body, told.headers) == told.document
    SvixWebhook(for_mailer["signing_secret"]).verify(other.body, other.headers)
    assert told.headers["content-type"] == "application/json"
    assert told.headers["webhook-id"] != other.headers["webhook-id"]
    assert without_times_and_ids(told.document) == {
        "type": "suppressions.changed",
        "data": {
            "lane": "main",
            "previous": 0,
            "to": 1,
            "head": 1,
            "entries": [
                {
                    "position": 1,
                    "type": "suppression.added",
                    "lane": "live",
                    "occurred_at": "2026-03-01T00:01:00.000000Z",
                    "identifier": {"kind": "phone", "format": "plain", "value": "+33639980001"},
                    "brand": None,
                    "media": ["voice", "sms"],
                    "version": 1,
                    "reason": "objection",
                }
            ],
        },
    }


async def test_batches_follow_on_each_other_over_entries_that_do_not_concern_the_database(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async with receiver() as crm, working(database.settings):
        await register(admin, crm.url, kinds=["phone"], media=["voice"])
        for number in range(1, 4):
            concerned = await registry.object(phone(number))
            await acknowledged(admin, concerned.position)
            unconcerned = await registry.object(Identifier(Kind.EMAIL, f"p{number}@example.com"))
            await acknowledged(admin, unconcerned.position)
        told = list(crm.told)
    assert [one.positions for one in told] == [[1], [3], [5]]
    assert spans(told) == [(0, 1), (1, 3), (3, 5)]
    assert {tuple(entry["media"]) for one in told for entry in one.data["entries"]} == {("voice",)}


async def test_a_database_hears_its_kinds_and_brands_and_its_own_media(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    for slug in ("kraut", "beer"):
        await admin.post("/v1/brands", json={"slug": slug, "name": slug})
    kraut, beer = [await Directory(database).brand(slug) for slug in ("kraut", "beer")]
    async with receiver() as crm:
        await register(admin, crm.url, kinds=["phone"], media=["sms", "email"], brands=["kraut"])
        await registry.object(phone(1), brand=beer)
        await registry.object(phone(2), media=Media.VOICE)
        await registry.object(phone(3), brand=kraut)
        await registry.object(Identifier(Kind.CUSTOMER, "crm:7"))
        await registry.object(phone(4))
        async with working(database.settings):
            (told,) = await crm.heard(1)
            await acknowledged(admin, 5)
    assert told.span == (0, 5)
    assert [(e["position"], e["brand"], e["media"]) for e in told.data["entries"]] == [
        (3, "kraut", ["sms", "email"]),
        (5, None, ["sms", "email"]),
    ]


async def test_a_lifting_is_heard_by_whom_only_the_media_before_touched(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async with receiver() as crm:
        await register(admin, crm.url, media=["sms"])
        await registry.object(phone(1), media=Media.VOICE | Media.SMS, at=minute(1))
        await registry.reinstate(phone(1), media=Media.SMS, at=minute(2))
        async with working(database.settings):
            (told,) = await crm.heard(1)
            await acknowledged(admin, 2)
    assert [(e["type"], e["media"], e["version"]) for e in told.data["entries"]] == [
        ("suppression.added", ["sms"], 1),
        ("suppression.lifted", [], 2),
    ]


async def test_an_erasure_is_told_with_the_identifier_and_completed_by_the_worker(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async with receiver() as crm, working(database.settings):
        await register(admin, crm.url)
        await registry.object(phone(1))
        erasure = await registry.erase(phone(1))
        told = await crm.heard_to(2)
        assert told[-1].data["entries"][-1]["identifier"] == {
            "kind": "phone",
            "format": "plain",
            "value": "+33639980001",
        }

        async def complete() -> bool:
            answer = await admin.get(f"/v1/erasures/{erasure}")
            return answer.json()["completed_at"] is not None

        await until(complete)
        answer = await admin.post("/v1/databases/crm/replay", json={"from_position": 1})
        assert answer.status_code == 200
        again = await crm.heard(len(told) + 1)
    assert [entry["identifier"] for entry in again[-1].data["entries"]] == 2 * [
        {"kind": "phone", "format": "erased", "value": None}
    ]


async def test_identifiers_are_shown_in_the_format_of_the_database(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    hashed, weak = {"identifier_format": "hmac-sha256"}, {"identifier_format": "sha256"}
    async with receiver() as one, receiver() as other:
        key = base64.b64decode((await register(admin, one.url, delivery=hashed))["identifier_key"])
        issued = await register(admin, other.url, "weak", delivery=weak | {"accept_weak": True})
        await registry.object(phone(1))
        async with working(database.settings):
            ((told,), (weakly,)) = await one.heard(1), await other.heard(1)
    plain = b"+33639980001"
    assert len(key) == 32
    assert issued["identifier_key"] is None
    assert told.data["entries"][0]["identifier"] == {
        "kind": "phone",
        "format": "hmac-sha256",
        "value": hmac.new(key, plain, hashlib.sha256).hexdigest(),
    }
    assert weakly.data["entries"][0]["identifier"] == {
        "kind": "phone",
        "format": "sha256",
        "value": hashlib.sha256(plain).hexdigest(),
    }
    assert plain not in told.body + weakly.body


async def test_hashed_identifiers_are_those_of_the_contract_s_known_answer(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    key = base64.b64decode("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    vault = registry.keys.vault
    async with receiver() as crm:
        await register(admin, crm.url, delivery={"identifier_format": "hmac-sha256"})
        async with database.transaction() as session:
            await session.execute(
                text("UPDATE endpoints SET identifier_key = :sealed"),
                {"sealed": vault.seal(key, context=b"endpoint 1")},
            )
        await registry.object(phone(1))
        async with working(database.settings):
            (told,) = await crm.heard(1)
    assert told.data["entries"][0]["identifier"]["value"] == (
        "b2f16ab37887e8c19dfd18fe84e9af40a045d3047f96ad719df31f6beab2d1c2"
    )


async def test_a_weak_format_must_be_accepted_as_weak(admin: httpx.AsyncClient) -> None:
    await register(admin)
    body = {"slug": "w", "name": "W", "party": "p"}
    delivery = {"mode": "pull", "identifier_format": "sha256"}
    answer = await admin.post("/v1/databases", json={**body, "delivery": delivery})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/weak-format")
    answer = await admin.patch("/v1/databases/crm", json={"delivery": delivery})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/weak-format")


async def test_a_database_is_told_from_the_beginning_or_from_now(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await registry.object(phone(1))
    async with receiver() as old, receiver() as new:
        await register(admin, old.url)
        await register(admin, new.url, "new", start="latest")
        assert (await standing(admin, "new"))["lag_entries"] == 0
        await registry.object(phone(2))
        async with working(database.settings):
            from_the_beginning, from_now = await old.heard_to(2), await new.heard_to(2)
    assert [one.positions for one in from_the_beginning] == [[1, 2]]
    assert [(one.span, one.positions) for one in from_now] == [((1, 2), [2])]


async def test_a_backlog_goes_in_batches_of_bounded_size(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    people = [Identifier(Kind.EMAIL, f"{'x' * 280}{n}@example.com") for n in range(1_100)]
    await registry.object(*people)
    async with receiver() as crm:
        await register(admin, crm.url)
        async with working(database.settings):
            told = await crm.heard_to(1_100)
            await acknowledged(admin, 1_100)
    assert [position for one in told for position in one.positions] == list(range(1, 1_101))
    assert all(len(one.body) <= MOST_BYTES + 300 for one in told)
    assert len(told) == 3
    assert len(told[0].positions) < FIRST_BATCH


async def test_the_lane_of_an_entry_is_told(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await registry.object(phone(1))
    async with database.transaction() as session:
        await session.execute(text("UPDATE journal_entries SET lane = :bulk"), {"bulk": Lane.BULK})
    async with receiver() as crm:
        await register(admin, crm.url)
        async with working(database.settings):
            (told,) = await crm.heard(1)
    assert told.data["entries"][0]["lane"] == "bulk"


async def test_every_request_stands_in_the_attempts_and_no_contact_point_in_them(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async def echo(told: Told) -> bytes:
        return b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n" % len(told.body) + told.body

    async with receiver(echo) as crm:
        await register(admin, crm.url)
        await registry.object(phone(1), Identifier(Kind.EMAIL, "jane@example.com"))
        async with working(database.settings):
            await acknowledged(admin, 2)
    failed, done = await attempts(admin)
    assert TIME.fullmatch(failed.pop("at"))
    assert UUID(failed.pop("id")).version == 7
    assert failed.pop("duration_ms") < 1_000
    said = failed.pop("answer")
    assert "suppressions.changed" in said
    assert "639980001" not in json.dumps(failed) + said
    assert "jane" not in said
    assert failed == {
        "lane": "main",
        "previous": 0,
        "to": 2,
        "entries": 2,
        "status": 500,
        "error": "status-500",
        "detail": "the database answered 500",
    }
    assert (done["status"], done["error"], done["detail"], done["answer"]) == (
        200,
        None,
        None,
        None,
    )


async def test_media_of_a_database_cut_what_it_is_told_of_every_medium(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async with receiver() as all_of_them, receiver() as post_only:
        await register(admin, all_of_them.url)
        await register(admin, post_only.url, "post", media=["post"])
        await registry.object(Identifier(Kind.CUSTOMER, "crm:7"), media=EVERY_MEDIUM)
        async with working(database.settings):
            (every,), (post,) = await all_of_them.heard(1), await post_only.heard(1)
    assert every.data["entries"][0]["media"] == EVERYTHING
    assert post.data["entries"][0]["media"] == ["post"]
