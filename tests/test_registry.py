"""What is suppressed: the contract's section, sentence by sentence, over the wire."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from tests.acts import Registry, phone
from tests.desk import (
    EMAIL,
    EMAIL_MASKED,
    EVERY,
    MONDAY,
    PHONE,
    PHONE_MASKED,
    TUESDAY,
    asked,
    decided,
    drop,
    objected,
    register,
    reinstated,
    searched,
)
from tests.test_parties import problem

WEDNESDAY = "2026-03-04T09:00:00.000000Z"


@pytest.fixture
async def desk(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Talk to a registry where brands and channels are known."""
    await register(admin)
    return admin


async def standing(desk: httpx.AsyncClient) -> list[tuple[str | None, list[str], int]]:
    """Read brand, media and version of what is suppressed for ``PHONE``."""
    found = await searched(desk)
    return [(one["brand"], one["media"], one["version"]) for one in found["suppressions"]]


async def test_an_opt_out_that_names_no_scope_blocks_everything(desk: httpx.AsyncClient) -> None:
    await objected(desk)
    for medium in EVERY:
        for brand in (None, "choucroute", "sauerkraut"):
            assert await decided(desk, medium=medium, brand=brand) == "block"


async def test_each_contact_point_gets_a_ground_of_its_own(desk: httpx.AsyncClient) -> None:
    receipt = await objected(desk, identifiers=[EMAIL, PHONE], media=["email", "sms"])
    assert receipt["position"] == 2
    assert [drop(one, "since") for one in receipt["suppressions"]] == [
        {**EMAIL_MASKED, "media": ["sms", "email"], "brand": None, "version": 1},
        {**PHONE_MASKED, "media": ["sms", "email"], "brand": None, "version": 1},
    ]
    assert await decided(desk, email="jeanne@example.com", medium="email") == "block"
    assert await decided(desk, email="jeanne@example.com", medium="voice") == "allow"
    assert await decided(desk, medium="sms") == "block"


async def test_a_contact_point_given_twice_gets_one_ground(desk: httpx.AsyncClient) -> None:
    twice = {"kind": "phone", "value": "+33639980001"}
    receipt = await objected(desk, identifiers=[PHONE, twice])
    assert (receipt["position"], len(receipt["suppressions"])) == (1, 1)


async def test_the_suppression_is_the_union_of_the_grounds_and_its_version_counts_entries(
    desk: httpx.AsyncClient,
) -> None:
    await objected(desk, media=["voice"], occurred_at=TUESDAY)
    receipt = await objected(desk, media=["sms"], occurred_at=MONDAY)
    assert receipt["suppressions"] == [
        {**PHONE_MASKED, "media": ["voice", "sms"], "brand": None, "since": MONDAY, "version": 2}
    ]
    assert (await asked(desk, medium="voice"))["reasons"][0]["since"] == TUESDAY
    await objected(desk, media=["email"], brand="choucroute")
    assert await standing(desk) == [
        (None, ["voice", "sms"], 2),
        ("choucroute", ["email"], 1),
    ]


async def test_a_brand_s_objection_blocks_that_brand_and_whoever_names_none(
    desk: httpx.AsyncClient,
) -> None:
    await objected(desk, brand="choucroute", media=["voice"])
    assert await decided(desk, brand="choucroute") == "block"
    assert await decided(desk, brand="sauerkraut") == "allow"
    assert await decided(desk) == "block"


async def test_a_hard_bounce_blocks_email_alone_unless_it_says_more(
    desk: httpx.AsyncClient,
) -> None:
    receipt = await objected(desk, identifiers=[EMAIL], reason="hard_bounce")
    assert receipt["media"] == ["email"]
    receipt = await objected(desk, identifiers=[EMAIL], reason="hard_bounce", media=["post"])
    assert receipt["suppressions"][0]["media"] == ["email", "post"]


@pytest.mark.parametrize(
    "reason",
    [
        "objection",
        "refusal",
        "complaint",
        "unsubscribe",
        "stop_keyword",
        "consent_withdrawn",
        "hard_bounce",
        "erasure",
    ],
)
async def test_every_reason_blocks_and_is_told(desk: httpx.AsyncClient, reason: str) -> None:
    await objected(desk, reason=reason, media=["voice"])
    assert [one["reason"] for one in (await asked(desk))["reasons"]] == [reason]


