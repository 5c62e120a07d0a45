"""What a database's answer means, the contract's rules one by one and hostile bodies besides."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.answers import (
    Acknowledged,
    Gone,
    Retry,
    Rewind,
    Smaller,
    Verdict,
    excerpt,
    next_delay,
    read_answer,
)
from app.journal import Report, Result

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = Acknowledged(1300)
DEEP = b"[" * 5_000 + b"]" * 5_000


def read(
    status: int,
    body: bytes | dict[str, Any] = b"",
    headers: dict[str, str] | None = None,
    *,
    cut: bool = False,
) -> Verdict:
    """Judge an answer to the batch of positions 1201 to 1300."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(status, headers or {}, raw, previous=1200, to=1300, at=NOW, cut=cut)


def error_of(verdict: Verdict) -> str:
    assert isinstance(verdict, Retry)
    assert verdict.detail
    return verdict.error


@pytest.mark.parametrize("status", [200, 201, 202, 204, 207, 299])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"<html>fine</html>",
        b"{}",
        b'{"ok": true}',
        b"null",
        b"1201",
        b'"acknowledged_through"',
        b'[{"acknowledged_through": 1250}]',
        b'{"Acknowledged_Through": 1250}',
        b'{"acknowledged_through": 1250',
        b'{"acknowledged_through": 1250} {}',
        b"{'acknowledged_through': 1250}",
        b"\xff\xfe{",
        b'{"a": "\xff"}',
        b"\x00",
        DEEP,
    ],
)
def test_2xx_acknowledges_all(status: int, body: bytes) -> None:
    assert read(status, body) == ALL


@pytest.mark.parametrize("through", [1200, 1201, 1250, 1300])
def test_a_database_may_acknowledge_a_part(through: int) -> None:
    assert read(200, {"acknowledged_through": through}) == Acknowledged(through)
    body = b'\xef\xbb\xbf \r\n{"acknowledged_through": %d}' % through
    assert read(200, body) == Acknowledged(through)


@pytest.mark.parametrize(
    "through", ["1199", "1301", "-1", "null", "true", '"1250"', "1250.0", "1e400", "NaN", "[1250]"]
)
def test_an_acknowledgement_out_of_range_acknowledges_nothing(through: str) -> None:
    body = f'{{"acknowledged_through": {through}}}'.encode()
    assert error_of(read(200, body)) == "acknowledged-out-of-range"


@pytest.mark.parametrize("hostile", [b"9" * 5_000, DEEP])
def test_an_object_that_cannot_be_read_acknowledges_nothing(hostile: bytes) -> None:
    body = b'{"acknowledged_through": 1250, "more": ' + hostile + b"}"
    assert error_of(read(200, body)) == "unreadable-answer"
    assert error_of(read(409, b'{"expected_position": 1250, "m": ' + hostile + b"}"))


def test_a_cut_object_may_have_acknowledged_less_and_anything_else_acknowledges_all() -> None:
    assert isinstance(read(200, b' {"outcomes": [', cut=True), Smaller)
    assert read(200, b"<html>", cut=True) == ALL


def test_a_compressed_answer_acknowledges_nothing() -> None:
    headers = {"content-encoding": "gzip"}
    assert error_of(read(200, b"\x1f\x8b", headers)) == "unreadable-answer"
    assert read(204, b"", headers) == ALL
    assert read(200, b"OK", {"content-encoding": "Identity"}) == ALL


def test_outcomes_are_read_with_the_acknowledgement() -> None:
    told = [
        {"position": 1201, "outcome": "applied"},
        {"position": 1202, "outcome": "already", "applied_at": None, "contacts_cancelled": 0},
        {
            "position": 1300,
            "outcome": "failed",
            "applied_at": "2026-03-01T13:00:00.123456789+02:00",
            "contacts_cancelled": 7,
            "unknown": "ignored",
        },
    ]
    assert read(200, {"acknowledged_through": 1250, "outcomes": told}) == Acknowledged(
        1250,
        (
            Report(1201, Result.APPLIED),
            Report(1202, Result.ALREADY, None, 0),
            Report(1300, Result.FAILED, datetime(2026, 3, 1, 11, 0, 0, 123456, UTC), 7),
        ),
    )


