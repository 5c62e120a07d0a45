"""Files of opt-outs over the wire: what is recorded, refused, told, and taken back as a whole."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from app.platform.db import Database
from tests.conftest import Caller
from tests.desk import decided, objected, register, reinstated
from tests.importing import counts, ended, entries, history, imported, send, voided, working
from tests.test_parties import problem

PEOPLE = "telephone\n06 39 98 00 01\n06 39 98 00 02\n"


@pytest.fixture
async def desk(admin: httpx.AsyncClient, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Register channels and brands, and do the jobs."""
    await register(admin)
    async with working(database):
        yield admin


async def test_the_rows_of_a_file_are_recorded_and_told_on_the_bulk_lane(
    desk: httpx.AsyncClient, database: Database
) -> None:
    file = (
        "Nom;Tél. portable;E-mail;Date d'opposition;motif;marque\r\n"
        "Anne;06 39 98 00 01;;13/03/2026;refusal;choucroute\r\n"
        ";;jeanne@example.com;2026-03-02T10:00:00+01:00;;\r\n"
    )
    taken = await send(desk, file, channel="dakar", media="voice|email", filename="stop.csv")
    one = await ended(desk, taken["id"])
    assert one == taken | {
        "state": "done",
        "rows": 2,
        "done_rows": 2,
        "done_bytes": len(file.encode()),
        "counts": {"recorded": 2, "unchanged": 0, "refused": 0},
        "position": 2,
        "started_at": one["started_at"],
        "ended_at": one["ended_at"],
        "filename": "stop.csv",
        "media": ["voice", "email"],
        "layout": {
            "format": "csv",
            "packed": None,
            "encoding": "utf-8",
            "delimiter": ";",
            "known": None,
            "columns": {
                "E-mail": "email",
                "Tél. portable": "phone",
                "Date d'opposition": "occurred_at",
                "motif": "reason",
                "marque": "brand",
            },
        },
    }
    assert await entries(database) == [(1, 2, 1), (1, 2, 1)]
    assert await decided(desk, brand="choucroute") == "block"
    assert await decided(desk, brand="sauerkraut") == "allow"
    (act,) = await history(desk)
    assert act == {
        "type": "import",
        "id": one["id"],
        "line": 2,
        "occurred_at": "2026-03-13T22:59:59.999999Z",
        "recorded_at": one["created_at"],
        "channel": "dakar",
        "reason": "refusal",
        "brand": "choucroute",
        "media": ["voice", "email"],
        "standing": ["voice", "email"],
        "voided_at": None,
    }


async def test_the_same_file_again_changes_nothing(
    desk: httpx.AsyncClient, database: Database
) -> None:
    first = await imported(desk, PEOPLE, channel="dakar")
    before = await history(desk), await entries(database)
    again = await imported(desk, PEOPLE, channel="dakar")
    assert (counts(first), counts(again)) == ((2, 0, 0), (0, 2, 0))
    assert again["position"] is None
    assert (await history(desk), await entries(database)) == before


async def test_whoever_stands_in_two_files_outlives_the_void_of_either(
    desk: httpx.AsyncClient, database: Database
) -> None:
    wrong = await imported(desk, PEOPLE, channel="dakar")
    right = await imported(desk, "tel\n0639980001\n", channel="dakar")
    assert counts(right) == (0, 1, 0)
    assert len(await entries(database)) == 2, "it is not told again"
    preview = await desk.get(f"/v1/imports/{wrong['id']}/void-preview")
    assert preview.json() == {
        "grounds": 2,
        "lifted": 1,
        "narrowed": 0,
        "staying": 1,
        "complete": True,
    }
    gone = await voided(desk, wrong["id"])
    assert gone["void"] == {
        "voided_at": gone["void"]["voided_at"],
        "reason": "the wrong file",
        "state": "done",
        "done_grounds": 2,
    }
    assert await entries(database) == [(1, 2, 1), (1, 2, 1), (2, 2, 2)]
    assert await decided(desk) == "block"
    assert await decided(desk, phone="06 39 98 00 02") == "allow"
    await voided(desk, right["id"])
    assert await decided(desk) == "allow"
    assert [act["standing"] for act in await history(desk)] == [[], []], "nothing is deleted"


