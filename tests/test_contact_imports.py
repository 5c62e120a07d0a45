"""Files of consents, contracts, attempts and profiles: a row says what a request would."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.contacts import known_to
from app.files import JobRunner, Storage
from app.intake import CONTACTS, CONTACTS_VOID, contacts_handler, contacts_void_handler
from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from app.points import PointKeys
from tests.acts import phone
from tests.conftest import Caller
from tests.desk import count, objected, post, register
from tests.test_parties import problem

DEFAULTS = {
    "brand": "sauerkraut",
    "object": "home insurance",
    "medium": "voice",
    "wording_text": "May we call you about home insurance?",
    "wording_version": "1",
    "mentions": "who|what|period|withdrawal|copy",
    "positive_act": "ticked_box",
    "source": "supplier",
    "supplier": "sahel-calls",
    "lot": "2026-17",
}
LEADS = (
    "Tél;given_at;evidence_kind;evidence_reference\r\n"
    "06 39 98 00 01;13/03/2026 10:30;form_record;row 1\r\n"
    "06 39 98 00 02;13/03/2026;template;the form\r\n"
    "06 39 98 00 03;2026-03-13T10:30:00+01:00;;\r\n"
    "06 39 98;13/03/2026;form_record;row 4\r\n"
    "06 39 98 00 05;13/03/2099;form_record;row 5\r\n"
    "06 39 98 00 06;;form_record;row 6\r\n"
)


@pytest.fixture
async def desk(admin: httpx.AsyncClient, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Register channels and brands, and do the jobs."""
    await register(admin)
    keys = PointKeys.from_settings(database.settings)
    handlers = {
        CONTACTS: contacts_handler(Storage.of(database, keys.vault), keys),
        CONTACTS_VOID: contacts_void_handler(),
    }
    stopping = asyncio.Event()
    runner = asyncio.create_task(JobRunner(database, handlers).run(stopping))
    yield admin
    stopping.set()
    await runner


async def sent(client: httpx.AsyncClient, file: str, **said: object) -> dict[str, Any]:
    """Send a file and wait until it is done."""
    fields = {name: one if isinstance(one, str) else json.dumps(one) for name, one in said.items()}
    answer = await client.post("/v1/contact-imports", content=file.encode(), params=fields)
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(120):
        while True:
            one: dict[str, Any] = (await client.get(answer.headers["location"])).json()
            if one["state"] in ("done", "failed"):
                return one
            await asyncio.sleep(0.05)


async def states(client: httpx.AsyncClient, number: int) -> list[tuple[str, str, bool]]:
    """Tell of a person's consents when they were given, and what each is worth."""
    body = {"identifier": {"kind": "phone", "value": f"06 39 98 00 {number:02}"}}
    found = (await post(client, "/v1/consents/search", body)).json()["consents"]
    return [(one["given_at_local"], one["state"], one["objection_stands"]) for one in found]


async def test_leads_of_a_supplier_are_worth_what_each_one_s_own_proof_is(
    desk: httpx.AsyncClient,
) -> None:
    await objected(desk)
    done = await sent(desk, LEADS, kind="consents", defaults=DEFAULTS)
    assert (done["state"], done["rows"]) == ("done", 6)
    assert done["counts"] == {"recorded": 3, "unchanged": 0, "refused": 3, "objections": 1}
    assert await states(desk, 1) == [("2026-03-13T10:30:00+01:00", "valid", True)]
    # Of a day alone its beginning: the year that it lasts must not end a day too late.
    assert await states(desk, 2) == [("2026-03-13T00:00:00+01:00", "incomplete_proof", False)]
    assert await states(desk, 3) == [("2026-03-13T10:30:00+01:00", "third_party_unproven", False)]
    listed = (await desk.get(f"/v1/contact-imports/{done['id']}/refused")).text.splitlines()
    assert listed == [
        "line,column,value,reason",
        "5,Tél,,unusable_identifier",
        "6,given_at,,in_the_future",
        "7,given_at,,missing",
    ]
    again = await sent(desk, LEADS, kind="consents", defaults=DEFAULTS)
    assert again["counts"] == {"recorded": 0, "unchanged": 3, "refused": 3, "objections": 1}


