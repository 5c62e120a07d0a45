"""Metrics of delivery and the rules that watch them, scraped as Prometheus does."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text

from app.delivery import Standings
from app.delivery.settling import Result, main_settler
from app.intake import DoorStandings
from app.journal import Step, pause
from app.platform.clock import now
from app.platform.db import Database
from app.platform.metrics import serving
from app.settings import Settings
from tests.acts import Registry, phone
from tests.doors import open_door
from tests.receivers import (
    acknowledged,
    hasty,
    receiver,
    register,
    saying,
    standing,
    until,
    working,
)
from tests.servers import free_port
from tests.servers import serving as serving_registry

RULES = Path(__file__).parents[1] / "deploy" / "alerts.yml"
Scrape = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


@pytest.fixture
def registry(database: Database) -> Registry:
    return Registry(database)


def read(page: str) -> Scrape:
    """Read what was scraped: each sample by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(scrape: Scrape, name: str, **labels: str) -> float | None:
    return scrape.get((name, frozenset(labels.items())))


@asynccontextmanager
async def scraped(settings: Settings) -> AsyncIterator[Callable[[], Any]]:
    """Serve the metrics of this process, and hold a way to scrape them."""
    told = (Standings(settings), DoorStandings(settings))
    with serving("127.0.0.1:0", *told) as port:
        async with httpx.AsyncClient(timeout=30) as client:

            async def scrape() -> Scrape:
                answer = await client.get(f"http://127.0.0.1:{port}/metrics")
                assert answer.status_code == 200
                assert "+33" not in answer.text
                assert "@" not in answer.text
                return read(answer.text)

            yield scrape


async def test_a_scrape_tells_where_each_database_stands(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin)
    await register(admin, slug="mailer", kinds=["email"])
    for number in (1, 2, 3):
        await registry.object(phone(number))
    async with database.transaction() as session:
        await session.execute(
            text("""
                UPDATE followers SET begun_at = now() - interval '100 s', scanned = 1,
                    failures = 2 WHERE id = 1
            """)
        )
        await session.execute(
            text("UPDATE journal_entries SET recorded_at = now() - interval '1 h'")
        )
        await session.execute(
            text("INSERT INTO parked_entries SELECT id, 1, now(), now(), 1, '' FROM followers")
        )
        await pause(session, 2)
    async with scraped(database.settings) as scrape:
        found = await scrape()
    assert value(found, "optout_postgres_up") == 1
    assert value(found, "optout_journal_head_position") == 3
    assert value(found, "optout_alarms_waiting") == 0
    crm = {
        name: value(found, f"optout_database_{name}", database="crm")
        for name in ("lag_entries", "lag_seconds", "paused", "failing", "parked_entries")
    }
    assert 100 <= (crm.pop("lag_seconds") or 0) < 200
    assert crm == {"lag_entries": 2, "paused": 0, "failing": 1, "parked_entries": 1}
    assert value(found, "optout_database_paused", database="mailer") == 1


