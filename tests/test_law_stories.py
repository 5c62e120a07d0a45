"""Stories of those who were fined, told through the API from the record to the decision."""

from typing import Any

import httpx
import pytest

from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from tests.desk import PHONE, post
from tests.importing import imported, voided, working
from tests.test_consents import CONSENT, PROFILE
from tests.test_parties import CHANNEL, PARTY, made

COMPANIES = ("edf", "tagadamedia", "cosmos", "telema", "nestor")
LOT = {"kind": "supplier", "supplier": "sahel-calls", "lot": "2026-17"}
FRIDAY = "2026-11-20T11:00:00+01:00"
"""A working day, within the hours of calls, while the consents of autumn are valid."""


@pytest.fixture
async def registry(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Register companies whose checks ask the law, a supplier, and a channel."""
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/channels", CHANNEL | {"slug": "dakar", "inbound": None})
    for slug in COMPANIES:
        await made(admin, "/v1/brands", {"slug": slug, "name": slug, "coverage": "law"})
    return admin


async def consented(client: httpx.AsyncClient, brand: str, **said: object) -> dict[str, Any]:
    """Record a consent of 1 October to a brand: the answer."""
    given = {"brand": brand, "given_at": "2026-10-01T10:00:00+02:00", "slots": []}
    answer: dict[str, Any] = (await made(client, "/v1/consents", CONSENT | given | said)).json()
    return answer


async def asked(client: httpx.AsyncClient, brand: str, **said: object) -> tuple[str, str]:
    """Ask on that Friday about a call: the decision and its first reason."""
    body = {
        "phone": PHONE["value"],
        "medium": "voice",
        "brand": brand,
        "campaign": {"object": "home insurance"},
        "at": FRIDAY,
    }
    answer = (await post(client, "/v1/checks", body | said)).json()
    return answer["decision"], answer["reasons"][0]["code"]


async def test_edf_a_template_is_not_the_person_s_own_proof(registry: httpx.AsyncClient) -> None:
    template = {"kind": "template", "reference": "the form that the broker shows"}
    taken = await consented(registry, "edf", source=LOT, evidence=template, technical=None)
    assert (taken["state"], taken["lacks"]) == ("incomplete_proof", ["own_proof"])
    assert await asked(registry, "edf") == ("block", "no_valid_phone_consent")
    await consented(registry, "edf", source=LOT)
    assert await asked(registry, "edf") == ("allow", "consent_r223_1")


async def test_tagadamedia_a_box_that_is_ticked_already_is_no_act(
    registry: httpx.AsyncClient,
) -> None:
    taken = await consented(registry, "tagadamedia", positive_act="pre_ticked_box")
    assert (taken["state"], taken["lacks"]) == ("incomplete_proof", ["positive_act"])
    assert await asked(registry, "tagadamedia") == ("block", "no_valid_phone_consent")


async def test_two_clairvoyants_a_consent_to_one_company_serves_no_other(
    registry: httpx.AsyncClient,
) -> None:
    await consented(registry, "cosmos")
    assert await asked(registry, "cosmos") == ("allow", "consent_r223_1")
    assert await asked(registry, "telema") == ("block", "no_valid_phone_consent")
    for other in ({"object": "clairvoyance"}, None):
        decided = await asked(registry, "cosmos", campaign=other)
        assert decided == ("block", "no_valid_phone_consent")
    assert await asked(registry, "cosmos", medium="sms") == ("block", "no_legal_basis")


async def test_proximus_a_consent_that_comes_after_the_objection_lifts_nothing(
    registry: httpx.AsyncClient,
) -> None:
    objection = {"identifiers": [PHONE], "channel": "dakar"}
    await made(registry, "/v1/opt-outs", objection)
    taken = await consented(registry, "cosmos")
    assert (taken["state"], taken["objection_stands"]) == ("valid", True)
    batch = {"items": [CONSENT | {"brand": "telema"}]}
    answer = (await post(registry, "/v1/consents/batch", batch)).json()
    assert answer["objections"] == 1
    for brand in ("cosmos", "telema"):
        assert await asked(registry, brand, at=None) == ("block", "opted_out")
    # Their own later word does, and then the consent counts.
    back = {
        "identifier": PHONE,
        "channel": "dakar",
        "occurred_at": wire_time(now()),
        "evidence": {"kind": "letter", "reference": "7"},
    }
    await made(registry, "/v1/reinstatements", back)
    decided = await asked(registry, "cosmos", at=None)
    assert decided in {("allow", "consent_r223_1"), ("defer", "outside_call_hours")}


async def test_a_withdrawal_ends_the_consent_even_when_the_objection_is_lifted(
    registry: httpx.AsyncClient,
) -> None:
    await consented(registry, "cosmos")
    withdrawn = {"identifiers": [PHONE], "channel": "dakar", "reason": "consent_withdrawn"}
    await made(registry, "/v1/opt-outs", withdrawn)
    assert await asked(registry, "cosmos", at=None) == ("block", "opted_out")
    back = {
        "identifier": PHONE,
        "channel": "dakar",
        "occurred_at": wire_time(now()),
        "evidence": {"kind": "letter", "reference": "7"},
    }
    await made(registry, "/v1/reinstatements", back)
    assert await asked(registry, "cosmos", at=None) == ("block", "consent_withdrawn")


async def test_nestor_a_professional_is_called_about_what_fits_the_job(
    registry: httpx.AsyncClient,
) -> None:
    await made(registry, "/v1/profiles", PROFILE | {"country": None, "time_zone": None})
    fitting = {"object": "Bakery  OVENS"}
    assert await asked(registry, "nestor", campaign=fitting, at=None) == (
        "allow",
        "b2b_legitimate_interest",
    )
    lunch = {"object": "lunch at the office"}
    for medium in ("voice", "sms"):
        decision, reason = await asked(registry, "nestor", medium=medium, campaign=lunch, at=None)
        assert (decision, reason) == ("block", "no_legal_basis")


async def test_a_file_of_withdrawals_ends_consents_and_its_void_gives_them_back(
    registry: httpx.AsyncClient, database: Database
) -> None:
    taken = await consented(registry, "cosmos")

    async def state() -> str:
        return str((await registry.get(f"/v1/consents/{taken['id']}")).json()["state"])

    async with working(database):
        file = f"telephone\n{PHONE['value']}\n"
        said = {"channel": "dakar", "brand": "cosmos", "reason": "consent_withdrawn"}
        wrong = await imported(registry, file, **said)
        assert await state() == "withdrawn"
        await voided(registry, wrong["id"])
    assert await state() == "valid"