async def test_a_dry_run_counts_what_would_happen_and_keeps_nothing(
    desk: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await objected(desk)
    # In several chunks: what one says, the others must know without its being kept.
    monkeypatch.setattr("app.intake.contact_imports.ROWS", 2)
    kept = {"consents": 0, "consent_wordings": 0, "contact_profiles": 0, "contact_objects": 0}
    digest = hashlib.sha256(DEFAULTS["wording_text"].encode()).hexdigest()
    plain = {name: one for name, one in DEFAULTS.items() if name != "wording_text"}
    lines = LEADS.splitlines()
    wordings = ["wording_text", DEFAULTS["wording_text"], *[""] * 5]
    told = [f"{line};{text};{digest}" for line, text in zip(lines, wordings, strict=True)]
    told[0] = f"{lines[0]};wording_text;wording_sha256"
    twice = "\r\n".join([*told, told[2]])
    tried = await sent(desk, twice, kind="consents", defaults=plain, dry_run="true")
    assert (tried["state"], tried["dry_run"], tried["done_rows"]) == ("done", True, 7)
    assert tried["counts"] == {"recorded": 3, "unchanged": 1, "refused": 3, "objections": 1}
    refused = (await desk.get(f"/v1/contact-imports/{tried['id']}/refused")).text.splitlines()
    assert len(refused) == 1 + 3
    who = "phone,country\n0639980001,FR\n0639980002,RE\n0639980001,FR\n"
    tried = await sent(desk, who, kind="profiles", dry_run="true")
    assert tried["counts"] == {"recorded": 2, "unchanged": 1, "refused": 0, "objections": 0}
    for table, rows in kept.items():
        assert await count(database, table) == rows, table
    assert await count(database, "contact_points") == 1, "the one who objected"
    done = await sent(desk, twice, kind="consents", defaults=plain)
    assert (done["dry_run"], done["counts"]) == (
        False,
        {"recorded": 3, "unchanged": 1, "refused": 3, "objections": 1},
    )


async def voided(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    """Take a file back, and wait until that is done: what is told of it."""
    answer = await client.post(f"/v1/contact-imports/{job}/void", json={"reason": "wrong file"})
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(120):
        while True:
            one: dict[str, Any] = (await client.get(f"/v1/contact-imports/{job}")).json()
            void: dict[str, Any] = one["void"]
            if void["state"] in ("done", "failed"):
                return void
            await asyncio.sleep(0.05)


async def test_a_wrong_file_of_consents_is_taken_back_and_may_come_again(
    desk: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.intake.contact_voids.RECORDS", 2)
    own = LEADS.splitlines()
    before = await sent(desk, "\r\n".join((own[0], own[2])), kind="consents", defaults=DEFAULTS)
    wrong = await sent(desk, LEADS, kind="consents", defaults=DEFAULTS)
    assert wrong["counts"]["recorded"] == 2, "one was said before"
    taken_back = await voided(desk, wrong["id"])
    assert (taken_back["state"], taken_back["done_records"]) == ("done", 2)
    assert [(await states(desk, one))[0][1] for one in (1, 2, 3)] == [
        "voided",
        "incomplete_proof",
        "voided",
    ]
    assert await voided(desk, wrong["id"]) == taken_back
    # The right file holds the very same row: it is a consent again, and a mistake again.
    for number in (1, 2):
        right = await sent(desk, LEADS, kind="consents", defaults=DEFAULTS)
        assert right["counts"]["recorded"] == 2, number
        assert sorted(one[1] for one in await states(desk, 1)) == ["valid", "voided"]
        await voided(desk, right["id"])
        assert [one[1] for one in await states(desk, 1)] == ["voided"]
    digests = [
        PointKeys.from_settings(database.settings).digests.digest(phone(number))[1]
        for number in (1, 2)
    ]
    async with database.reading() as session:
        found = await known_to(session, digests, at=now())
    assert [one in found for one in digests] == [False, True]
    assert before["void"] is None


async def test_a_file_of_contracts_is_taken_back_and_no_other_kind_is(
    desk: httpx.AsyncClient, database: Database, caller: Caller
) -> None:
    contracts = "phone,brand,object,from_on\n0639980001,sauerkraut,shoes,2026-02-01\n"
    done = await sent(desk, contracts, kind="contracts")
    bound = await caller("contacts:write", channel="dakar")
    path = f"/v1/contact-imports/{done['id']}/void"
    assert (await bound.post(path, json={"reason": "no"})).status_code == 403
    await voided(desk, done["id"])
    assert await count(database, "contracts") == 0
    again = await sent(desk, contracts, kind="contracts")
    assert again["counts"]["recorded"] == 1
    tried = await sent(desk, contracts, kind="contracts", dry_run="true")
    await voided(desk, tried["id"])
    assert await count(database, "contracts") == 1, "a dry run brought nothing"
    profiles = await sent(desk, "phone,country\n0639980001,FR\n", kind="profiles")
    refused = await desk.post(
        f"/v1/contact-imports/{profiles['id']}/void", json={"reason": "wrong"}
    )
    assert problem(refused)["type"] == "/problems/not-voidable"


async def test_the_other_records_come_by_file_too(
    desk: httpx.AsyncClient, database: Database
) -> None:
    at = wire_time(now())
    for kind, file in {
        "contracts": "phone,brand,object,from_on,to_on,opt_out_offered\n"
        "0639980001,sauerkraut,shoes,01/02/2026,31/12/2099,oui\n"
        "0639980001,sauerkraut,shoes,01/03/2026,01/02/2026,non\n",
        "attempts": f"phone,medium,attempted_at\n0639980001,voice,{at}\n0639980001,fax,{at}\n",
        "profiles": "phone,audience,country,time_zone,fits,evidence_kind,evidence_reference\n"
        "0639980001,professional,RE,Indian/Reunion,ovens|flour,register,RCS 1\n"
        "0639980002,professional,RE,Indian/Atlantis,,register,RCS 1\n",
    }.items():
        done = await sent(desk, file, kind=kind)
        assert done["counts"]["recorded"] == done["counts"]["refused"] == 1, (kind, done)
    assert await count(database, "contracts") == 1
    assert await count(database, "contact_attempts") == 1
    body = {"identifier": {"kind": "phone", "value": "06 39 98 00 01"}}
    profile = (await post(desk, "/v1/profiles/search", body)).json()["profile"]
    assert (profile["time_zone"], profile["fits"]) == ("Indian/Reunion", ["ovens", "flour"])


@pytest.mark.parametrize(
    ("file", "said", "error"),
    [
        ("brand,object\nsauerkraut,shoes\n", {}, "no-contact-points"),
        ("phone,object\n0639980001,x\n", {"mapping": {"nothing": "object"}}, "bad-mapping"),
        ("0639980001\n0639980002\n", {}, "no-header"),
    ],
)
async def test_a_file_without_what_it_needs_fails_and_says_what(
    desk: httpx.AsyncClient, file: str, said: dict[str, Any], error: str
) -> None:
    done = await sent(desk, file, kind="consents", defaults=DEFAULTS, **said)
    assert (done["state"], done["error"]) == ("failed", error)


async def test_fields_that_there_are_not_are_422_and_others_files_404(
    desk: httpx.AsyncClient, caller: Caller
) -> None:
    answer = await desk.post(
        "/v1/contact-imports",
        content=LEADS.encode(),
        params={"kind": "attempts", "defaults": json.dumps({"wording_text": "x"})},
    )
    assert problem(answer)["type"] == "/problems/invalid-request"
    done = await sent(desk, LEADS, kind="consents", defaults=DEFAULTS)
    bound = await caller("contacts:write", channel="dakar")
    assert (await bound.get(f"/v1/contact-imports/{done['id']}")).status_code == 404
