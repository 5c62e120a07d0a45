"""Recalls: a call centre hears at once whom to take out of its queues."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from app.delivery import recall
from app.delivery.recall import MOST_CANCELLED, read_cancelled
from app.identifiers import Identifier
from app.journal import Kind, Lane, Media
from app.platform.http import Answer
from app.settings import Settings
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.peers import OK
from tests.receivers import (
    Told,
    acknowledged,
    attempts,
    hasty,
    never,
    receiver,
    register,
    saying,
    standing,
    until,
    working,
)
from tests.test_delivery import without_times_and_ids
from tests.test_feed import read, set_lanes
from tests.test_parties import problem


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


async def pulling(admin: httpx.AsyncClient, recall_url: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Register a database that pulls, and is recalled from."""
    return await register(admin, delivery={"recall_url": recall_url, "zone": "internal"}, **given)


async def cancelled(admin: httpx.AsyncClient, path: str = "databases/crm/report") -> int:
    """Read from a report how many contacts were cancelled."""
    answer = await admin.get(f"/v1/{path}")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["contacts_cancelled"])


def positions(queue: list[Told]) -> list[list[int]]:
    """Tell which entries each list held."""
    return [told.positions for told in queue]


async def test_a_recall_is_a_signed_list_and_its_answer_counts_in_the_report(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with (
        receiver(saying(200, {"contacts_cancelled": 3})) as queue,
        working(registry.database.settings),
    ):
        registered = await pulling(admin, queue.url, media=["voice"])
        assert registered["delivery"] == {
            "mode": "pull",
            "url": None,
            "recall_url": queue.url,
            "zone": "internal",
            "identifier_format": "plain",
        }
        await registry.object(phone(1), phone(2))
        (told,) = await queue.heard(1)
        Webhook(registered["signing_secret"]).verify(told.body, told.headers)
        document = without_times_and_ids(told.document)
        for entry in document["data"]["entries"]:
            del entry["occurred_at"]
        assert document == {
            "type": "contacts.recall",
            "data": {
                "entries": [
                    {
                        "position": number,
                        "type": "suppression.added",
                        "lane": "live",
                        "identifier": {
                            "kind": "phone",
                            "format": "plain",
                            "value": phone(number).value,
                        },
                        "brand": None,
                        "media": ["voice"],
                        "version": 1,
                        "reason": "objection",
                    }
                    for number in (1, 2)
                ]
            },
        }
        assert told.headers["content-type"] == "application/json"

        async def counted() -> bool:
            return await cancelled(admin) == 3

        await until(counted)
        assert await cancelled(admin, "report") == 3
        # The main lane's promise stands as it did: a recall acknowledges nothing.
        assert (await standing(admin))["acknowledged_position"] == 0
        (tried,) = await attempts(admin)
        assert {name: tried[name] for name in ("lane", "previous", "to", "entries", "status")} == {
            "lane": "recall",
            "previous": None,
            "to": 2,
            "entries": 2,
            "status": 200,
        }


async def test_only_what_newly_suppresses_here_is_recalled(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await admin.post("/v1/brands", json={"slug": "kraut", "name": "Kraut"})
    await admin.post("/v1/brands", json={"slug": "beet", "name": "Beet"})
    await registry.object(phone(9))  # before it was registered
    async with receiver() as queue, working(registry.database.settings):
        await pulling(admin, queue.url, media=["voice", "sms"], brands=["kraut"])
        for act in (
            registry.object(phone(1), media=Media.POST),  # another medium
            registry.object(Identifier(Kind.EMAIL, "a@example.com"), media=Media.EMAIL),
            registry.object(phone(1), media=Media.VOICE, brand=2),  # another brand
            registry.object(phone(1), media=Media.VOICE),  # 5: new
            registry.object(phone(1), media=Media.VOICE),  # again
            registry.object(phone(1), media=Media.VOICE | Media.SMS),  # 7: more
            registry.reinstate(phone(1)),  # lifted, for every brand: 8 and 9
            registry.object(phone(1), media=Media.VOICE),  # 10: anew
            registry.object(phone(1), media=Media.SMS, brand=1),  # 11: of a brand
        ):
            await act
            await asyncio.sleep(0.3)
        await until(lambda: positions(queue.told) == [[5], [7], [10], [11]])


async def test_it_is_tried_again_and_the_main_lane_does_not_wait_for_it(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with (
        receiver(saying(500), b"", otherwise=OK) as queue,
        receiver() as crm,
        working(registry.database.settings),
    ):
        await register(admin, crm.url, delivery={"recall_url": queue.url})
        await registry.object(phone(1))
        await acknowledged(admin, 1)
        await registry.object(phone(2))
        await acknowledged(admin, 2)
        # The second one may hold both already; the third comes when that one is written down.
        await queue.heard(3)
        assert positions(queue.told)[-1] == [1, 2]
        assert len(crm.told) == 2
        assert (await standing(admin))["state"] == "active"
        recalled = [one for one in await attempts(admin) if one["lane"] == "recall"]
        assert [one["error"] for one in recalled][:2] == ["status-500", "reset"]
        # The same list again has the same name, another list another one.
        names = {(tuple(told.positions), told.headers["webhook-id"]) for told in queue.told}
        assert len(names) == len({name for _, name in names}) == len({at for at, _ in names})


async def test_who_agreed_meanwhile_or_objected_long_ago_is_not_recalled(
    admin: httpx.AsyncClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "WORTH", timedelta(seconds=2))
    async with receiver() as queue:
        await pulling(admin, queue.url)
        await registry.object(phone(1))
        await asyncio.sleep(2.1)
        await registry.object(phone(2))
        await registry.object(phone(3))
        await registry.reinstate(phone(3))
        async with working(registry.database.settings):
            await queue.heard(1)
            await never(lambda: len(queue.told) > 1, seconds=0.5)
    assert positions(queue.told) == [[2]]


async def test_a_crowd_is_told_in_short_lists_without_gap(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(otherwise=saying(200, {"contacts_cancelled": 1})) as queue:
        await pulling(admin, queue.url)
        for first in (0, 120, 200):
            await registry.object(*map(phone, range(first, first + 120)))
        await set_lanes(registry, Lane.BULK, upto=10)
        async with working(registry.database.settings, workers=2):
            await until(lambda: sum(map(len, positions(queue.told))) >= 310)
            await never(lambda: len(queue.told) > 4, seconds=0.5)
    said = [position for each in positions(queue.told) for position in each]
    # Ten came in a file, and forty objected twice, the second time to nothing new.
    assert said == [*range(11, 241), *range(281, 361)]
    assert [len(each) for each in positions(queue.told)] == [100, 100, 100, 10]
    assert queue.most_under_way == 1
    assert await cancelled(admin) == 4


async def test_a_paused_database_is_not_recalled_from(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver() as queue, receiver() as other, working(registry.database.settings):
        await pulling(admin, queue.url)
        await pulling(admin, other.url, slug="other")
        await admin.post("/v1/databases/crm/pause")
        for number in (1, 2, 3):
            await registry.object(phone(number))
            await other.heard(number)
        assert queue.told == []
        await admin.post("/v1/databases/crm/resume")
        assert positions(await queue.heard(1)) == [[1, 2, 3]]


async def test_one_that_hangs_holds_up_no_other(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async def hang(_told: Told) -> bytes:
        await asyncio.sleep(60)
        return OK

    async with (
        receiver(otherwise=hang) as hanging,
        receiver() as queue,
        working(registry.database.settings),
    ):
        await pulling(admin, hanging.url)
        await pulling(admin, queue.url, slug="other")
        await registry.object(phone(1))
        await hanging.heard(1)
        await queue.heard(1)
        for number in range(2, 5):
            await registry.object(phone(number))
            await queue.heard(number)
        assert hanging.most_under_way == 1


async def test_changing_where_contacts_are_recalled_needs_admin_and_moves_nothing_else(
    admin: httpx.AsyncClient, caller: Caller, registry: Registry
) -> None:
    async with receiver() as first, receiver() as second, working(registry.database.settings):
        await pulling(admin, first.url)
        await registry.object(phone(1))
        await first.heard(1)
        puller = await caller("journal:read", bound_to="crm")
        cursor = (await read(puller))["next_cursor"]
        there = {"mode": "pull", "zone": "internal", "recall_url": second.url}
        writer = await caller("parties:write")
        answer = await writer.patch("/v1/databases/crm", json={"delivery": there})
        assert problem(answer)["status"] == 403
        answer = await admin.patch("/v1/databases/crm", json={"delivery": there})
        assert answer.json()["delivery"]["recall_url"] == second.url
        await registry.object(phone(2))
        assert positions(await second.heard(1)) == [[2]]
        assert [one["position"] for one in (await read(puller, cursor=cursor))["entries"]] == [2]

        answer = await admin.patch("/v1/databases/crm", json={"delivery": {"mode": "pull"}})
        assert answer.json()["delivery"]["recall_url"] is None
        assert answer.json()["delivery"]["zone"] is None
        await registry.object(phone(3))
        assert [one["position"] for one in (await read(puller, cursor=cursor))["entries"]] == [2, 3]
        await never(lambda: len(first.told) + len(second.told) > 2, seconds=0.5)


@pytest.mark.parametrize(
    ("url", "zone"),
    [
        ("http://dialler.example.com/recall", "public"),
        ("https://127.0.0.1/recall", "public"),
        ("http://192.0.2.7/recall", "internal"),
        ("https://169.254.169.254/latest", "internal"),
    ],
)
async def test_a_recall_goes_where_a_webhook_may_and_nowhere_else(
    admin: httpx.AsyncClient, url: str, zone: str
) -> None:
    await register(admin)
    delivery = {"mode": "pull", "recall_url": url, "zone": zone}
    for answer in (
        await admin.patch("/v1/databases/crm", json={"delivery": delivery}),
        await admin.post(
            "/v1/databases",
            json={"slug": "d", "name": "D", "party": "p", "delivery": delivery},
        ),
    ):
        assert (answer.status_code, problem(answer)["type"]) == (
            422,
            "/problems/forbidden-destination",
        )


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"contacts_cancelled": 0}', 0),
        (b'{"contacts_cancelled": %d, "more": []}' % MOST_CANCELLED, MOST_CANCELLED),
        (b'{"contacts_cancelled": %d}' % (MOST_CANCELLED + 1), 0),
        (b'{"contacts_cancelled": -1}', 0),
        (b'{"contacts_cancelled": true}', 0),
        (b'{"contacts_cancelled": "3"}', 0),
        (b'{"contacts_cancelled": 3.0}', 0),
        (b'{"contacts_cancelled": NaN}', 0),
        (b'{"contacts_cancelled": 1%s}' % (b"0" * 5_000), 0),
        (b'[{"contacts_cancelled": 3}]', 0),
        (b"[" * 10_000, 0),
        (b"\xff\xfe", 0),
        (b"", 0),
    ],
)
def test_a_count_is_taken_as_it_should_be_said_or_not_at_all(body: bytes, count: int) -> None:
    assert read_cancelled(Answer(200, {}, body, cut=False, duration=0.1)) == count
    assert read_cancelled(Answer(200, {}, body, cut=True, duration=0.1)) == 0
