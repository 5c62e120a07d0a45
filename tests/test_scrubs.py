"""Scrubs: each row of a file is answered as a single check would be, and comes back as it was."""

import gzip
import io
import random
import zipfile

from app.files import read_layout
from app.journal import Media
from app.platform.db import Database
from app.scrubbing.campaigns import read_groups
from tests.acts import Registry, minute, phone
from tests.conftest import Caller
from tests.scrubbing import ended, result, scrub, working

SINCE = "2026-03-01T00:01:00.000000Z"
BLOCKED = f"block;opted_out;{SINCE}"


async def test_a_file_comes_back_in_its_own_order_with_an_answer_behind_each_row(
    database: Database, caller: Caller
) -> None:
    await Registry(database).object(phone(1), at=minute(1))
    client = await caller("checks")
    async with working(database):
        job = await scrub(
            client,
            b"id;phone\r\n1;06 39 98 00 01\r\n2;06 39 98 00 02\r\n3;nobody\r\n4;+33639980002\r\n",
            medium="voice",
        )
        assert job["counts"] == {"allow": 2, "block": 1, "unusable": 1, "duplicate": 1}
        assert await result(client, job) == (
            b"id;phone;decision;code;since\r\n"
            b"1;06 39 98 00 01;block;opted_out;" + SINCE.encode() + b"\r\n"
            b"2;06 39 98 00 02;allow;;\r\n"
            b"3;nobody;block;unusable;\r\n"
            b"4;+33639980002;allow;duplicate;\r\n"
        )


ROWS = "Société;Téléphone;Ville\r\n1 à 9;06 39 98 00 01;Orléans\r\n2;06 39 98 00 02;Évry\r\n"
ANSWERED = (
    "Société;Téléphone;Ville;decision;code;since\r\n"
    f"1 à 9;06 39 98 00 01;Orléans;{BLOCKED}\r\n"
    "2;06 39 98 00 02;Évry;allow;;\r\n"
)


ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be")


async def test_a_file_comes_back_in_its_own_encoding_to_the_byte(
    database: Database, caller: Caller
) -> None:
    await Registry(database).object(phone(1), at=minute(1))
    client = await caller("checks")
    async with working(database):
        for encoding in ENCODINGS:
            job = await scrub(client, ROWS.encode(encoding), medium="voice")
            assert await result(client, job) == ANSWERED.encode(encoding), encoding


DIALECTS = {
    "commas": (
        b"id,phone\n1,0639980001\n2,+33639980002\n",
        (
            f"id,phone,decision,code,since\n1,0639980001,block,opted_out,{SINCE}\n"
            "2,+33639980002,allow,,\n"
        ),
    ),
    "tabs, no end at the end": (
        b"id\tphone\r\n1\t0639980001\r\n2\t0639980002",
        (
            f"id\tphone\tdecision\tcode\tsince\r\n1\t0639980001\tblock\topted_out\t{SINCE}\r\n"
            "2\t0639980002\tallow\t\t"
        ),
    ),
    "quotes, and a cell of two lines": (
        b'id;phone;note\r\n"1";"0639980001";"a ""b""\r\nc"\r\n2; 0639980002 ;\r\n',
        (
            f'id;phone;note;decision;code;since\r\n"1";"0639980001";"a ""b""\r\nc";{BLOCKED}\r\n'
            "2; 0639980002 ;;allow;;\r\n"
        ),
    ),
    "formulas": (
        b"phone;note\r\n+33639980001;=1+1\r\n0639980002;-5\r\n0639980003;@SUM\r\n",
        (
            f"phone;note;decision;code;since\r\n+33639980001;'=1+1;{BLOCKED}\r\n"
            "0639980002;-5;allow;;\r\n0639980003;'@SUM;allow;;\r\n"
        ),
    ),
    "empty lines": (
        b"id;phone\n\n1;0639980001\n\n\n2;0639980002\n",
        f"id;phone;decision;code;since\n\n1;0639980001;{BLOCKED}\n\n\n2;0639980002;allow;;\n",
    ),
    "objects": (
        b'{"phone": "0639980001"}\n{"phone": "0639980002", "x": 1}\n',
        (
            '{"phone": "0639980001", "decision": "block", "code": "opted_out", '
            f'"since": "{SINCE}"}}\n'
            '{"phone": "0639980002", "x": 1, "decision": "allow", "code": null, "since": null}\n'
        ),
    ),
}