async def test_a_deleted_database_is_in_no_scrape(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await register(admin)
    async with scraped(database.settings) as scrape:
        assert value(await scrape(), "optout_database_lag_entries", database="crm") == 0
        await admin.delete("/v1/databases/crm")

        async def gone() -> bool:
            return value(await scrape(), "optout_database_lag_entries", database="crm") is None

        await until(gone)


async def test_a_scrape_without_postgres_says_so_and_still_counts(settings: Settings) -> None:
    nowhere = f"postgresql://optout@127.0.0.1:{free_port()}/optout"
    away = settings.model_copy(update={"database_url": SecretStr(nowhere)})
    async with scraped(away) as scrape:
        found = await scrape()
    assert value(found, "optout_postgres_up") == 0
    assert value(found, "optout_journal_head_position") is None
    assert value(found, "optout_journal_forks_total") is not None


async def test_scrapes_at_once_ask_postgres_once(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin)
    async with scraped(database.settings) as scrape:
        await scrape()
        await registry.object(phone(1))
        many = await asyncio.gather(*(scrape() for _ in range(8)))
        assert {value(one, "optout_journal_head_position") for one in many} <= {0, 1}

        async def seen() -> bool:
            return value(await scrape(), "optout_journal_head_position") == 1

        await until(seen)


async def test_batches_are_counted_by_what_came_of_them(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    answers = [saying(500), saying(404), saying(204), saying(409, {"expected_position": 1})]
    async with receiver(*answers, b"") as crm, scraped(database.settings) as scrape:
        await register(admin, crm.url)
        before = await scrape()
        await registry.object(phone(1))
        async with working(database.settings):
            await acknowledged(admin, 1)
            await registry.object(phone(2))

            async def there() -> bool:
                if (await standing(admin))["state"] == "failing":
                    await admin.post("/v1/databases/crm/resume")
                return bool((await standing(admin))["acknowledged_position"] == 2)

            await until(there)
        after = await scrape()

    def grown(name: str, **labels: str) -> float:
        return (value(after, name, **labels) or 0) - (value(before, name, **labels) or 0)

    outcomes = {
        outcome: grown("optout_delivery_batches_total", lane="main", outcome=outcome)
        for outcome in ("status-5xx", "status-4xx", "acknowledged", "rewound", "reset", "timeout")
    }
    assert outcomes == {
        "status-5xx": 1,
        "status-4xx": 1,
        "acknowledged": 2,
        "rewound": 1,
        "reset": 1,
        "timeout": 0,
    }
    assert grown("optout_delivery_rewinds_total") == 1
    # The rewound database is told the first entry again: what it had took no time.
    assert grown("optout_propagation_seconds_count", lane="main") == 1
    assert (value(after, "optout_worker_seen_timestamp_seconds") or 0) > now().timestamp() - 60


async def test_what_was_recorded_before_a_database_was_registered_took_no_time(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await registry.object(phone(1))
    async with receiver() as crm, scraped(database.settings) as scrape:
        await register(admin, crm.url)
        before = await scrape()
        async with working(database.settings):
            await acknowledged(admin, 1)
        after = await scrape()
    name = "optout_propagation_seconds_count"
    assert value(after, name, lane="main") == value(before, name, lane="main")


async def test_a_refused_result_is_counted_as_a_conflict(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await register(admin)
    async with scraped(database.settings) as scrape:
        before = await scrape()
        step = Step(1, 99, 0, 1, 1, 1, 10, now())
        assert not await main_settler(database).settle(Result(step))
        after = await scrape()
    name = "optout_delivery_fence_conflicts_total"
    assert (value(after, name) or 0) - (value(before, name) or 0) == 1


async def test_a_cursor_of_another_journal_is_counted_as_a_fork(
    admin: httpx.AsyncClient,
    database: Database,
    caller: Any,  # noqa: ANN401 - the fixture's type
) -> None:
    await register(admin)
    crm = await caller("journal:read", bound_to="crm")
    cursor = (await crm.get("/v1/journal")).json()["next_cursor"]
    async with database.transaction() as session:
        await session.execute(text("UPDATE journal_head SET journal_id = gen_random_uuid()"))
    async with scraped(database.settings) as scrape:
        before = await scrape()
        assert (await crm.get("/v1/journal", params={"cursor": cursor})).status_code == 410
        after = await scrape()
    name = "optout_journal_forks_total"
    assert (value(after, name) or 0) - (value(before, name) or 0) == 1


@pytest.mark.own_postgres
async def test_the_processes_of_a_served_registry_are_scraped_as_one(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    folder = tmp_path / "data"
    with serving_registry(folder, "--workers", "2", OPTOUT_METRICS_ADDRESS=address) as served:
        async with served.admin() as client:
            for _ in range(20):
                assert (await client.get("/v1/databases")).status_code == 200

            async def whole() -> bool:
                found = read((await client.get(f"http://{address}/metrics")).text)
                asked = value(
                    found,
                    "optout_http_requests_total",
                    method="GET",
                    route="/v1/databases",
                    status="200",
                )
                seen = value(found, "optout_worker_seen_timestamp_seconds")
                assert value(found, "optout_postgres_up") == 1
                assert value(found, "optout_journal_head_position") == 0
                return asked == 20 and (seen or 0) > now().timestamp() - 60

            await until(whole)


def rules() -> list[dict[str, Any]]:
    """Read the rules."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


async def test_every_metric_that_a_rule_names_is_there(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async with receiver() as crm, scraped(database.settings) as scrape:
        await register(admin, crm.url)
        await open_door(admin, "mailjet")
        await registry.object(phone(1))
        async with working(database.settings):
            await acknowledged(admin, 1)
        found = await scrape()
    told = {name for name, _ in found}
    named = {name for rule in rules() for name in re.findall(r"\boptout_[a-z_]+", rule["expr"])}
    # A counter with labels has no sample before it has counted.
    counters = {f"{one.name}_total" for one in REGISTRY.collect() if one.type == "counter"}
    assert named - told - counters == set()
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    assert [rule for rule in rules() if not rule["annotations"].get("description")] == []


def test_what_a_rule_sees_increase_is_told_from_0_on(tmp_path: Path) -> None:
    """A series that begins with the first of something seldom has no increase: no alert."""
    program = """
        import app.main, prometheus_client
        print(prometheus_client.generate_latest(app.platform.metrics._registry(())).decode())
    """
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    page = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    told = {name for name, _ in read(page.stdout)}
    seen = {name for rule in rules() for name in re.findall(r"increase\((\w+)", rule["expr"])}
    assert seen - told == set()
    assert len(seen) >= 3


SILENT = (
    "mailer hears no more from its provider (mailjet)",
    "Objections may wait there. Look whether it still has the door's address.",
)
REFUSES = (
    "mailer refuses what comes in its provider's name (mailjet)",
    "Its secret changed at one end and objections are lost, or somebody forges.",
)


def of_door(alert: str, at: str, severity: str, says: tuple[str, str]) -> dict[str, Any]:
    """Expect an alert of a door, once however many processes tell of it."""
    labels = {"channel": "mailer", "dialect": "mailjet", "severity": severity}
    said = {"summary": says[0], "description": says[1]}
    fired = {"exp_labels": labels, "exp_annotations": said}
    return {"eval_time": at, "alertname": alert, "exp_alerts": [fired]}


def test_promtool_takes_the_rules_and_they_fire_when_they_should(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", ".ci/run was to bring promtool"
        pytest.skip("promtool is not installed")
    door = 'optout_door_%s{channel="mailer",dialect="mailjet",instance="%s"}'
    lag = 'optout_database_lag_seconds{database="crm",instance="%s"}'
    page = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": lag % "a", "values": "899x5 901x10"},
                    {"series": lag % "b", "values": "899x5 901x10"},
                    {"series": "optout_worker_seen_timestamp_seconds", "values": "0x20"},
                    {"series": door % ("silent", "a"), "values": "0x5 1x20"},
                    {"series": door % ("silent", "b"), "values": "0x5 1x20"},
                    {"series": door % ("refusing", "a"), "values": "0x5 1x20"},
                ],
                "alert_rule_test": [
                    {"eval_time": "5m", "alertname": "OptoutDatabaseLagging", "exp_alerts": []},
                    {
                        "eval_time": "9m",
                        "alertname": "OptoutDatabaseLagging",
                        "exp_alerts": [
                            {
                                "exp_labels": {"database": "crm", "severity": "warning"},
                                "exp_annotations": {
                                    "summary": "crm owes an acknowledgement for more than"
                                    " 15 minutes",
                                    "description": "See its last_error at /v1/databases/crm.",
                                },
                            }
                        ],
                    },
                    {"eval_time": "9m", "alertname": "OptoutDatabaseLaggingHour", "exp_alerts": []},
                    {"eval_time": "5m", "alertname": "OptoutDoorRefusing", "exp_alerts": []},
                    {"eval_time": "9m", "alertname": "OptoutDoorSilent", "exp_alerts": []},
                    of_door("OptoutDoorRefusing", "9m", "critical", REFUSES),
                    of_door("OptoutDoorSilent", "17m", "warning", SILENT),
                ],
            }
        ],
    }
    tests = tmp_path / "tests.yml"
    tests.write_text(yaml.safe_dump(page))
    for words in (("check", "rules", str(RULES)), ("test", "rules", str(tests))):
        ran = subprocess.run(  # noqa: S603 - the tool under test
            [promtool, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
