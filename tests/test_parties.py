"""Brands, parties and channels, over the wire."""

import re
from typing import Any, get_args
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.intake.dialects import DIALECTS
from app.parties import find_brand, inbound_secret
from app.parties.inbound_models import DialectWord
from app.platform.db import Database
from app.platform.vault import Vault
from tests.conftest import SEALING_KEYS, Caller

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PARTY = {
    "slug": "sahel-calls",
    "name": "Sahel Calls",
    "kind": "subcontractor",
    "country": "SN",
    "contact_email": "privacy@example.com",
    "contract": {"reference": "C-2026-17", "signed_on": "2026-02-28"},
}
CHANNEL = {
    "slug": "mailer",
    "name": "The mailer",
    "kind": "email_provider",
    "party": "sahel-calls",
    "inbound": {
        "dialect": "sendgrid",
        "secret": "s3cr3t-of-theirs",
        "options": {"brands": ["a=roofs"]},
    },
}
SHOWN_CHANNEL = CHANNEL | {
    "inbound": {"dialect": "sendgrid", "options": {"brands": ["a=roofs"]}, "has_secret": True}
}
MAKES: dict[str, dict[str, Any]] = {
    "/v1/brands": {"slug": "b", "name": "B"},
    "/v1/parties": PARTY,
    "/v1/channels": CHANNEL,
}


def without_time(body: dict[str, Any]) -> dict[str, Any]:
    """Take away when it was made, which must be a time of the wire."""
    body = dict(body)
    assert TIME.fullmatch(body.pop("created_at"))
    return body


def problem(answer: httpx.Response) -> dict[str, Any]:
    """Take away the request's id from a problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.pop("instance") == f"urn:uuid:{answer.headers['x-request-id']}"
    return body


async def made(client: httpx.AsyncClient, path: str, body: object) -> httpx.Response:
    """Register something that must be accepted."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer


