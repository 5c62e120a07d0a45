"""The rules in force, told over the API and on the command line."""

import json

import httpx
from typer.testing import CliRunner, Result

from app.cli import policy  # noqa: F401 - it hangs its command on the app
from app.cli.root import app
from tests.book import told
from tests.conftest import Caller
from tests.test_policy import CASES


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


async def test_the_rules_in_force_are_told_with_what_changes_next(
    caller: Caller, admin: httpx.AsyncClient
) -> None:
    reader = await caller("parties:read")
    answer = (await reader.get("/v1/policies?on=2026-08-10&country=FR")).json()
    assert [one["pack"] for one in answer["packs"]] == ["core-eu", "fr"]
    rules = {one["id"]: one for one in answer["packs"][1]["rules"]}
    assert "FR-V-20" not in rules
    assert rules["FR-V-12"] == {
        "from": "2016-06-01",
        "to": "2026-08-11",
        "id": "FR-V-12",
        "kind": "prohibit",
        "media": ["voice_live"],
        "audience": ["consumer"],
        "when": {
            "bloctel": ["stale", "unknown"],
            "contract": ["ended", "none", "ongoing_unrelated"],
        },
        "reason": "bloctel_not_checked",
        "basis": ["L223-1 (2020 version)"],
        "confidence": "high",
        "note": None,
        "says": {
            "fr": "Bloctel n'avait pas été consulté, ou trop anciennement.",
            "en": "Bloctel had not been consulted, or too long ago.",
        },
    }
    assert answer["next_change"]["on"] == "2026-08-11"
    changes = {(one["name"], one["change"]) for one in answer["next_change"]["changes"]}
    assert {("FR-V-12", "ends"), ("FR-V-20", "begins"), ("consent_days", "begins")} <= changes
    everything = (await admin.get("/v1/policies")).json()
    assert len(everything["packs"]) == 9
    assert (await admin.get("/v1/policies?on=2026-13-01")).status_code == 422
    assert (await (await caller("checks")).get("/v1/policies")).status_code == 403


async def test_rules_are_evaluated_under_given_facts(caller: Caller) -> None:
    reader = await caller("parties:read")
    body = {
        "at": "2026-11-21T11:00:00Z",
        "country": "FR",
        "medium": "voice",
        "audience": "consumer",
        "facts": {"consent": "valid", "call_window": "outside"},
    }
    answer = (await reader.post("/v1/policies/evaluate", json=body)).json()
    assert told(answer) == ("defer", ["outside_call_hours"])
    assert answer["next_allowed_at"] == "2026-11-23T09:00:00.000000Z"
    assert (answer["evaluated"], answer["country_from"]) == (["law"], "given")
    inside = {**body, "facts": {"consent": "valid"}}
    assert (await reader.post("/v1/policies/evaluate", json=inside)).json()["decision"] == "allow"
    machine = {**inside, "automated": True, "facts": {"caller_id_range": "not_npv"}}
    answer = (await reader.post("/v1/policies/evaluate", json=machine)).json()
    assert told(answer) == ("block", ["caller_id_not_npv"])
    for wrong in ({"facts": {"consent": "fine"}}, {"facts": {"x": 1}}, {"country": "fr"}):
        refused = await reader.post("/v1/policies/evaluate", json={**body, **wrong})
        assert refused.status_code == 422


async def test_each_dated_case_is_answered_alike_over_the_wire(caller: Caller) -> None:
    reader = await caller("parties:read")
    for case in CASES:
        medium, _, how = case["medium"].partition("_")
        body = {
            "at": f"{case['at']}T12:00:00Z",
            "medium": medium,
            "automated": how == "auto",
            **{name: case[name] for name in ("country", "audience", "facts")},
        }
        answer = await reader.post("/v1/policies/evaluate", json=body)
        assert answer.status_code == 200, (case["number"], answer.text)
        assert told(answer.json()) == (case["decision"], [case["reason"]]), case["number"]


def test_the_command_explains_a_decision_without_a_registry() -> None:
    asked = ["policy", "explain", "--medium", "voice", "--country", "FR", "--audience", "consumer"]
    at = ["--at", "2026-08-11T00:00:00+02:00"]
    done = _run(*asked, *at, "--fact", "consent=valid", "--json")
    assert done.exit_code == 0, done.stderr
    assert told(json.loads(done.stdout)) == ("allow", ["consent_r223_1"])
    words = _run(*asked, *at, "--language", "fr").stdout.splitlines()
    assert words[0] == "block"
    assert words[1].startswith("- no_valid_phone_consent: Depuis le 11 août 2026")
    assert _run(*asked, "--fact", "consent=fine").exit_code == 2