async def test_a_reinstatement_lifts_what_occurred_before_it_for_its_brand_and_media(
    desk: httpx.AsyncClient,
) -> None:
    await objected(desk, occurred_at=MONDAY, brand="choucroute")
    await objected(desk, occurred_at=MONDAY, brand="sauerkraut")
    answer = await reinstated(
        desk, occurred_at=TUESDAY, brand="choucroute", media=["voice", "email"]
    )
    assert answer.status_code == 201
    left = ["sms", "messaging", "post"]
    assert drop(answer.json(), "id", "recorded_at") == {
        "position": 3,
        "occurred_at": TUESDAY,
        "channel": "dakar",
        "media": ["voice", "email"],
        "brand": "choucroute",
        "suppressions": [
            {
                **PHONE_MASKED,
                "media": left,
                "brand": "choucroute",
                "since": MONDAY,
                "version": 2,
            }
        ],
    }
    assert await standing(desk) == [("choucroute", left, 2), ("sauerkraut", EVERY, 1)]
    assert await decided(desk, brand="choucroute") == "allow"
    assert await decided(desk, brand="choucroute", medium="sms") == "block"
    assert await decided(desk) == "block"


async def test_a_reinstatement_for_every_brand_lifts_each_brand_s(desk: httpx.AsyncClient) -> None:
    await objected(desk, occurred_at=MONDAY)
    await objected(desk, occurred_at=MONDAY, brand="choucroute")
    answer = await reinstated(desk, occurred_at=TUESDAY)
    assert [(one["brand"], one["media"]) for one in answer.json()["suppressions"]] == [
        (None, []),
        ("choucroute", []),
    ]
    assert answer.json()["position"] == 4
    assert await decided(desk) == "allow"
    assert [one["since"] for one in (await searched(desk))["suppressions"]] == [None, None]


@pytest.mark.parametrize("act", [TUESDAY, MONDAY])
async def test_an_objection_at_or_after_the_act_is_409_and_nothing_is_lifted(
    desk: httpx.AsyncClient, act: str
) -> None:
    await objected(desk, occurred_at=MONDAY, media=["sms"])
    await objected(desk, occurred_at=TUESDAY, media=["voice"])
    answer = await reinstated(desk, occurred_at=act)
    assert problem(answer) == {
        "type": "/problems/objection-is-newer",
        "title": "The person objected later",
        "status": 409,
        "detail": "An objection occurred at or after this act; nothing was lifted.",
    }
    assert await standing(desk) == [(None, ["voice", "sms"], 2)]
    assert [one["type"] for one in (await searched(desk))["history"]] == ["opt_out"] * 2
    assert (await reinstated(desk, occurred_at=act, media=["email"])).status_code == 201


async def test_a_wider_objection_is_409_where_one_brand_is_to_be_reinstated(
    desk: httpx.AsyncClient,
) -> None:
    await objected(desk, occurred_at=MONDAY, media=["voice"])
    await objected(desk, occurred_at=MONDAY, brand="choucroute")
    answer = await reinstated(desk, occurred_at=TUESDAY, brand="choucroute")
    assert problem(answer) == {
        "type": "/problems/wider-objection-stands",
        "title": "An objection for every brand stands",
        "status": 409,
        "detail": "An objection for every brand stands; nothing was lifted.",
    }
    assert await standing(desk) == [(None, ["voice"], 1), ("choucroute", EVERY, 1)]
    sms = await reinstated(desk, occurred_at=TUESDAY, brand="choucroute", media=["sms"])
    assert sms.status_code == 201, "the wider one does not stand for sms"


async def test_a_ground_that_arrives_late_is_kept_as_evidence_and_does_not_stand(
    desk: httpx.AsyncClient,
) -> None:
    assert (await reinstated(desk, occurred_at=TUESDAY)).json()["suppressions"] == []
    receipt = await objected(desk, occurred_at=MONDAY, reason="refusal")
    assert receipt["suppressions"] == [
        {**PHONE_MASKED, "media": [], "brand": None, "since": None, "version": 1}
    ]
    assert await decided(desk) == "allow"
    assert [drop(act, "id", "recorded_at") for act in (await searched(desk))["history"]] == [
        {
            "type": "reinstatement",
            "line": None,
            "occurred_at": TUESDAY,
            "channel": "dakar",
            "reason": None,
            "brand": None,
            "media": EVERY,
            "standing": [],
            "voided_at": None,
        },
        {
            "type": "opt_out",
            "line": None,
            "occurred_at": MONDAY,
            "channel": "dakar",
            "reason": "refusal",
            "brand": None,
            "media": EVERY,
            "standing": [],
            "voided_at": None,
        },
    ]
    await objected(desk, occurred_at=TUESDAY, media=["sms"])
    assert await standing(desk) == [(None, ["sms"], 2)], "at the act's own time it stands"


