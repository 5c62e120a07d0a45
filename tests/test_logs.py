"""Logs and metrics: what is written, and what never is."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from app.platform import logs
from app.platform.metrics import gauge, serving
from app.settings import Settings
from tests.cups import NUMBER, cups_client

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Set the logs up as a process does; calling this gives what was written."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with redirect_stderr(io.StringIO()) as written:
        logs.configure(Settings(log_format="json", log_level="info"))
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:], root.level = before
    logging.getLogger("uvicorn.access").disabled = False


async def test_a_request_is_one_line_without_its_path_or_query(lines: Lines) -> None:
    async with cups_client() as web:
        await web.get(f"/v1/cups/{NUMBER}?phone={NUMBER}", headers={"X-Request-Id": "r-1"})
        await web.get(f"/v2/{NUMBER}")
    first, second = lines()
    assert first.pop("milliseconds") >= 0
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "request",
        "level": "info",
        "request_id": "r-1",
        "method": "GET",
        "route": "/v1/cups/{number}",
        "status": 422,
    }
    assert second["route"] == "-"


def test_a_traceback_is_written_without_the_contact_points_in_it(lines: Lines) -> None:
    error = LookupError(f"nobody at {NUMBER} or jane@example.com")
    structlog.get_logger().error("failed", tried=[NUMBER], rows={NUMBER: 1}, exc_info=error)
    (line,) = lines()
    assert "LookupError: nobody at [number] or [address]" in line["exception"]
    assert line["tried"] == ["[number]"]
    assert line["rows"] == {"[number]": 1}
    assert NUMBER not in json.dumps(line)


def test_what_waits_says_so_once_a_minute_for_each_reason(lines: Lines) -> None:
    for reason in ("no room left", "no room left", "it restarts", "no room left"):
        structlog.get_logger().warning("jobs wait", reason=reason)
        structlog.get_logger().error("it failed")
    said = [line.get("reason") for line in lines() if line["level"] == "warning"]
    assert said == ["no room left", "it restarts"]
    assert len(lines()) == 6


def test_lines_of_libraries_come_out_the_same_way(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").warning("cannot reach %s", "jane@example.com")
    logging.getLogger("uvicorn.access").info("GET /v1/checks?phone=%s", NUMBER)
    (line,) = lines()
    assert line["event"] == "cannot reach [address]"
    assert line["logger"] == "uvicorn.error"
    assert line["level"] == "warning"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+33639980001", "[number]"),
        ("06 39 98 00 01", "[number]"),
        ("06.39.98.00.01,", "[number],"),
        ("0033-6-39-98-00-01", "[number]"),
        ("('+33 6 39 98 00 01',)", "('[number]',)"),
        ("+1 (555) 010-9999", "[number]"),
        ("<a..b+c@example.com>", "<[address]>"),
        ("é@exämple.com", "[address]"),
    ],
)
def test_what_looks_like_a_contact_point_is_masked(text: str, masked: str) -> None:
    assert logs.mask_contact_points(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "0199a3f2-7c1e-7d34-a5b6-7c8d9e0f1a2b",
        "2026-01-31T09:30:00.123456Z",
        "2026-01-31 09:30:00",
        "192.168.100.200:8000",
        "position 1234567 of 99",
        "/v1/opt-outs/{id}",
        "3.141592653589793",
    ],
)
def test_what_only_has_digits_is_left_alone(text: str) -> None:
    assert logs.mask_contact_points(text) == text


async def test_metrics_count_by_template_on_an_address_of_their_own() -> None:
    lag = gauge("optout_test_lag", "What a test says")
    lag.set(7)
    async with cups_client() as web:
        for _ in range(3):
            await web.get(f"/v1/cups/{NUMBER}")
            await web.request("BREW", "/v1/cups/1")
    with serving("127.0.0.1:0") as port:
        async with httpx.AsyncClient() as client:
            written = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    labels = 'method="GET",route="/v1/cups/{number}"'
    assert f'optout_http_requests_total{{{labels},status="422"}} ' in written
    assert f"optout_http_request_seconds_count{{{labels}}} " in written
    assert 'method="OTHER"' in written
    assert "BREW" not in written
    assert "optout_test_lag 7.0" in written
    assert NUMBER not in written


def test_no_address_means_no_metrics() -> None:
    with serving("") as port:
        assert port is None


PROGRAM = """
import sys, urllib.request
from app.platform.metrics import count_request, serving
count_request("GET", "/v1/cups", 200, 0.01)
with serving("127.0.0.1:0") as port:
    print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
"""


def test_several_processes_share_their_figures(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for count in (1, 2):
        written = subprocess.run(  # noqa: S603 - this Python, with the program above
            [sys.executable, "-c", PROGRAM],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        line = 'optout_http_requests_total{method="GET",route="/v1/cups",status="200"}'
        assert f"{line} {count}.0" in written
