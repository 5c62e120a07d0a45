"""Files of opt-outs that are broken: each row that cannot be read is refused by name, no other."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from app.platform.db import Database
from tests.desk import decided, register
from tests.importing import counts, entries, history, imported, refused, working

PEOPLE = "telephone\n06 39 98 00 01\n"


@pytest.fixture
async def desk(admin: httpx.AsyncClient, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Register channels and brands, and do the jobs."""
    await register(admin)
    async with working(database):
        yield admin


SHORT = "unusable: no possible phone number: too short or too long for its country"


UNREADABLE = [
    ('"3,36123E+10";', '"3,••••••+10",scientific_notation'),
    ("12;", f"••,{SHORT}"),
    ("=cmd|'/c calc'!A0;", "'=c••|'/• ••••'!A0,unusable: no phone number can be read from it"),
    ("0639980001;03/04/2026", "0•/••/••26,ambiguous_date"),
    ("0639980001;2062-01-01", "2•••-••-01,date_in_future"),
    ("0639980001;never", "•••••,unreadable_date"),
    (";2026-03-01", ",no_contact_point"),
]


async def test_a_row_that_cannot_be_read_is_refused_by_name_and_masked(
    desk: httpx.AsyncClient, database: Database
) -> None:
    mapping = '{"tel": "phone", "le": "occurred_at"}'
    rows = "".join(f"{row}\n" for row, _ in UNREADABLE)
    one = await imported(desk, f"tel;le\n{rows}", channel="dakar", mapping=mapping)
    assert counts(one) == (0, 0, len(UNREADABLE))
    assert await refused(desk, one["id"]) == [
        f"{line},{'le' if 'date' in told else 'tel'},{told}"
        for line, (_, told) in enumerate(UNREADABLE, start=2)
    ]
    assert await entries(database) == []


BROKEN = (
    b"T\xe9l\0;\xe9t\xe9 \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\n"
    b"0639980001;\n"
    b"06399\x0080002;\n"
    b'"0639980003;never closed\n'
    b"0639980004;" + b"x" * 200_000 + b"\n"
    b"\n"
    b"\xff\xfe;\n"
    b"0639980005;mixed \xe9\n"
)
"""A file in UTF-8 with bytes of another encoding, in the names of its columns too."""


async def test_whatever_is_broken_in_a_file_is_refused_by_its_line_and_the_next_row_taken(
    desk: httpx.AsyncClient, database: Database
) -> None:
    one = await imported(desk, BROKEN, channel="dakar", mapping='{"tél": "phone"}')
    assert (one["state"], counts(one)) == ("done", (2, 0, 4)), one["detail"]
    assert one["layout"]["columns"] == {"Tél·": "phone"}
    assert await refused(desk, one["id"]) == [
        "3,Tél·,0••••·•••02,unusable: control characters or lone surrogates in it",
        "4,,,quote_not_closed",
        "5,,,cell_too_long",
        "7,Tél·,••,unusable: no phone number can be read from it",
    ]
    assert [await decided(desk, phone=f"063998000{n}") for n in (1, 5)] == ["block", "block"]
    assert len(await entries(database)) == 2


async def test_a_file_that_breaks_off_leaves_what_it_gave_and_the_whole_one_adds_the_rest(
    desk: httpx.AsyncClient, database: Database
) -> None:
    rows = "".join(f"0639 98 {number:04};2026-03-01;{'.' * 300}\n" for number in range(2_000))
    said = {"channel": "dakar", "occurred_at": "2026-03-02T10:00:00Z"}
    whole = gzip.compress(f"tel;date;x\n{rows}0639983000;;\n".encode())
    cut = await imported(desk, whole[: len(whole) * 4 // 5], **said)
    assert (cut["state"], cut["error"]) == ("failed", "cut-short")
    begun = cut["counts"]["recorded"]
    assert 0 < begun == cut["done_rows"] == len(await entries(database)) < 2_000
    assert 0 < cut["done_bytes"] <= cut["size"]
    done = await imported(desk, whole, **said)
    assert counts(done) == (2_001 - begun, begun, 0)
    (dated,), (undated,) = [
        await history(desk, value) for value in ("+33639981999", "+33639983000")
    ]
    assert dated["occurred_at"] == "2026-03-01T22:59:59.999999Z"
    assert undated["occurred_at"] == said["occurred_at"].replace("Z", ".000000Z")


async def test_a_row_is_taken_whole_or_not_at_all(
    desk: httpx.AsyncClient, database: Database
) -> None:
    file = "tel,mail\n0639980001,nonsense\n0639980002,j@example.com\n0639980003,\n"
    mapping = '{"tel": "phone", "mail": "email"}'
    one = await imported(desk, file, channel="dakar", mapping=mapping)
    assert counts(one) == (2, 0, 1)
    assert await refused(desk, one["id"]) == [
        "2,mail,n•••••se,unusable: no e-mail address: no text before an @"
    ]
    assert await decided(desk) == "allow"
    assert len(await entries(database)) == 3


HOPELESS: list[tuple[str, dict[str, str], str]] = [
    ("nom\nAnne\nJeanne\n", {}, "no-contact-points"),
    (PEOPLE, {"mapping": '{"mail": "email"}'}, "bad-mapping"),
    ("\n\n", {}, "empty"),
]


async def test_a_file_that_cannot_be_read_fails_by_name(desk: httpx.AsyncClient) -> None:
    for file, said, error in HOPELESS:
        one = await imported(desk, file, channel="dakar", **said)
        assert (one["state"], one["error"], counts(one)) == ("failed", error, (0, 0, 0))