async def test_voiding_a_file_leaves_what_was_said_otherwise(desk: httpx.AsyncClient) -> None:
    await objected(desk, media=["sms"])
    one = await imported(desk, PEOPLE, channel="dakar")
    assert counts(one) == (2, 0, 0), "for other media it is another ground"
    preview = await desk.get(f"/v1/imports/{one['id']}/void-preview")
    assert preview.json()["narrowed"] == 1
    await voided(desk, one["id"])
    assert await decided(desk, medium="sms") == "block"
    assert await decided(desk, medium="voice") == "allow"
    again = await desk.post(f"/v1/imports/{one['id']}/void", json={"reason": "once more"})
    assert again.json()["void"]["reason"] == "the wrong file"
    audit = (await desk.get("/v1/audit", params={"action": "import.voided"})).json()["items"]
    assert [act["subject"] for act in audit] == [f"import:{one['id']}"]


async def test_an_import_that_is_voided_before_its_turn_records_nothing(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await register(admin)
    one = await send(admin, PEOPLE, channel="dakar")
    answer = await admin.post(f"/v1/imports/{one['id']}/void", json={"reason": "wrong"})
    assert (answer.status_code, answer.json()["error"]) == (202, "cancelled")
    async with working(database):
        await ended(admin, one["id"])
    assert await entries(database) == []


async def test_a_dry_run_counts_and_records_nothing(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await objected(desk)
    file = "tel\n0639980001\n0639980002\n06 39 98 00 02\nnobody\n"
    tried = await imported(desk, file, channel="dakar", dry_run="true")
    assert (tried["dry_run"], tried["position"], counts(tried)) == (True, None, (1, 2, 1))
    assert len(await entries(database)) == 1
    assert await decided(desk, phone="06 39 98 00 02") == "allow"
    done = await imported(desk, file, channel="dakar")
    assert counts(done) == counts(tried)


async def test_a_row_that_occurred_before_a_reinstatement_is_kept_and_does_not_stand(
    desk: httpx.AsyncClient,
) -> None:
    await reinstated(desk, occurred_at="2026-03-03T09:00:00Z")
    file = "tel,date\n0639980001,2026-03-02T09:00:00Z\n"
    one = await imported(desk, file, channel="dakar")
    assert counts(one) == (1, 0, 0)
    assert await decided(desk) == "allow"
    assert counts(await imported(desk, file, channel="dakar")) == (0, 1, 0)
    later = await imported(desk, "tel,date\n0639980001,2026-03-04T09:00:00Z\n", channel="dakar")
    assert counts(later) == (1, 0, 0)
    assert await decided(desk) == "block"


async def test_whoever_was_erased_is_told_again_only_for_what_did_not_stand(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await imported(desk, PEOPLE, channel="dakar")
    async with database.transaction() as session:
        await session.execute(text("UPDATE contact_points SET sealed = NULL, erased_at = now()"))

    async def sealed() -> int:
        async with database.reading() as session:
            return int(await session.scalar(text("SELECT count(sealed) FROM contact_points")) or 0)

    await imported(desk, PEOPLE + " \n", channel="dakar")
    assert await sealed() == 0, "the digest is enough to recognise him"
    await imported(desk, "tel\n0639980001\n", channel="web")
    assert await sealed() == 1, "his objection elsewhere must be told"


async def test_only_mapped_columns_are_read(desk: httpx.AsyncClient, database: Database) -> None:
    file = "tel,mail\n0639980001,jeanne@example.com\n"
    one = await imported(desk, file, channel="dakar", mapping='{"tel": "phone"}')
    assert one["layout"]["columns"] == {"tel": "phone"}
    assert len(await entries(database)) == 1


async def test_a_known_export_says_for_what_its_rows_stand(desk: httpx.AsyncClient) -> None:
    file = "status,reason,email,created\n5.1.1,550 no such user,j@example.com,1773300000\n"
    one = await imported(desk, file, channel="web")
    assert (one["layout"]["known"], counts(one)) == ("sendgrid", (1, 0, 0))
    asked = {"identifier": {"kind": "email", "value": "j@example.com"}}
    (act,) = (await desk.post("/v1/suppressions/search", json=asked)).json()["history"]
    assert (act["reason"], act["media"]) == ("hard_bounce", ["email"])


async def test_the_file_is_deleted_and_its_digest_kept(
    desk: httpx.AsyncClient, database: Database
) -> None:
    one = await imported(desk, PEOPLE, channel="dakar")
    async with database.reading() as session:
        left = await session.execute(text("SELECT expires_at <= now() FROM files"))
        assert all(gone for (gone,) in left)
    assert len(one["sha256"]) == 64
    assert one["size"] == len(PEOPLE)


SAID: list[tuple[dict[str, str], str]] = [
    ({}, "/channel"),
    ({"channel": "dakar", "mapping": "{"}, "/mapping"),
    ({"channel": "dakar", "mapping": '{"tel": "shoe size"}'}, "/mapping/tel"),
    ({"channel": "dakar", "mapping": '{"tel": "reference"}'}, "/mapping/tel"),
    ({"channel": "dakar", "mapping": '{"tel": "phone", "tel": "email"}'}, "/mapping"),
    ({"channel": "dakar", "media": "fax"}, "/media"),
    ({"channel": "dakar", "media": "sms,email"}, "/media"),
    ({"channel": "dakar", "reason": "x"}, "/reason"),
    ({"channel": "dakar", "dry_run": "perhaps"}, "/dry_run"),
    ({"channel": "dakar", "occurred_at": "2999-01-01T00:00:00Z"}, "/occurred_at"),
    ({"channel": "dakar", "colour": "red"}, "/colour"),
    ({"channel": "nobody"}, "/channel"),
    ({"channel": "dakar", "brand": "nobody"}, "/brand"),
]


async def test_what_is_said_beside_a_file_is_checked_and_the_file_not_kept(
    desk: httpx.AsyncClient, database: Database
) -> None:
    for said, pointer in SAID:
        bare = await desk.post("/v1/imports", content=PEOPLE, params=said)
        form = await desk.post("/v1/imports", files={"file": PEOPLE}, data=said)
        for answer, place in ((bare, "/query"), (form, "")):
            assert answer.status_code == 422
            (fault,) = problem(answer)["errors"]
            assert fault["pointer"] == place + pointer
            assert ("joined by |" in fault["detail"]) == ("," in said.get("media", ""))
    async with database.reading() as session:
        assert not await session.scalar(
            text("SELECT count(*) FROM files WHERE expires_at > now() + interval '1 minute'")
        )


async def test_a_key_bound_to_a_channel_sends_and_sees_that_one_s_imports_only(
    desk: httpx.AsyncClient, caller: Caller
) -> None:
    other = await imported(desk, PEOPLE, channel="web")
    dakar = await caller("opt-outs:write", channel="dakar")
    assert (
        await dakar.post("/v1/imports", content=PEOPLE, params={"channel": "web"})
    ).status_code == 403
    own = await imported(dakar, PEOPLE)
    assert own["channel"] == "dakar"
    listed = (await dakar.get("/v1/imports")).json()
    assert [one["id"] for one in listed["items"]] == [own["id"]]
    for path in ("", "/refused"):
        assert (await dakar.get(f"/v1/imports/{other['id']}{path}")).status_code == 404
    page = (await desk.get("/v1/imports", params={"limit": 1})).json()
    assert [one["id"] for one in page["items"]] == [own["id"]]
    rest = (await desk.get("/v1/imports", params={"cursor": page["next_cursor"]})).json()
    assert [one["id"] for one in rest["items"]] == [other["id"]]


async def test_a_form_is_taken_as_well_as_the_bare_file(desk: httpx.AsyncClient) -> None:
    answer = await desk.post(
        "/v1/imports",
        files={"file": ("stop.csv", PEOPLE.encode("utf-16"))},
        data={"channel": "dakar", "media": "voice"},
    )
    one = await ended(desk, answer.json()["id"])
    assert (counts(one), one["filename"], one["media"]) == ((2, 0, 0), "stop.csv", ["voice"])


async def test_an_idempotency_key_makes_one_import_of_two_requests(
    desk: httpx.AsyncClient, database: Database
) -> None:
    headers = {"Idempotency-Key": "nightly"}

    async def post(file: str) -> httpx.Response:
        said = {"channel": "dakar"}
        return await desk.post("/v1/imports", content=file, params=said, headers=headers)

    first, again, other = [await post(file) for file in (PEOPLE, PEOPLE, f"{PEOPLE}\n")]
    assert first.headers["location"] == f"/v1/imports/{first.json()['id']}"
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    await ended(desk, first.json()["id"])
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM jobs")) == 1


async def test_a_key_with_too_many_jobs_is_told_to_wait(
    admin: httpx.AsyncClient, caller: Caller, database: Database
) -> None:
    await register(admin)
    dakar = await caller("opt-outs:write", channel="dakar")
    answers = [
        await dakar.post("/v1/imports", content=PEOPLE)
        for _ in range(database.settings.key_jobs + 1)
    ]
    assert [answer.status_code for answer in answers[-2:]] == [202, 429]
    assert answers[-1].json()["type"] == "/problems/too-many-jobs"
    assert answers[-1].headers["retry-after"]