def test_of_two_outcomes_about_one_entry_the_later_counts() -> None:
    told = [
        {"position": 1201, "outcome": "failed"},
        {"position": 1202, "outcome": "exempt"},
        {"position": 1201, "outcome": "not_found"},
    ]
    assert read(200, {"outcomes": told}) == Acknowledged(
        1300, (Report(1201, Result.NOT_FOUND), Report(1202, Result.EXEMPT))
    )


@pytest.mark.parametrize(
    "bad",
    [
        None,
        1,
        "applied",
        [],
        {},
        {"position": 1200, "outcome": "applied"},
        {"position": 1301, "outcome": "applied"},
        {"position": "1201", "outcome": "applied"},
        {"position": True, "outcome": "applied"},
        {"position": 1201.0, "outcome": "applied"},
        {"position": [1201], "outcome": "applied"},
        {"position": 1201},
        {"position": 1201, "outcome": None},
        {"position": 1201, "outcome": ["applied"]},
        {"position": 1201, "outcome": "APPLIED"},
        {"position": 1201, "outcome": "applied", "applied_at": 0},
        {"position": 1201, "outcome": "applied", "applied_at": "yesterday"},
        {"position": 1201, "outcome": "applied", "applied_at": "2026-03-01"},
        {"position": 1201, "outcome": "applied", "applied_at": "2026-03-01T12:00:00"},
        {"position": 1201, "outcome": "applied", "applied_at": "2026-02-30T12:00:00Z"},
        {"position": 1201, "outcome": "applied", "applied_at": "0001-01-01T00:00:00+14:00"},
        {"position": 1201, "outcome": "applied", "applied_at": "9999-12-31T23:59:59-14:00"},
        {"position": 1201, "outcome": "applied", "contacts_cancelled": -1},
        {"position": 1201, "outcome": "applied", "contacts_cancelled": 2**31},
        {"position": 1201, "outcome": "applied", "contacts_cancelled": 1.5},
        {"position": 1201, "outcome": "applied", "contacts_cancelled": True},
    ],
)
def test_an_outcome_that_cannot_be_read_is_dropped_and_the_rest_stands(bad: object) -> None:
    told = [bad, {"position": 1299, "outcome": "applied"}]
    kept = (Report(1299, Result.APPLIED),)
    assert read(200, {"outcomes": told}) == Acknowledged(1300, kept, dropped=1)


@pytest.mark.parametrize("told", [1, "applied", {}, {"position": 1201, "outcome": "applied"}, True])
def test_outcomes_that_are_no_list_are_dropped(told: object) -> None:
    assert read(200, {"outcomes": told}) == Acknowledged(1300, (), dropped=1)


@pytest.mark.parametrize("expected", [1, 1200, 1201, 1250, 1300])
def test_409_moves_the_start_of_the_next_batch(expected: int) -> None:
    assert read(409, {"expected_position": expected}) == Rewind(expected)


@pytest.mark.parametrize("expected", [0, -1, 1301, 10**30, 1250.5, True, "1250", [1250], {}])
def test_409_beyond_the_batch_or_nowhere_is_a_failure(expected: object) -> None:
    assert error_of(read(409, {"expected_position": expected})) == "expected-out-of-range"


@pytest.mark.parametrize("body", [b"", b"conflict", b"{}", b'{"expected_position": null}', b"[1]"])
def test_409_without_a_position_is_a_failure(body: bytes) -> None:
    assert error_of(read(409, body)) == "status-409"