async def test_a_file_comes_back_in_its_own_dialect(database: Database, caller: Caller) -> None:
    await Registry(database).object(phone(1), at=minute(1))
    client = await caller("checks")
    async with working(database):
        for named, (content, answered) in DIALECTS.items():
            job = await scrub(client, content, medium="voice")
            assert (await result(client, job)).decode() == answered, named


async def test_a_packed_file_comes_back_unpacked(database: Database, caller: Caller) -> None:
    await Registry(database).object(phone(1), at=minute(1))
    client = await caller("checks")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packing:
        packing.writestr("campaign.csv", ROWS)
    async with working(database):
        for packed in (gzip.compress(ROWS.encode()), archive.getvalue()):
            job = await scrub(client, packed, medium="voice")
            assert await result(client, job) == ANSWERED.encode()


async def test_a_bare_file_is_scrubbed_as_one_in_a_form_is(
    database: Database, caller: Caller
) -> None:
    client = await caller("checks")
    async with working(database):
        answer = await client.post(
            "/v1/scrubs",
            params={"medium": "voice", "filename": "campaign.csv", "column": "2"},
            content=b"1;0639980001\n2;0639980002\n",
            headers={"Content-Type": "text/csv"},
        )
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/v1/scrubs/{answer.json()['id']}"
        job = await ended(client, answer.json()["id"])
        assert await result(client, job) == b"1;0639980001;allow;;\n2;0639980002;allow;;\n"


async def test_only_the_allowed_rows_are_given_where_that_is_asked(
    database: Database, caller: Caller
) -> None:
    await Registry(database).object(phone(1), at=minute(1))
    client = await caller("checks")
    async with working(database):
        content = b"phone\n0639980001\n0639980002\nnobody\n0639980003\n"
        job = await scrub(client, content, medium="voice", keep="allowed")
        assert job["counts"] == {"allow": 2, "block": 1, "unusable": 1, "duplicate": 0}
        assert await result(client, job) == (
            b"phone,decision,code,since\n0639980002,allow,,\n0639980003,allow,,\n"
        )


async def test_a_row_is_answered_as_a_single_check_is(database: Database, caller: Caller) -> None:
    admin = await caller("admin")
    for brand in ("sauerkraut", "mustard"):
        made = await admin.post("/v1/brands", json={"slug": brand, "name": brand})
        assert made.status_code == 201
    registry = Registry(database)
    chance = random.Random(4)  # noqa: S311 - no secret
    for _ in range(60):
        await registry.object(
            phone(chance.randrange(20)),
            media=Media(chance.randrange(1, 32)),
            brand=chance.randrange(3),
            at=minute(chance.randrange(10_000)),
        )
    for number in range(5):
        await registry.reinstate(phone(number))
    content = "phone\n" + "".join(f"{phone(number).value}\n" for number in range(24))
    async with working(database):
        for asked in ({}, {"brand": "sauerkraut"}, {"brand": "mustard"}):
            for medium in ("voice", "sms"):
                job = await scrub(admin, content.encode(), medium=medium, **asked)
                lines = (await result(admin, job)).decode().splitlines()[1:]
                for number, line in enumerate(lines):
                    body = {"phone": phone(number).value, "medium": medium, **asked}
                    checked = (await admin.post("/v1/checks", json=body)).json()
                    oldest = checked["reasons"][0] if checked["reasons"] else {}
                    code, since = oldest.get("code", ""), oldest.get("since", "")
                    assert line.split(",")[1:] == [checked["decision"], code, since]


