"""Checks that ask the law too: one, many, a file; the past; the rules in force."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.checks import Counsel, LawfulCheckOut
from app.contacts import (
    Audience,
    PositiveAct,
    SourceKind,
)
from app.identifiers import Identifier, mask
from app.journal import Kind, Media
from app.platform.clock import now
from app.platform.db import Database
from app.scrubbing import suppressed
from app.scrubbing.job import _Scrubbing
from tests.acts import phone
from tests.book import OBJECT, OTHER, Book, told
from tests.conftest import Caller
from tests.scrubbing import refreshed, result, scrub, working

if TYPE_CHECKING:
    from app.checks import Desk

CAMPAIGN = {"object": OBJECT}
FRIDAY = "2026-11-20T11:00:00+01:00"
GUADELOUPE = Identifier(Kind.PHONE, "+590690123456")
STRANGER = phone(99)
BRANDS = ("lawful", "other", "plain")


@pytest.fixture
async def book(database: Database, admin: httpx.AsyncClient) -> Book:
    """Open a registry with three brands, of which one is covered by the law."""
    for slug in BRANDS:
        body = {"slug": slug, "name": slug}
        if slug != "plain":
            body["coverage"] = "law"
        assert (await admin.post("/v1/brands", json=body)).status_code == 201
    return Book(database)


async def asked(client: httpx.AsyncClient, person: Identifier, **other: Any) -> dict[str, Any]:  # noqa: ANN401 - fields
    """Ask about a call to somebody for the lawful brand."""
    body = {
        person.kind.word: person.value,
        "medium": "voice",
        "brand": "lawful",
        "campaign": CAMPAIGN,
        **other,
    }
    answer = await client.post("/v1/checks", json=body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def test_a_check_answers_with_the_law_and_the_proof(
    admin: httpx.AsyncClient, book: Book
) -> None:
    person = phone(1)
    await book.consent(person)
    answer = await asked(admin, person, at=FRIDAY)
    assert answer["obligations"][1]["code"] == "say_who_calls_and_why"
    del answer["obligations"]
    assert answer == {
        "decision": "allow",
        "reasons": [
            {
                "code": "consent_r223_1",
                "rule": "FR-V-20",
                "pack": "fr",
                "basis": ["L223-1 al.1-3", "R223-1", "R223-2"],
                "confidence": "high",
                "says": {
                    "fr": "La personne a consenti à être appelée, et la preuve en est complète.",
                    "en": "The person consented to be called, and the proof is complete.",
                },
            }
        ],
        "evaluated": ["suppressions", "law"],
        "next_allowed_at": None,
        "countries": ["FR"],
        "country_from": "number",
        "packs": ["core-eu 2026-11-21", "fr 2026-11-21"],
        "incomplete": False,
        "checked_at": "2026-11-20T10:00:00.000000Z",
        "valid_until": None,
        "identifier": {"kind": "phone", "masked": mask(person)},
        "position": 0,
    }
    present = await asked(admin, person, medium="post", phone=None, customer="crm:1")
    assert told(present) == ("allow", ["post_opt_out"])
    lasts = datetime.fromisoformat(present["valid_until"]) - datetime.fromisoformat(
        present["checked_at"]
    )
    assert timedelta(0) < lasts <= timedelta(seconds=300)
    assert present["country_from"] == "default"


@pytest.mark.parametrize(
    ("person", "at"),
    [
        (phone(1), FRIDAY),
        (phone(1), None),
        (STRANGER, FRIDAY),
        (Identifier(Kind.EMAIL, 'q"\\é@example.com'), None),
        (Identifier(Kind.CUSTOMER, "crm:\u2028<1"), FRIDAY),
    ],
)
async def test_an_answer_is_written_as_its_model_would_write_it(
    admin: httpx.AsyncClient, book: Book, person: Identifier, at: str | None
) -> None:
    await book.consent(phone(1))
    medium = "voice" if person.kind is Kind.PHONE else "email"
    body = {person.kind.word: person.value, "medium": medium, "brand": "lawful", "at": at}
    answer = await admin.post("/v1/checks", json={**body, "campaign": CAMPAIGN})
    assert answer.text == LawfulCheckOut.model_validate_json(answer.content).model_dump_json()
    assert answer.json()["identifier"] == {"kind": person.kind.word, "masked": mask(person)}


@pytest.mark.usefixtures("book")
async def test_a_process_has_loaded_the_law_before_it_serves_a_brand_that_is_covered(
    database: Database,
) -> None:
    counsel = Counsel(database, ())
    await counsel.prepare()
    assert counsel.is_loaded
    async with database.transaction() as session:
        await session.execute(text("UPDATE brands SET coverage = NULL"))
    uncovered = Counsel(database, ())
    await uncovered.prepare()
    assert not uncovered.is_loaded


@pytest.mark.parametrize(
    ("told_of", "reason"),
    [
        pytest.param(
            {"told": {"evidence": {"kind": "template"}}}, "no_valid_phone_consent", id="EDF"
        ),
        pytest.param(
            {"positive_act": PositiveAct.PRE_TICKED_BOX}, "no_valid_phone_consent", id="Tagadamedia"
        ),
        pytest.param({"brand": OTHER}, "no_valid_phone_consent", id="the two clairvoyants"),
        pytest.param(
            {"source": SourceKind.SUPPLIER, "told": {"source": {"lot": "7"}}},
            "no_individual_proof_of_consent",
            id="a lot without its proofs",
        ),
    ],
)
async def test_a_consent_that_proves_too_little_permits_nothing(
    admin: httpx.AsyncClient, book: Book, told_of: dict[str, Any], reason: str
) -> None:
    await book.consent(phone(1), **told_of)
    answer = await asked(admin, phone(1), at=FRIDAY)
    assert told(answer) == ("block", [reason])


async def test_what_stands_blocks_before_any_pack_is_asked(
    admin: httpx.AsyncClient, book: Book
) -> None:
    """Proximus: the consent came after the objection, and lifts nothing."""
    person = phone(1)
    await book.registry.object(person, at=datetime(2026, 9, 1, tzinfo=UTC))
    await book.consent(person)
    for moment in ({}, {"at": FRIDAY}):
        answer = await asked(admin, person, **moment)
        assert (answer["decision"], answer["evaluated"]) == ("block", ["suppressions"])
        assert [one["code"] for one in answer["reasons"]] == ["opted_out"]
    before = await asked(admin, person, at="2026-08-31T11:00:00Z")
    assert (before["decision"], before["evaluated"]) == ("block", ["suppressions", "law"])


@pytest.mark.usefixtures("book")
async def test_coverage_is_a_brands_own_or_the_settings(
    admin: httpx.AsyncClient, app: FastAPI
) -> None:
    async def evaluated(**other: Any) -> list[str]:  # noqa: ANN401 - fields
        return list((await asked(admin, STRANGER, **other))["evaluated"])

    both = ["suppressions", "law"]
    assert await evaluated() == both
    assert await evaluated(brand="plain") == ["suppressions"]
    assert await evaluated(brand=None) == ["suppressions"]
    await admin.patch("/v1/brands/plain", json={"coverage": "law"})
    assert await evaluated(brand="plain") == both
    await admin.patch("/v1/brands/plain", json={"coverage": "suppressions"})
    desk: Desk = app.state.desk
    desk.counsel.is_default = True
    assert await evaluated(brand="plain") == ["suppressions"]
    assert await evaluated(brand=None) == both


async def test_a_check_on_either_side_of_one_oclock_and_of_midnight_overseas(
    admin: httpx.AsyncClient, book: Book
) -> None:
    for person in (phone(1), GUADELOUPE):
        await book.consent(person, given_at=datetime(2026, 8, 1, tzinfo=UTC))
    one = await asked(admin, phone(1), at="2026-11-20T12:59:59+01:00")
    assert one["decision"] == "allow"
    shut = await asked(admin, phone(1), at="2026-11-20T13:00:00+01:00")
    assert told(shut) == ("defer", ["outside_call_hours"])
    assert shut["next_allowed_at"] == "2026-11-20T13:00:00.000000Z"
    there = await asked(admin, GUADELOUPE, at="2026-11-20T12:59:59-04:00")
    assert (there["decision"], there["countries"]) == ("allow", ["GP"])
    midnight = {"phone": "+590690999999", "at": "2026-08-11T00:00:00+02:00"}
    assert told(await asked(admin, GUADELOUPE, **midnight))[1] == ["bloctel_not_checked"]
    paris = await asked(admin, STRANGER, at="2026-08-11T00:00:00+02:00")
    assert told(paris)[1] == ["no_valid_phone_consent"]


async def test_a_fifth_call_in_thirty_days_and_what_a_profile_changes(
    admin: httpx.AsyncClient, book: Book
) -> None:
    october = [datetime(2026, 10, day, 10, tzinfo=UTC) for day in (5, 6, 10, 20)]
    await book.consent(phone(1))
    await book.attempts(phone(1), *october)
    fifth = await asked(admin, phone(1), at="2026-10-21T11:00:00+02:00")
    assert told(fifth) == ("defer", ["frequency_cap_4_in_30_days"])
    assert fifth["next_allowed_at"] == "2026-11-04T09:00:00.000000Z"
    # Nestor: a professional, offered what does not fit the job.
    await book.profile(
        phone(2), audience=Audience.PROFESSIONAL, sole_trader=False, fits=("pallets",)
    )
    assert told(await asked(admin, phone(2), at=FRIDAY)) == ("block", ["no_legal_basis"])
    fits = await asked(admin, phone(2), at=FRIDAY, campaign={"object": "Pallets"})
    assert told(fits) == ("allow", ["b2b_legitimate_interest"])
    await book.profile(phone(3), country="BE")
    belgian = await asked(admin, phone(3), at=FRIDAY)
    assert (belgian["countries"], belgian["country_from"]) == (["BE", "FR"], "profile")
    assert belgian["incomplete"]


async def test_the_past_is_judged_by_what_had_been_said_and_needs_a_scope(
    admin: httpx.AsyncClient, caller: Caller, book: Book
) -> None:
    body = {"phone": "06 39 98 00 01", "medium": "voice", "brand": "lawful", "at": FRIDAY}
    weak, strong = await caller("checks"), await caller("checks", "evidence:read")
    assert (await weak.post("/v1/checks", json=body)).status_code == 403
    assert (await strong.post("/v1/checks", json=body)).status_code == 200
    ahead = (now() + timedelta(hours=1)).isoformat()
    refused = await strong.post("/v1/checks", json={**body, "at": ahead})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/unusable-moment")
    person, monday = phone(5), datetime(2026, 6, 1, tzinfo=UTC)
    await book.registry.object(person, at=monday)
    await book.registry.reinstate(person, at=monday + timedelta(days=10))
    for days, decision in ((-1, "allow"), (1, "block"), (11, "allow")):
        at = (monday + timedelta(days=days)).isoformat()
        assert (await asked(admin, person, at=at, brand="plain"))["decision"] == decision


async def test_the_past_is_judged_by_who_somebody_was_known_to_be(
    admin: httpx.AsyncClient, book: Book
) -> None:
    known = {"audience": Audience.PROFESSIONAL, "sole_trader": False, "fits": (OBJECT,)}
    await book.profile(phone(2), at=datetime(2026, 11, 2, tzinfo=UTC), **known)
    await book.profile(phone(2), at=datetime(2026, 11, 19, tzinfo=UTC), country="FR")
    for at, answer in (
        ("2026-10-30T11:00:00+01:00", ("block", ["no_valid_phone_consent"])),
        ("2026-11-18T11:00:00+01:00", ("allow", ["b2b_legitimate_interest"])),
        (FRIDAY, ("block", ["no_valid_phone_consent"])),
        (None, ("block", ["no_valid_phone_consent"])),
    ):
        assert told(await asked(admin, phone(2), at=at)) == answer, at


async def test_a_batch_says_of_each_why_and_when(admin: httpx.AsyncClient, book: Book) -> None:
    allowed, objected, old = phone(1), phone(2), phone(3)
    await book.contract(allowed)
    await book.registry.object(objected)
    await book.contract(old, to_on=date(2026, 2, 1))
    items = [{"phone": one.value} for one in (allowed, objected, old, STRANGER)]
    items += [{"phone": "?"}, {"phone": GUADELOUPE.value}]
    body = {"medium": "voice", "brand": "lawful", "campaign": CAMPAIGN, "items": items}
    answer = (await admin.post("/v1/checks/batch", json=body)).json()
    assert answer["evaluated"] == ["suppressions", "law"]
    first, second, *others = answer["results"]
    now_and_then = {
        "allow": (None, None),
        "defer": ("outside_call_hours", first["next_allowed_at"]),
    }
    assert (first["code"], first["next_allowed_at"]) == now_and_then[first["decision"]]
    assert (first["decision"] == "defer") == (first["next_allowed_at"] is not None)
    assert (second["decision"], second["code"]) == ("block", "opted_out")
    assert second["since"] is not None
    codes = ["no_valid_phone_consent", "no_valid_phone_consent", "unusable"]
    assert [one["code"] for one in others] == [*codes, "no_valid_phone_consent"]
    counts = answer["counts"]
    assert sum(counts.values()) == len(items)
    assert (counts["block"], counts["unusable"]) == (4, 1)
    plain = (await admin.post("/v1/checks/batch", json={**body, "brand": "plain"})).json()
    assert plain["results"][0] == {
        "ref": None,
        "decision": "allow",
        "code": None,
        "since": None,
    }
    assert plain["counts"] == {"allow": 4, "block": 1, "unusable": 1}


async def test_who_is_reinstated_while_a_file_is_scrubbed_is_judged_by_what_is_on_record(
    admin: httpx.AsyncClient, book: Book, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = [Identifier(Kind.EMAIL, f"m{number}@example.com") for number in range(3)]
    for person in mails[:2]:
        await book.registry.object(person)
    settle = _Scrubbing._settle  # noqa: SLF001 - all is decided, and nothing is settled

    async def reinstated(self: _Scrubbing, *given: Any) -> None:  # noqa: ANN401 - as they came
        for person in mails[:2]:
            await book.registry.reinstate(person)
        await settle(self, *given)

    monkeypatch.setattr(_Scrubbing, "_settle", reinstated)
    await book.consent(mails[0], medium=Media.EMAIL)
    content = ("email\n" + "".join(f"{one.value}\n" for one in mails)).encode()
    said = {"medium": "email", "brand": "lawful", "campaign": json.dumps(CAMPAIGN)}
    async with working(database):
        lines = (await result(admin, await scrub(admin, content, **said))).decode().splitlines()
    told = [line.split(",")[1:3] for line in lines[1:]]
    assert told == [["allow", ""], *[["block", told[2][1]]] * 2]


@pytest.mark.parametrize("part", [1, 1_000])
async def test_a_campaigns_file_comes_back_with_why_and_when(
    admin: httpx.AsyncClient,
    book: Book,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    part: int,
) -> None:
    """By post and e-mail, for no hours of the day may change what the test sees.

    Alike whether the roll is read whole or in parts, after the last of which the law is asked.
    """
    monkeypatch.setattr(suppressed, "PART", part)
    mails = [Identifier(Kind.EMAIL, f"m{number}@example.com") for number in range(4)]
    await book.consent(mails[0], medium=Media.EMAIL)
    await book.registry.object(mails[1])
    await book.contract(mails[2], opt_out_offered=True)
    rows = [*(one.value for one in mails), mails[0].value.upper(), "nobody"]
    content = ("email\r\n" + "\r\n".join(rows) + "\r\n").encode()
    said = {"medium": "email", "brand": "lawful", "campaign": json.dumps(CAMPAIGN)}
    async with working(database):
        job = await scrub(admin, content, **said)
        text = (await result(admin, job)).decode()
        await book.consent(mails[3], medium=Media.EMAIL)
        changed = await refreshed(admin, job)
        again = (await result(admin, changed)).decode()
        kept = await scrub(admin, content, **said, keep="allowed")
        fewer = (await result(admin, kept)).decode()
        plain = await scrub(admin, content, **{**said, "brand": "plain"})
        fourth = (await result(admin, plain)).decode()
    read = list(csv.reader(io.StringIO(text)))
    assert read[0] == ["email", "decision", "code", "since", "next_allowed_at"]
    assert [row[1:3] for row in read[1:]] == [
        ["allow", ""],
        ["block", "opted_out"],
        ["allow", ""],
        ["block", "no_legal_basis"],
        ["allow", "duplicate"],
        ["block", "unusable"],
    ]
    assert job["counts"] == {
        "allow": 3,
        "block": 2,
        "unusable": 1,
        "duplicate": 1,
        "defer": 0,
        "review": 0,
    }
    assert list(csv.reader(io.StringIO(again)))[1:] == [[mails[3].value, "allow", "", "", ""]]
    assert [row[0] for row in csv.reader(io.StringIO(fewer))][1:] == [
        rows[0],
        rows[2],
        rows[3],
        rows[4],
    ]
    assert fourth.splitlines()[0] == "email,decision,code,since"
    assert plain["counts"] == {"allow": 4, "block": 1, "unusable": 1, "duplicate": 1}
