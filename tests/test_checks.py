"""Checks: the answer and its reasons, one and many, never older than their question."""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.checks.lookups import LookUps
from app.journal import Media
from app.platform.db import Database, Unavailable
from app.points import PointKeys
from tests.acts import Registry, phone
from tests.desk import (
    EMAIL,
    EMAIL_MASKED,
    MONDAY,
    PHONE,
    PHONE_MASKED,
    TUESDAY,
    asked,
    drop,
    objected,
    register,
    reinstated,
)
from tests.test_parties import problem

if TYPE_CHECKING:
    from app.platform.db import RawConnection

SIREN = {"kind": "siren", "value": "732 829 320"}
CUSTOMER = {"kind": "customer", "value": "crm:42"}


@pytest.fixture
async def desk(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Talk to a registry where brands and channels are known."""
    await register(admin)
    return admin


def at(instant: str) -> datetime:
    """Read a time of the wire."""
    return datetime.fromisoformat(instant)


# --- one


async def test_who_never_objected_may_be_contacted_for_a_while(desk: httpx.AsyncClient) -> None:
    answer = await asked(desk)
    lasts = at(answer["valid_until"]) - at(answer["checked_at"])
    assert lasts == timedelta(seconds=300)
    assert drop(answer, "checked_at", "valid_until") == {
        "decision": "allow",
        "reasons": [],
        "identifier": PHONE_MASKED,
        "evaluated": ["suppressions"],
        "position": 0,
    }


async def test_a_block_tells_why_since_when_and_as_of_which_position(
    desk: httpx.AsyncClient,
) -> None:
    await objected(desk, occurred_at=TUESDAY, reason="refusal")
    await objected(desk, occurred_at=MONDAY, brand="choucroute", reason="complaint")
    await objected(desk, identifiers=[EMAIL])
    answer = await asked(desk)
    assert drop(answer, "checked_at") == {
        "decision": "block",
        "reasons": [
            {
                "code": "opted_out",
                "since": MONDAY,
                "brand": "choucroute",
                "reason": "complaint",
            },
            {"code": "opted_out", "since": TUESDAY, "brand": None, "reason": "refusal"},
        ],
        "identifier": PHONE_MASKED,
        "evaluated": ["suppressions"],
        "position": 3,
        "valid_until": None,
    }


async def test_since_is_the_oldest_ground_that_stands_for_the_medium(
    desk: httpx.AsyncClient,
) -> None:
    await objected(desk, occurred_at=MONDAY, media=["voice", "sms"], reason="refusal")
    await reinstated(desk, occurred_at=TUESDAY, media=["voice"])
    await objected(desk, occurred_at=TUESDAY, media=["voice"], reason="complaint")
    for medium, since, reason in (("voice", TUESDAY, "complaint"), ("sms", MONDAY, "refusal")):
        (found,) = (await asked(desk, medium=medium))["reasons"]
        assert (found["since"], found["reason"]) == (since, reason)


async def test_of_several_contact_points_one_that_is_suppressed_blocks_and_is_named(
    desk: httpx.AsyncClient,
) -> None:
    person = {
        "phone": PHONE["value"],
        "email": EMAIL["value"],
        "siren": SIREN["value"],
        "customer": CUSTOMER["value"],
    }
    answer = await asked(desk, **person)
    assert (answer["decision"], answer["identifier"]) == ("allow", PHONE_MASKED)
    for identifier, masked in (
        (CUSTOMER, {"kind": "customer", "masked": "•••42"}),
        (SIREN, {"kind": "siren", "masked": "•••20"}),
        (EMAIL, EMAIL_MASKED),
    ):
        await objected(desk, identifiers=[identifier])
        answer = await asked(desk, **person)
        assert (answer["decision"], answer["identifier"]["kind"]) == ("block", masked["kind"])
        assert answer["identifier"]["masked"][-2:] == masked["masked"][-2:]
        assert identifier["value"] not in str(answer)


@pytest.mark.parametrize(
    "spelled",
    ["0639980001", "+33639980001", "0033 6 39 98 00 01", "(+33) 6.39.98.00.01", "06-39-98-00-01"],
)
async def test_a_number_written_in_another_way_does_not_escape(
    desk: httpx.AsyncClient, spelled: str
) -> None:
    await objected(desk)
    assert (await asked(desk, phone=spelled))["decision"] == "block"


async def test_the_region_of_a_national_number_is_the_request_s(desk: httpx.AsyncClient) -> None:
    await objected(desk, identifiers=[{"kind": "phone", "value": "07700 900123", "region": "GB"}])
    assert (await asked(desk, phone="07700 900123", region="GB"))["decision"] == "block"
    body = {"medium": "voice", "region": "GB", "items": [{"phone": "07700 900123"}]}
    batch = (await desk.post("/v1/checks/batch", json=body)).json()
    assert batch["counts"] == {"allow": 0, "block": 1, "unusable": 0}
    assert (await asked(desk, phone="+447700900123"))["decision"] == "block"


@pytest.mark.parametrize(
    ("body", "type_", "pointer"),
    [
        ({"phone": "12", "medium": "voice"}, "unusable-identifier", "/phone"),
        ({"phone": PHONE["value"], "email": "x", "medium": "sms"}, "unusable-identifier", "/email"),
        (
            {"phone": PHONE["value"], "region": "XX", "medium": "sms"},
            "unusable-identifier",
            "/region",
        ),
        ({"medium": "voice"}, "invalid-request", ""),
        ({"phone": PHONE["value"]}, "invalid-request", "/medium"),
        ({"phone": PHONE["value"], "medium": "fax"}, "invalid-request", "/medium"),
        ({"phone": PHONE["value"], "medium": "sms", "brand": "x"}, "unknown-brand", "/brand"),
        ({"phone": PHONE["value"], "medium": "sms", "channel": "x"}, "invalid-request", "/channel"),
    ],
    ids=str,
)
async def test_what_cannot_be_asked_is_422_and_never_allow(
    desk: httpx.AsyncClient, body: dict[str, Any], type_: str, pointer: str
) -> None:
    answer = await desk.post("/v1/checks", json=body)
    assert answer.status_code == 422
    told = problem(answer)
    assert told["type"] == f"/problems/{type_}"
    assert [error["pointer"] for error in told["errors"]] == [pointer]


# --- many


async def test_a_batch_is_answered_in_its_order_and_its_counts_add_up(
    desk: httpx.AsyncClient,
) -> None:
    await objected(desk, occurred_at=MONDAY, media=["voice"])
    await objected(desk, identifiers=[EMAIL], brand="choucroute", occurred_at=TUESDAY)
    items = [
        {"ref": "a", "phone": "+33639980001"},
        {"phone": "+33639980002"},
        {"ref": "c", "phone": "nonsense"},
        {"ref": "d", "email": EMAIL["value"]},
        {"ref": "a", "phone": PHONE["value"]},
        {"ref": "f", "siren": "123456789"},
        {"ref": "g", "phone": ""},
    ]
    blocked = {"decision": "block", "code": "opted_out"}
    unusable = {"decision": "block", "code": "unusable", "since": None}
    for brand, mail in (
        (None, blocked | {"since": TUESDAY}),
        ("choucroute", blocked | {"since": TUESDAY}),
        ("sauerkraut", {"decision": "allow", "code": None, "since": None}),
    ):
        body = {"medium": "voice", "brand": brand, "items": items}
        answer = await desk.post("/v1/checks/batch", json=body)
        assert answer.status_code == 200
        allowed = mail["decision"] == "allow"
        assert drop(answer.json(), "checked_at") == {
            "position": 2,
            "results": [
                {"ref": "a", **blocked, "since": MONDAY},
                {"ref": None, "decision": "allow", "code": None, "since": None},
                {"ref": "c", **unusable},
                {"ref": "d", **mail},
                {"ref": "a", **blocked, "since": MONDAY},
                {"ref": "f", **unusable},
                {"ref": "g", **unusable},
            ],
            "counts": {"allow": 1 + allowed, "block": 3 - allowed, "unusable": 3},
        }


async def test_a_batch_of_nobody_and_of_ten_thousand(desk: httpx.AsyncClient) -> None:
    await objected(desk)
    empty = await desk.post("/v1/checks/batch", json={"medium": "voice", "items": []})
    assert drop(empty.json(), "checked_at") == {
        "position": 1,
        "results": [],
        "counts": {"allow": 0, "block": 0, "unusable": 0},
    }
    items = [{"phone": f"+3363998{number:04}"} for number in range(10_000)]
    answer = await desk.post("/v1/checks/batch", json={"medium": "voice", "items": items})
    assert answer.json()["counts"] == {"allow": 9_999, "block": 1, "unusable": 0}
    assert answer.json()["results"][1]["decision"] == "block"


async def test_a_batch_and_single_checks_say_the_same(desk: httpx.AsyncClient) -> None:
    for number in range(0, 30, 3):
        await objected(
            desk,
            identifiers=[{"kind": "phone", "value": f"+3363998{number:04}"}],
            media=[("voice", "sms")[number % 2]],
            brand=(None, "choucroute", "sauerkraut")[number % 3],
        )
    numbers = [f"+3363998{number:04}" for number in range(30)]
    for brand in (None, "choucroute"):
        body = {"medium": "sms", "brand": brand, "items": [{"phone": one} for one in numbers]}
        batch = (await desk.post("/v1/checks/batch", json=body)).json()["results"]
        single = [await asked(desk, phone=one, medium="sms", brand=brand) for one in numbers]
        assert [one["decision"] for one in batch] == [one["decision"] for one in single]


# --- never older than the question


async def test_a_check_that_starts_after_a_receipt_was_sent_sees_it(
    desk: httpx.AsyncClient,
) -> None:
    async def object_and_ask(first: int) -> None:
        for number in range(first, first + 15):
            one = {"kind": "phone", "value": f"+3363998{number:04}"}
            assert (await asked(desk, phone=one["value"]))["decision"] == "allow"
            receipt = await objected(desk, identifiers=[one], media=["voice"])
            answers = await asyncio.gather(*(asked(desk, phone=one["value"]) for _ in range(3)))
            for answer in answers:
                assert answer["decision"] == "block"
                assert answer["position"] >= receipt["position"]
            body = {"medium": "voice", "items": [{"phone": one["value"]}]}
            batch = (await desk.post("/v1/checks/batch", json=body)).json()
            assert batch["counts"]["block"] == 1
            assert batch["position"] >= receipt["position"]

    async def ask_on(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.gather(
                *(asked(desk, phone=f"+336399{n:05}") for n in range(80_000, 80_030))
            )

    stop = asyncio.Event()
    noise = asyncio.create_task(ask_on(stop))
    await asyncio.gather(*(object_and_ask(writer * 100) for writer in range(6)))
    stop.set()
    await noise


class Counting(Database):
    """A database that notes the queries of its bare connections."""

    queries: list[str] = []  # noqa: RUF012 - one test uses it

    async def connect(self, name: str) -> "RawConnection":
        """Connect, and note what is asked from then on."""
        connection = await super().connect(name)
        connection.add_query_logger(
            lambda asked: self.queries.append(asked.query) if "$1" in asked.query else None
        )
        return connection


@pytest.fixture
def counting(database: Database) -> Counting:
    """Open the pools again, counting queries."""
    Counting.queries.clear()
    return Counting(database.url, database.settings, database.write_engine, database.read_engine)


async def test_questions_that_arrive_together_are_asked_together(counting: Counting) -> None:
    registry = Registry(counting)
    await registry.object(phone(1))
    look_ups = LookUps(counting, registry.keys.digests.numbers)
    people = [phone(number % 40) for number in range(200)]
    answers = await asyncio.gather(
        *(registry.allows(look_ups, [person], Media.VOICE, None) for person in people)
    )
    assert [not allowed for allowed in answers] == [person == phone(1) for person in people]
    assert len(Counting.queries) <= 2, "one was under way, the rest is the next"
    await look_ups.stop()


# --- fail closed


async def test_a_connection_that_was_killed_is_made_anew(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await objected(desk)
    assert (await asked(desk))["decision"] == "block"
    connection = await database.connect("killer")
    for name in ("checks", "batches"):
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = $1",
            f"optout {name}",
        )
    await connection.close()
    assert (await asked(desk))["decision"] == "block"


async def test_a_journal_without_its_head_never_allows(
    desk: httpx.AsyncClient, database: Database
) -> None:
    connection = await database.connect("breaker")
    await connection.execute("DELETE FROM journal_head")
    await connection.close()
    answer = await desk.post("/v1/checks", json={"phone": PHONE["value"], "medium": "voice"})
    assert answer.status_code >= 500
    assert "allow" not in answer.text


async def test_a_suppression_without_its_ground_blocks_all_the_same(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await objected(desk, occurred_at=MONDAY)
    connection = await database.connect("breaker")
    await connection.execute("DELETE FROM grounds")
    await connection.close()
    answer = await asked(desk)
    assert (answer["decision"], answer["reasons"][0]["since"]) == ("block", MONDAY)


async def test_a_slow_postgresql_is_503_within_the_deadline_and_never_allow(
    desk: httpx.AsyncClient, database: Database
) -> None:
    holder = await database.connect("holder")
    items = [{"phone": "1"}, {"email": "a@b.example"}]
    async with holder.transaction():
        await holder.execute("LOCK TABLE suppressions IN ACCESS EXCLUSIVE MODE")
        answers = await asyncio.gather(
            desk.post("/v1/checks", json={"phone": PHONE["value"], "medium": "voice"}),
            desk.post(
                "/v1/checks/batch",
                json={"items": items, "medium": "sms"},
            ),
        )
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert problem(answer)["type"] == "/problems/unavailable"
    assert (await asked(desk))["decision"] == "allow"
    await holder.close()


async def test_look_ups_fail_while_postgresql_is_away(database: Database) -> None:
    away = Counting(
        database.url.set(query={"host": "/nowhere"}, host=None),
        database.settings,
        database.write_engine,
        database.read_engine,
    )
    keys = PointKeys.from_settings(database.settings)
    look_ups = LookUps(away, keys.digests.numbers)
    with pytest.raises(Unavailable):
        await look_ups.one([(keys.digests.digest(phone(1))[1], Media.VOICE)])
    await look_ups.stop()
