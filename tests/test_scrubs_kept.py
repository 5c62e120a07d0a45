"""What is kept of scrubs: as of which position, for whom, for how long, and sealed."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.files import Storage, reading
from app.journal import Media
from app.platform.clock import now
from app.platform.db import Database
from app.points import PointKeys
from app.scrubbing import answers as kept
from app.scrubbing import campaigns, groups
from tests.acts import Registry, minute, phone
from tests.conftest import Caller
from tests.resting import at_rest
from tests.scrubbing import answers, ended, refreshed, result, scrub, working

LIST = "phone\n" + "".join(f"{phone(number).value}\n" for number in range(6))


async def test_a_refresh_gives_the_rows_whose_decision_changed_and_no_others(
    database: Database, caller: Caller
) -> None:
    registry = Registry(database)
    await registry.object(phone(0), at=minute(1))
    await registry.object(phone(1), at=minute(1))
    client = await caller("checks")
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice", keep="allowed")
        await registry.reinstate(phone(1))
        await registry.object(phone(2), at=minute(2))
        await registry.object(phone(3), media=Media.SMS)
        # Again, and back: nothing that a campaign must know.
        await registry.object(phone(0), at=minute(3))
        await registry.object(phone(4))
        await registry.reinstate(phone(4))
        again = await refreshed(client, job)
        assert again["position"] > job["position"]
        assert (again["refreshes"], again["rows"]) == (job["id"], 6)
        assert again["counts"] == {"allow": 1, "block": 1, "unusable": 0, "duplicate": 0}
        assert await answers(client, again) == {
            phone(1).value: "allow,,",
            phone(2).value: "block,opted_out,2026-03-01T00:02:00.000000Z",
        }
        await registry.object(phone(1))
        last = await refreshed(client, again)
        ((number, answer),) = (await answers(client, last)).items()
        assert (number, answer[:15]) == (phone(1).value, "block,opted_out")
        assert await answers(client, await refreshed(client, last)) == {}


async def test_a_file_too_large_to_be_remembered_is_read_again_and_answered_alike(
    database: Database, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(database)
    await registry.object(phone(1), at=minute(1))
    chance = random.Random(3)  # noqa: S311 - no secret
    people = [phone(chance.randrange(200)).value for _ in range(500)]
    content = "phone,id\n" + "".join(f"{number},{row}\n" for row, number in enumerate(people))
    # A reader gives some thousand rows at once, of whatever size a group is to be.
    monkeypatch.setattr(reading, "PIECE_BYTES", 1_000)
    monkeypatch.setattr(campaigns, "ROWS", 100)
    client = await caller("checks")
    async with working(database):
        small = await scrub(client, content.encode(), medium="voice")
        for module in (groups, kept):
            monkeypatch.setattr(module, "_REMEMBERED_BYTES", 1_500)
        large = await scrub(client, content.encode(), medium="voice")
        assert large["counts"] == small["counts"]
        assert large["counts"]["duplicate"] == len(people) - len(set(people))
        text = await result(client, large)
        assert text == await result(client, small)
        assert [line[: line.index(b",", 13)] for line in text.splitlines()[1:]] == [
            row.encode() for row in content.splitlines()[1:]
        ]
        await registry.object(phone(2))
        changed = (await result(client, await refreshed(client, large))).splitlines()[1:]
        assert len(changed) == people.count(phone(2).value) > 0


async def test_a_person_under_an_older_digest_key_is_found(
    database: Database, caller: Caller
) -> None:
    await Registry(database).object(phone(1), at=minute(1))
    client = await caller("checks")
    keys = database.settings.digest_keys
    assert keys is not None
    old = keys.get_secret_value()
    rotated = f"2:{'B' * 42}A=,{old}"
    changed = database.settings.model_copy(update={"digest_keys": type(keys)(rotated)})
    newer = Database(database.url, changed, database.write_engine, database.read_engine)
    async with working(newer):
        job = await scrub(client, LIST.encode(), medium="voice")
        assert job["counts"]["block"] == 1
        await Registry(newer).object(phone(2))
        again = await refreshed(client, job)
        assert [*await answers(client, again)] == [phone(2).value]


async def test_answers_of_a_program_that_grouped_rows_otherwise_are_not_gone_on_with(
    database: Database, caller: Caller
) -> None:
    client = await caller("checks")
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice")
        async with database.transaction() as session:
            await session.execute(text("UPDATE jobs SET resume = resume - 'grouping'"))
        again = await client.post(f"/v1/scrubs/{job['id']}/refresh")
        failed = await ended(client, again.json()["id"], "failed")
        assert failed["error"]["code"] == "keys-changed"


async def test_a_scrub_is_shown_to_its_own_key_and_to_administrators(
    database: Database, caller: Caller
) -> None:
    owner, other, admin = await caller("checks"), await caller("checks"), await caller("admin")
    reader = await caller("opt-outs:read", "opt-outs:write")
    async with working(database):
        job = await scrub(owner, LIST.encode(), medium="voice")
        for method, path in (
            ("GET", ""),
            ("GET", "/result"),
            ("POST", "/refresh"),
            ("DELETE", ""),
        ):
            url = f"/v1/scrubs/{job['id']}{path}"
            assert (await other.request(method, url)).status_code == 404
            assert (await reader.request(method, url)).status_code == 403
        assert (await reader.post("/v1/scrubs", content=LIST)).status_code == 403
        assert (await admin.get(f"/v1/scrubs/{job['id']}")).json() == job
        assert len(await answers(admin, job)) == 6


async def test_nothing_of_a_scrub_lies_plain(
    database: Database, caller: Caller, tmp_path: Path
) -> None:
    client = await caller("checks")
    content = b"id;phone\n7531;06 39 98 00 11\n7532;+33639980012\n"
    for folder in (None, tmp_path / "files"):
        settings = database.settings.model_copy(update={"files_dir": folder})
        async with working(Database(database.url, settings, *engines(database))):
            if folder is not None:
                # The app of the test has its own settings.
                client._transport.app.state.storage = Storage.of(  # type: ignore[attr-defined]  # noqa: SLF001
                    Database(database.url, settings, *engines(database)),
                    PointKeys.from_settings(settings).vault,
                )
            job = await scrub(client, content, medium="voice")
            assert b"7531;06 39 98 00 11;allow;;" in await result(client, job)
            resting = await at_rest(database, folder)
            for plain in (b"06 39 98 00 11", b"639980012", b"7531;"):
                assert plain not in resting
            assert folder is None or any(folder.rglob("*"))


def engines(database: Database) -> tuple[AsyncEngine, AsyncEngine]:
    return database.write_engine, database.read_engine


async def count_kept(database: Database) -> int:
    """Count the files that are kept."""
    async with database.reading() as session:
        return await session.scalar(text("SELECT count(*) FROM files")) or 0


async def forget(database: Database, *, after: timedelta) -> None:
    """Delete what is due by then."""
    vault = PointKeys.from_settings(database.settings).vault
    await Storage.of(database, vault).forget_expired(at=now() + after)


async def test_a_scrub_is_deleted_an_hour_after_its_download(
    database: Database, caller: Caller
) -> None:
    client = await caller("checks")
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice")
        await forget(database, after=timedelta(hours=23, minutes=59))
        assert await count_kept(database) == 3, "the upload, the answers, the result"
        await result(client, job)
        await forget(database, after=timedelta(minutes=59))
        assert len(await answers(client, job)) == 6
        await forget(database, after=timedelta(minutes=61))
        assert await count_kept(database) == 0
        for method, path in (("GET", "/result"), ("POST", "/refresh")):
            answer = await client.request(method, f"/v1/scrubs/{job['id']}{path}")
            assert (answer.status_code, answer.json()["type"]) == (410, "/problems/scrub-gone")
        assert (await client.get(f"/v1/scrubs/{job['id']}")).json()["counts"] == job["counts"]


async def test_a_scrub_nobody_downloads_is_deleted_after_a_day(
    database: Database, caller: Caller
) -> None:
    client = await caller("checks")
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice")
        await refreshed(client, job)
    await forget(database, after=timedelta(hours=24, minutes=1))
    assert await count_kept(database) == 0


async def test_a_scrub_can_be_deleted_at_once(database: Database, caller: Caller) -> None:
    client = await caller("checks")
    queued = await client.post("/v1/scrubs", params={"medium": "voice"}, content=LIST)
    url = f"/v1/scrubs/{queued.json()['id']}"
    assert (await client.delete(url)).status_code == 204
    shown = (await client.get(url)).json()
    assert shown["state"] == "failed"
    assert shown["error"] == {"code": "cancelled", "detail": "It was cancelled."}
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice")
        assert (await client.delete(f"/v1/scrubs/{job['id']}")).status_code == 204
        assert (await client.get(f"/v1/scrubs/{job['id']}/result")).status_code == 410
        await forget(database, after=timedelta(0))
        assert await count_kept(database) == 0


async def test_a_failed_scrub_leaves_no_file(database: Database, caller: Caller) -> None:
    client = await caller("checks")
    async with working(database):
        await scrub(client, LIST.encode(), state="failed", medium="voice", column="fax")
        await forget(database, after=timedelta(0))
        assert await count_kept(database) == 0


async def test_the_same_request_again_is_the_same_scrub(database: Database, caller: Caller) -> None:
    client = await caller("checks")

    async def post(content: str, medium: str = "voice") -> httpx.Response:
        return await client.post(
            "/v1/scrubs",
            files={"file": ("list.csv", content)},
            data={"medium": medium},
            headers={"Idempotency-Key": "campaign-7"},
        )

    first, second = await post(LIST), await post(LIST)
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    for other in (await post(LIST + "x"), await post(LIST, "sms")):
        assert (other.status_code, other.json()["type"]) == (
            422,
            "/problems/idempotency-key-reused",
        )
    await forget(database, after=timedelta(0))
    assert await count_kept(database) == 1


REFUSED = {
    "no medium": ({}, "/medium"),
    "an unknown medium": ({"medium": "fax"}, "/medium"),
    "an unknown field": ({"medium": "voice", "brands": "x"}, "/brands"),
    "a region that is none": ({"medium": "voice", "region": "France"}, "/region"),
}


@pytest.mark.parametrize("named", REFUSED)
async def test_what_is_asked_is_refused_as_any_body_and_the_file_is_not_kept(
    database: Database, caller: Caller, named: str
) -> None:
    client = await caller("checks")
    asked, pointer = REFUSED[named]
    bare = await client.post("/v1/scrubs", params=asked, content=LIST)
    form = await client.post("/v1/scrubs", data=asked, files={"file": ("list.csv", LIST)})
    for answer, place in ((bare, "/query"), (form, "")):
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [place + pointer]
    await forget(database, after=timedelta(0))
    assert await count_kept(database) == 0


async def test_an_unknown_brand_is_never_allowed(database: Database, caller: Caller) -> None:
    client = await caller("checks")
    asked = {"medium": "voice", "brand": "nobodys"}
    answer = await client.post("/v1/scrubs", params=asked, content=LIST)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unknown-brand")
    await forget(database, after=timedelta(0))
    assert await count_kept(database) == 0


async def test_a_file_above_the_limit_is_refused_and_not_kept(
    database: Database, caller: Caller
) -> None:
    client = await caller("checks")
    app = client._transport.app  # type: ignore[attr-defined]  # noqa: SLF001 - the app under test
    app.state.settings = database.settings.model_copy(update={"file_bytes": 1_000})

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"06 39 98 00 01\n" * 10

    for content in (b"0" * 1_001, pieces()):
        answer = await client.post("/v1/scrubs", params={"medium": "voice"}, content=content)
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
    await forget(database, after=timedelta(0))
    assert await count_kept(database) == 0


async def test_a_quota_of_rows_ends_a_scrub_by_name(database: Database, caller: Caller) -> None:
    client = await caller("checks")
    async with database.transaction() as session:
        await session.execute(text("UPDATE keys SET rows_per_day = 5"))
    async with working(database):
        job = await scrub(client, LIST.encode(), state="failed", medium="voice")
        assert job["error"]["code"] == "quota-exceeded"
        job = await scrub(client, b"phone\n0639980001\n", medium="voice")
        assert job["counts"]["allow"] == 1


async def test_who_reads_a_result_stands_in_the_audit_with_the_purpose(
    database: Database, caller: Caller
) -> None:
    client, admin = await caller("checks"), await caller("admin")
    purpose = {"Optout-Purpose": "autumn campaign"}
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice")
        await client.get(f"/v1/scrubs/{job['id']}/result", headers=purpose)
    acts = (await admin.get("/v1/audit")).json()["items"]
    read, queued = (act for act in acts if act["subject"] == f"scrub:{job['id']}")
    assert (read["action"], queued["action"]) == ("scrub.read", "scrub.queued")
    assert (read["detail"]["rows"], read["detail"]["purpose"]) == (6, "autumn campaign")