def test_410_pauses_and_413_halves() -> None:
    assert read(410, b"gone") == Gone()
    assert isinstance(read(413), Smaller)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("0000000000120", 120),
        ("21600", 21_600),
        ("21601", 21_600),
        ("9" * 6_000, 21_600),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), 21_600),
        ("Sunday, 01-Mar-26 12:01:00 GMT", 60),
        ("Sun Mar  1 12:01:00 2026", 60),
    ],
)
def test_retry_after_is_obeyed_up_to_six_hours(status: int, told: str, seconds: int) -> None:
    verdict = read(status, headers={"retry-after": told})
    assert isinstance(verdict, Retry)
    assert verdict.after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "soon",
        "-5",
        "1.5",
        "1e3",
        "٣",
        "²",
        "1, 2",
        "\x00",
        "Sun, 99 Mar 2026 12:00:00 GMT",
        "Sun, 01 Mar 99999999999999999999 12:00:00 GMT",
        "Sun, 01 Mar 2026 12:00:00 +9999999999",
    ],
)
def test_a_retry_after_that_cannot_be_read_is_as_none(told: str) -> None:
    verdict = read(503, headers={"retry-after": told})
    assert verdict == Retry(None, "status-503", "the database answered 503")


@pytest.mark.parametrize(
    "status", [100, 101, 199, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 408, 422]
)
def test_anything_else_is_tried_again(status: int) -> None:
    verdict = read(status, {"acknowledged_through": 1300}, {"retry-after": "60"})
    assert verdict == Retry(None, f"status-{status}", f"the database answered {status}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    status=st.sampled_from([200, 204, 302, 409, 410, 413, 429, 500, 503]),
    headers=st.dictionaries(st.sampled_from(["retry-after", "content-encoding"]), st.text()),
    body=st.binary()
    | st.fixed_dictionaries(
        {},
        optional={
            "acknowledged_through": JSON | st.integers(1190, 1310),
            "expected_position": JSON | st.integers(1190, 1310),
            "outcomes": JSON,
        },
    ),
    cut=st.booleans(),
)
def test_no_answer_raises_or_acknowledges_beyond_the_batch(
    status: int, headers: dict[str, str], body: bytes | dict[str, Any], *, cut: bool
) -> None:
    verdict = read(status, body, headers, cut=cut)
    if isinstance(verdict, Acknowledged):
        assert 200 <= status < 300
        assert 1200 <= verdict.through <= 1300
    if isinstance(verdict, Rewind):
        assert 1 <= verdict.expected <= 1300


def test_waits_grow_to_fifteen_minutes_and_are_spread_over_the_whole_span() -> None:
    def wait(failures: int, seed: int) -> float:
        return next_delay(failures, Random(seed)).total_seconds()  # noqa: S311 - no secret

    longest = [1, 5, 15, 60, 120, 240, 480, 900, 900, 900]
    for failures, top in enumerate(longest, start=1):
        waits = [wait(failures, seed) for seed in range(400)]
        assert 0 <= min(waits) < 0.05 * top
        assert 0.95 * top < max(waits) <= top
        assert 0.4 * top < sum(waits) / 400 < 0.6 * top
    assert wait(10**9, 1) <= 900
    assert wait(0, 1) <= 1


def test_what_is_kept_of_an_answer_names_nobody() -> None:
    body = (
        b'error\x00 for "jeanne.exemple+x@example.com" (mailto:j%40example.com), +33639980001, '
        b"06 39 98 00 01, 01.99.00-11-22, siren 123456782; entry 1234567, code 42 \xff"
    )
    assert excerpt(body) == (
        'error for "•••" (mailto:•••), •••, •••, •••, siren •••; entry 1234567, code 42 \ufffd'
    )


@given(st.binary(max_size=6_000))
def test_what_is_kept_of_an_answer_is_short_text_without_nuls(body: bytes) -> None:
    kept = excerpt(body)
    assert len(kept.encode()) <= 2_048
    assert "\x00" not in kept


@pytest.mark.parametrize("again", [b"a", b"1 ", b"@", b"1 (", b"\xff"])
def test_an_excerpt_of_hostile_text_is_quick(again: bytes) -> None:
    started = time.perf_counter()
    excerpt(again * 16_384)
    assert time.perf_counter() - started < 0.5