BAD: dict[str, tuple[bytes, str]] = {
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not-a-table"),
    "a truncated gzip": (gzip.compress(ROWS.encode() * 1_000)[:-40], "cut-short"),
    "nobody in it": (b"id;name\n1;Camille\n", "column-unclear"),
    "two phones": (b"tel;mobile\n0639980001;0639980002\n", "column-unclear"),
}


async def test_a_file_that_cannot_be_scrubbed_fails_by_name(
    database: Database, caller: Caller
) -> None:
    client = await caller("checks")
    async with working(database):
        for named, (content, code) in BAD.items():
            job = await scrub(client, content, state="failed", medium="voice")
            assert job["error"]["code"] == code, named
            answer = await client.get(f"/v1/scrubs/{job['id']}/result")
            assert (answer.status_code, answer.json()["type"]) == (
                409,
                "/problems/scrub-unfinished",
            )


ODD: dict[str, tuple[bytes, str]] = {
    "digits lost": (b"3,36123E+10", "block;unusable;"),
    "digits lost, in English": (b"3.36123E+10", "block;unusable;"),
    "a zero eaten": (b"639980001", BLOCKED),
    "a decimal": (b"639980001.0", BLOCKED),
    "a formula of text": (b'="0639980001"', BLOCKED),
    "an apostrophe": (b"'0639980001", BLOCKED),
    "a NUL": (b"06399\x0080001", "block;unusable;"),
    "nothing": (b"", "block;unusable;"),
    "ten megabytes": (b"0639980001" * 1_000_000, "block;unusable;"),
}


async def test_an_odd_cell_has_an_answer_of_its_own(database: Database, caller: Caller) -> None:
    await Registry(database).object(phone(1), at=minute(1))
    client = await caller("checks")
    odd = b"".join(b"1;%b\n2;0639980001\n" % cell for cell, _ in ODD.values())
    async with working(database):
        job = await scrub(client, b"id;phone\n" + odd, medium="voice", column="phone")
        lines = (await result(client, job)).decode("utf-8", "replace").splitlines()[1:]
    for (named, (_, answer)), line in zip(ODD.items(), lines[::2], strict=True):
        assert line.endswith(f";{answer}"), named
    assert lines[1::2] == [f"2;0639980001;{BLOCKED}"] * len(ODD)


async def test_a_quote_never_closed_is_an_unusable_row_and_the_next_is_read(
    database: Database, caller: Caller
) -> None:
    client = await caller("checks")
    async with working(database):
        content = b'id;phone\n1;"0639980001\n2;0639980002\n3;0639980003\n'
        job = await scrub(client, content, medium="voice", column="phone")
        assert job["counts"] == {"allow": 2, "block": 0, "unusable": 1, "duplicate": 0}


async def test_a_thousand_columns_are_read(database: Database, caller: Caller) -> None:
    client = await caller("checks")
    names = ";".join(f"c{number}" for number in range(1_000))
    content = f"{names};phone\n{'x;' * 1_000}0639980001\n".encode()
    async with working(database):
        job = await scrub(client, content, medium="voice")
        assert job["counts"]["allow"] == 1
        assert (await result(client, job)).endswith(b";x;0639980001;allow;;\n")


async def test_a_file_of_a_header_alone_is_done_at_once(database: Database, caller: Caller) -> None:
    client = await caller("checks")
    async with working(database):
        job = await scrub(client, b"id;phone\r\n", medium="voice")
        assert (job["rows"], job["counts"]["allow"]) == (0, 0)
        assert await result(client, job) == b"id;phone;decision;code;since\r\n"


def test_rows_are_decided_by_the_thousand_and_long_ones_by_the_megabyte() -> None:
    short, long = b"0639980001;x\n", b"0639980001;" + b"x" * 100_000 + b"\n"
    for row, rows, expected in ((short, 200_000, 3), (long, 130, 7)):
        source = io.BytesIO(b"phone;x\n" + row * rows)
        groups = list(read_groups(source, read_layout(source)))
        assert sum(len(batch) for group in groups for batch in group) == rows
        assert len(groups) == expected
