"""What a reader accepts: weights, stars, refusals, and whatever cannot be read."""

import time

import pytest

from app.delivery.codings import NotAcceptable, choose_coding, choose_type, packer

TYPES = ("application/x-ndjson", "text/csv")


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd", "zstd"),
        ("GZip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("gzip; q=0.500 , zstd ;Q=0.501", "zstd"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0, zstd;q=0", "identity"),
        ("gzip;q=0.001", "gzip"),
        ("br, deflate", "identity"),
        ("*", "zstd"),
        ("*;q=0.1", "zstd"),
        ("zstd;q=0, *", "gzip"),
        ("identity", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0, *", "zstd"),
        ("*;q=0, identity", "identity"),
        ("*;q=0, gzip", "gzip"),
        ("gzip;q=0, gzip;q=1", "identity"),
        ("gzip;q=2, zstd;q=x, br;q=", "identity"),
        ("gzip;q=0.1234", "identity"),
        ("gzip;q=-1", "identity"),
        (",;,;;q=1,\x00, =", "identity"),
    ],
)
def test_the_coding_that_is_liked_best_is_chosen(accepted: str | None, chosen: str) -> None:
    assert choose_coding(accepted) == chosen


@pytest.mark.parametrize(
    "accepted",
    [
        "identity;q=0",
        "*;q=0",
        "identity;q=0, br",
        "gzip;q=0, zstd;q=0, *;q=0.0",
        "identity;q=0.000",
    ],
)
def test_who_refuses_all_is_not_acceptable(accepted: str) -> None:
    with pytest.raises(NotAcceptable) as refused:
        choose_coding(accepted)
    assert refused.value.status == 406


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv; charset=utf-8; header=present", "text/csv"),
        ("application/x-ndjson, text/csv;q=0.5", "application/x-ndjson"),
        ("application/x-ndjson;q=0.4, text/csv;q=0.5", "text/csv"),
        ("text/csv;q=0, */*", "application/x-ndjson"),
        ("text/html, */*;q=0.1, text/csv;q=0.2", "text/csv"),
        ("application/json", "application/x-ndjson"),
        ("nonsense", "application/x-ndjson"),
    ],
)
def test_the_type_that_is_liked_best_is_chosen(accepted: str | None, chosen: str) -> None:
    assert choose_type(accepted, TYPES) == chosen


def test_a_header_of_a_megabyte_is_read_in_no_time() -> None:
    began = time.monotonic()
    for hostile in ("br;" * 300_000, ";" * 10**6, "," * 10**6, "a;q=" * 250_000, " " * 10**6):
        assert choose_coding(hostile) == "identity"
    assert time.monotonic() - began < 1


def test_plain_needs_no_packer() -> None:
    assert packer("identity") is None