async def test_a_late_ground_for_every_brand_outlives_one_brand_s_reinstatement(
    desk: httpx.AsyncClient,
) -> None:
    await reinstated(desk, occurred_at=TUESDAY, brand="choucroute")
    await objected(desk, occurred_at=MONDAY, media=["voice"])
    assert await decided(desk, brand="choucroute") == "block"


async def test_whoever_objects_again_after_coming_back_is_blocked(desk: httpx.AsyncClient) -> None:
    await objected(desk, occurred_at=MONDAY)
    await reinstated(desk, occurred_at=TUESDAY)
    assert await decided(desk) == "allow"
    await objected(desk, occurred_at=WEDNESDAY, media=["voice"])
    assert await standing(desk) == [(None, ["voice"], 3)]


async def test_a_fast_clock_s_reinstatement_does_not_lift_what_is_said_after_it(
    desk: httpx.AsyncClient,
) -> None:
    ahead = wire_time(now() + timedelta(minutes=4))
    answer = (await reinstated(desk, occurred_at=ahead)).json()
    assert answer["occurred_at"] == answer["recorded_at"]
    await objected(desk)
    assert await decided(desk) == "block"


async def test_voiding_takes_back_one_opt_out_and_leaves_the_others(
    desk: httpx.AsyncClient,
) -> None:
    mistake = await objected(desk, occurred_at=MONDAY, identifiers=[PHONE, EMAIL])
    await objected(desk, occurred_at=TUESDAY, media=["voice"])
    answer = await desk.post(f"/v1/opt-outs/{mistake['id']}/void", json={"reason": "wrong file"})
    assert answer.status_code == 200
    assert drop(answer.json(), "voided_at") == {"id": mistake["id"], "position": 5}
    assert await standing(desk) == [(None, ["voice"], 3)]
    assert (await asked(desk))["reasons"][0]["since"] == TUESDAY
    assert await decided(desk, email=EMAIL["value"], medium="email") == "allow"
    history = (await searched(desk))["history"]
    assert [(act["standing"], act["voided_at"]) for act in history] == [
        (["voice"], None),
        ([], answer.json()["voided_at"]),
    ]
    again = await desk.post(f"/v1/opt-outs/{mistake['id']}/void", json={"reason": "again"})
    assert again.json() == answer.json() | {"position": None}
    audit = (await desk.get("/v1/audit")).json()["items"]
    subjects = [act["subject"] for act in audit if act["action"] == "opt-out.voided"]
    assert subjects == [f"opt-out:{mistake['id']}"], "a void sent twice is one act"


async def test_voiding_the_oldest_of_equal_grounds_changes_since_and_tells_nobody(
    desk: httpx.AsyncClient,
) -> None:
    first = await objected(desk, occurred_at=MONDAY, media=["voice"])
    await objected(desk, occurred_at=TUESDAY, media=["voice"])
    answer = await desk.post(f"/v1/opt-outs/{first['id']}/void", json={"reason": "mistake"})
    assert answer.json()["position"] is None
    found = (await searched(desk))["suppressions"]
    assert [(one["since"], one["version"]) for one in found] == [(TUESDAY, 2)]


async def test_a_voided_ground_no_longer_hinders_a_reinstatement(desk: httpx.AsyncClient) -> None:
    mistake = await objected(desk, occurred_at=WEDNESDAY)
    assert (await reinstated(desk, occurred_at=TUESDAY)).status_code == 409
    await desk.post(f"/v1/opt-outs/{mistake['id']}/void", json={"reason": "mistake"})
    assert (await reinstated(desk, occurred_at=TUESDAY)).status_code == 201


async def test_voids_and_reinstatements_at_once_leave_what_a_single_order_would(
    database: Database,
) -> None:
    registry = Registry(database)
    people = [phone(number) for number in range(4)]
    receipts = [await registry.object(*people) for _ in range(6)]

    async def undo(number: int) -> None:
        for _ in range(2):
            await registry.void(receipts[number].opt_out.id)

    await asyncio.gather(*(undo(number % 6) for number in range(12)))
    async with database.reading() as session:
        found: Any = await session.execute(text("SELECT media, version, since FROM suppressions"))
        assert [tuple(row) for row in found] == [(0, 7, None)] * 4
