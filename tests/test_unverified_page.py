"""The page by which an admin undoes what a prank silenced by the open form."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import httpx

from app.accounts import Role
from app.platform.clock import now
from app.platform.db import Database
from tests.conftest import Caller
from tests.desk import PHONE, decided, objected
from tests.desk import register as register_all
from tests.officers import browser_of
from tests.people import submit, words_in


async def test_what_a_prank_silenced_is_seen_first_and_then_voided_for_a_reason(
    caller: Caller, admin: httpx.AsyncClient, database: Database
) -> None:
    await register_all(admin)
    await objected(admin, media=["sms"])
    stranger = await caller()
    for who in (PHONE["value"], "jo@example.com"):
        assert (await submit(stranger, "/objection", who=who, scope="all")).status_code == 200
    administrator = await browser_of(caller, database, Role.ADMIN)
    local = now().astimezone(ZoneInfo("Europe/Paris"))
    asked = {
        "channel": "web",
        "since": f"{local - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        "until": f"{local + timedelta(minutes=2):%Y-%m-%dT%H:%M}",
    }
    page = f"/unverified?{httpx.QueryParams(asked)}"
    seen = await administrator.get(page)
    assert "2 unverified opt-outs" in words_in(seen)
    assert f'value="{asked["since"]}"' in seen.text
    unreasoned = await submit(administrator, page, "/unverified", **asked, reason=" ")
    assert unreasoned.status_code == 422
    assert await decided(admin) == "block"
    done = await submit(administrator, page, "/unverified", **asked, reason="a prank")
    assert done.status_code == 303
    left = words_in(await administrator.get(done.headers["location"]))
    assert "2 voided. None is left." in left
    assert await decided(admin) == "allow"
    assert await decided(admin, phone=PHONE["value"], medium="sms") == "block"
    assert "There are none in this interval." in words_in(await administrator.get(page))
    turned = asked | {"since": asked["until"], "until": asked["since"]}
    refused = await administrator.get("/unverified", params=turned)
    assert refused.status_code == 422
    assert "The interval must end after it begins." in words_in(refused)
    (_, second) = (await admin.get("/v1/audit?action=opt-out.voided")).json()["items"]
    assert second["actor"].startswith("user:")