async def acts(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    """Read the audit without ids and times."""
    items = (await client.get("/v1/audit", params=query)).json()["items"]
    for item in items:
        assert UUID(item.pop("id")).version == 7
        assert TIME.fullmatch(item.pop("at"))
    return list(items)


async def test_a_brand_is_registered_read_listed_and_renamed(admin: httpx.AsyncClient) -> None:
    answer = await made(admin, "/v1/brands", {"slug": "sauerkraut", "name": "Sauerkraut"})
    assert without_time(answer.json()) == {"slug": "sauerkraut", "name": "Sauerkraut"}
    assert answer.headers["location"] == "/v1/brands/sauerkraut"
    assert (await admin.get("/v1/brands/sauerkraut")).json() == answer.json()
    assert (await admin.get("/v1/brands")).json() == {
        "items": [answer.json()],
        "next_cursor": None,
    }
    renamed = await admin.patch("/v1/brands/sauerkraut", json={"name": "Kraut"})
    assert renamed.status_code == 200
    assert renamed.json() == answer.json() | {"name": "Kraut"}
    assert (await admin.get("/v1/brands/sauerkraut")).json() == renamed.json()


async def test_a_party_keeps_what_a_change_leaves_out(admin: httpx.AsyncClient) -> None:
    answer = await made(admin, "/v1/parties", PARTY)
    assert without_time(answer.json()) == PARTY
    path = answer.headers["location"]
    assert path == "/v1/parties/sahel-calls"
    changed = await admin.patch(path, json={"country": "MA", "contract": None})
    assert changed.json() == answer.json() | {"country": "MA", "contract": None}
    contract = {"reference": "C-2", "signed_on": "2026-03-01"}
    changed = await admin.patch(path, json={"contract": contract})
    assert changed.json() == answer.json() | {"country": "MA", "contract": contract}
    assert (await admin.patch(path, json={})).json() == changed.json()
    assert (await admin.get(path)).json() == changed.json()
    assert (await admin.get("/v1/parties")).json()["items"] == [changed.json()]


async def test_a_party_without_a_contract_has_none(admin: httpx.AsyncClient) -> None:
    party = {key: value for key, value in PARTY.items() if key != "contract"}
    answer = await made(admin, "/v1/parties", party)
    assert without_time(answer.json()) == party | {"contract": None}


async def test_a_channel_tells_of_its_secret_only_that_it_is_set(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await made(admin, "/v1/parties", PARTY)
    answer = await made(admin, "/v1/channels", CHANNEL)
    assert without_time(answer.json()) == SHOWN_CHANNEL
    path = answer.headers["location"]
    for later in (
        await admin.get(path),
        await admin.patch(path, json={"name": "The mailer"}),
    ):
        assert without_time(later.json()) == SHOWN_CHANNEL
    listed = await admin.get("/v1/channels")
    assert listed.json() == {"items": [answer.json()], "next_cursor": None}
    async with database.reading() as session:
        sealed = await session.scalar(text("SELECT inbound_secret FROM channels"))
        assert b"s3cr3t" not in sealed
        vault = Vault.parse(SEALING_KEYS)
        assert await inbound_secret(session, vault, "mailer") == "s3cr3t-of-theirs"


async def test_an_inbound_secret_stays_until_another_provider_comes(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await made(admin, "/v1/parties", PARTY)
    path = (await made(admin, "/v1/channels", CHANNEL)).headers["location"]

    async def after(inbound: object) -> tuple[object, str | None]:
        answer = await admin.patch(path, json={"inbound": inbound})
        assert answer.status_code == 200
        async with database.reading() as session:
            secret = await inbound_secret(session, Vault.parse(SEALING_KEYS), "mailer")
        return answer.json()["inbound"], secret

    kept = {"dialect": "sendgrid", "options": {"national": True}}
    assert await after(kept) == (kept | {"has_secret": True}, "s3cr3t-of-theirs")
    other = {"dialect": "mailgun", "options": {}}
    assert await after(other) == (other | {"has_secret": False}, None)
    assert await after(other | {"secret": "new"}) == (other | {"has_secret": True}, "new")
    assert await after(None) == (None, None)


async def test_a_provider_that_nobody_here_understands_is_refused(
    admin: httpx.AsyncClient,
) -> None:
    """Else it would post to an address that is not there, and nobody would hear of it."""
    assert set(get_args(DialectWord)) == set(DIALECTS)
    await made(admin, "/v1/parties", PARTY)
    inbound = {"dialect": "sengrid", "secret": "x"}
    refused = [await admin.post("/v1/channels", json=CHANNEL | {"inbound": inbound})]
    path = (await made(admin, "/v1/channels", CHANNEL)).headers["location"]
    refused.append(await admin.patch(path, json={"inbound": inbound}))
    for answer in refused:
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
        assert [one["pointer"] for one in answer.json()["errors"]] == ["/inbound/dialect"]
    assert without_time((await admin.get(path)).json()) == SHOWN_CHANNEL


async def test_a_taken_slug_is_409_and_uses_up_no_number(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await made(admin, "/v1/brands", {"slug": "one", "name": "One"})
    for _ in range(3):
        answer = await admin.post("/v1/brands", json={"slug": "one", "name": "Again"})
        assert answer.status_code == 409
        assert problem(answer) == {
            "type": "/problems/already-exists",
            "title": "This slug is taken",
            "status": 409,
            "detail": "The slug 'one' is taken.",
        }
    await made(admin, "/v1/brands", {"slug": "two", "name": "Two"})
    async with database.reading() as session:
        assert (await find_brand(session, "one")).name == "One"
        assert (await find_brand(session, "two")).id == 2


async def test_names_are_not_blank_and_options_of_a_door_are_known(
    admin: httpx.AsyncClient,
) -> None:
    await made(admin, "/v1/parties", PARTY)
    for changed, pointer in (
        ({"name": " \u00a0\t"}, "/name"),
        ({"inbound": {"dialect": "sms", "options": {"Brand": "roofs"}}}, "/inbound/options/Brand"),
        ({"inbound": {"dialect": "sms", "options": {"media": "sms"}}}, "/inbound/options/media"),
    ):
        answer = await admin.post("/v1/channels", json=CHANNEL | changed)
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in problem(answer)["errors"]] == [pointer]


async def test_an_unknown_party_is_422_and_a_channel_unmade(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/v1/channels", json=CHANNEL)
    assert answer.status_code == 422
    assert problem(answer) == {
        "type": "/problems/unknown-party",
        "title": "There is no such party",
        "status": 422,
        "detail": "There is no party 'sahel-calls'; POST /v1/parties makes one.",
        "errors": [{"pointer": "/party", "detail": "is not registered"}],
    }
    assert (await admin.get("/v1/channels/mailer")).status_code == 404


@pytest.mark.parametrize("noun", ["brands", "parties", "channels"])
async def test_what_is_not_there_is_404(admin: httpx.AsyncClient, noun: str) -> None:
    for answer in (
        await admin.get(f"/v1/{noun}/none"),
        await admin.patch(f"/v1/{noun}/none", json={"name": "x"}),
    ):
        assert answer.status_code == 404
        assert problem(answer) == {
            "type": "/problems/not-found",
            "title": "There is no such thing",
            "status": 404,
            "detail": f"Nothing among the {noun} has the slug 'none'.",
        }


async def test_a_list_comes_in_pages_of_which_none_repeats_or_skips(
    admin: httpx.AsyncClient,
) -> None:
    for number in range(5):
        await made(admin, "/v1/brands", {"slug": f"b{number}", "name": "B"})
    seen: list[str] = []
    query = {"limit": "2"}
    for size in (2, 2, 1):
        page = (await admin.get("/v1/brands", params=query)).json()
        assert len(page["items"]) == size
        seen += [item["slug"] for item in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert page["next_cursor"] is None
    assert seen == ["b0", "b1", "b2", "b3", "b4"]


async def test_the_same_post_again_makes_nothing_and_answers_the_same(
    admin: httpx.AsyncClient,
) -> None:
    for path, body in MAKES.items():
        headers = {"Idempotency-Key": f"once {path}"}
        first = await admin.post(path, json=body, headers=headers)
        again = await admin.post(path, json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["location"] == first.headers["location"]
        assert again.json() == first.json()
        assert len((await admin.get(path)).json()["items"]) == 1


async def test_every_change_stands_in_the_audit(admin: httpx.AsyncClient) -> None:
    await made(admin, "/v1/brands", {"slug": "b", "name": "B"})
    await admin.patch("/v1/brands/b", json={"name": "C"})
    await made(admin, "/v1/parties", PARTY)
    await admin.patch(
        "/v1/parties/sahel-calls", json={"contact_email": "new@example.com", "contract": None}
    )
    await made(admin, "/v1/channels", CHANNEL)
    await admin.patch("/v1/channels/mailer", json={"inbound": CHANNEL["inbound"], "kind": "other"})
    await admin.post("/v1/brands", json={"slug": "b", "name": "refused, so not in the audit"})
    told = await acts(admin)
    key = told[0]["actor"]
    assert key.startswith("key:")
    assert told[0]["actor_name"].startswith("test ")
    assert [(act["actor"], act["actor_name"]) for act in told[:-1]] == [
        (key, told[0]["actor_name"])
    ] * 6
    assert [(act["action"], act["subject"], act["detail"]) for act in reversed(told[:-1])] == [
        ("brand.created", "brand:b", {"name": "B"}),
        ("brand.changed", "brand:b", {"name": ["B", "C"]}),
        ("party.created", "party:sahel-calls", {"kind": "subcontractor"}),
        (
            "party.changed",
            "party:sahel-calls",
            {
                "contact_email": None,
                "contract_reference": ["C-2026-17", None],
                "contract_signed_on": ["2026-02-28", None],
            },
        ),
        ("channel.created", "channel:mailer", {"party": "sahel-calls"}),
        (
            "channel.changed",
            "channel:mailer",
            {"kind": ["email_provider", "other"], "inbound_secret": None},
        ),
    ]
    assert (told[-1]["action"], told[-1]["actor"]) == ("key.created", "tests")


async def test_the_audit_tells_a_change_of_party_by_their_slugs(admin: httpx.AsyncClient) -> None:
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/parties", PARTY | {"slug": "other"})
    await made(admin, "/v1/channels", CHANNEL)
    await admin.patch("/v1/channels/mailer", json={"party": "other"})
    assert (await acts(admin))[0]["detail"] == {"party": [PARTY["slug"], "other"]}


async def test_the_audit_is_read_by_actor_action_time_and_page(
    admin: httpx.AsyncClient,
) -> None:
    for slug in ("a", "b", "c"):
        await made(admin, "/v1/brands", {"slug": slug, "name": slug})
    full = (await admin.get("/v1/audit", params={"action": "brand.created"})).json()
    assert [act["subject"] for act in full["items"]] == ["brand:c", "brand:b", "brand:a"]
    middle = full["items"][1]["at"]
    assert [act["subject"] for act in await acts(admin, since=middle)] == ["brand:c", "brand:b"]
    before = await acts(admin, until=middle, action="brand.created")
    assert [act["subject"] for act in before] == ["brand:a"]
    assert [act["action"] for act in await acts(admin, actor="tests")] == ["key.created"]
    first = (await admin.get("/v1/audit", params={"limit": "3"})).json()
    cursor = {"cursor": first["next_cursor"]}
    rest = (await admin.get("/v1/audit", params=cursor)).json()
    assert [act["subject"] for act in first["items"]] == ["brand:c", "brand:b", "brand:a"]
    assert [act["action"] for act in rest["items"]] == ["key.created"]
    assert rest["next_cursor"] is None


async def test_a_bound_key_reads_its_own_acts_alone(
    admin: httpx.AsyncClient, caller: Caller
) -> None:
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/channels", CHANNEL)
    bound = await caller("parties:write", "evidence:read", channel="mailer")
    await made(bound, "/v1/brands", {"slug": "own", "name": "Own"})
    assert [act["subject"] for act in await acts(bound)] == ["brand:own"]
    assert await acts(bound, actor="tests") == []


async def test_a_key_bound_to_a_channel_changes_no_other(
    admin: httpx.AsyncClient, caller: Caller
) -> None:
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/channels", CHANNEL)
    await made(admin, "/v1/channels", CHANNEL | {"slug": "other"})
    bound = await caller("parties:write", channel="mailer")
    assert (await bound.patch("/v1/channels/mailer", json={"name": "Mine"})).status_code == 200
    refused = await bound.patch("/v1/channels/other", json={"name": "Mine"})
    assert refused.status_code == 403
    assert problem(refused) == {
        "type": "/problems/forbidden",
        "title": "This key may not do that",
        "status": 403,
        "detail": "This key is bound to another channel and may act as that one only.",
    }
