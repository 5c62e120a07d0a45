"""Metrics of delivery and of jobs, scraped as Prometheus does."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import mmap_dict, multiprocess
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text

from app.delivery import Standings
from app.delivery.settling import Result, main_settler
from app.files import JobRunner, JobStandings, NewJob, Progress, Work, add_job
from app.intake import DoorStandings
from app.journal import Step, pause
from app.platform.clock import now
from app.platform.db import Database
from app.platform.ids import new_id
from app.platform.metrics import fold_dead, serving
from app.settings import Settings
from tests.acts import Registry, phone
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

Scrape = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


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
    told = (Standings(settings), DoorStandings(settings), JobStandings(settings))
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
        await session.execute(
            text("""
                INSERT INTO mails (id, made_at, ends_at, sealed) VALUES
                    (gen_random_uuid(), now() - interval '9 h', now(), ''),
                    (gen_random_uuid(), now() - interval '200 s', now() + interval '1 h', '')
            """)
        )
    async with scraped(database.settings) as scrape:
        found = await scrape()
    assert value(found, "optout_postgres_up") == 1
    assert value(found, "optout_journal_head_position") == 3
    assert value(found, "optout_alarms_waiting") == 0
    assert 200 <= (value(found, "optout_mails_waiting_seconds") or 0) < 300
    ahead = value(found, "optout_clock_ahead_seconds")
    assert ahead is not None
    assert abs(ahead) < 5
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


async def test_jobs_that_nobody_does_are_told_by_whoever_is_asked(database: Database) -> None:
    async def told(seen_seconds: float = 30) -> list[float]:
        async with database.reading() as session:
            families = await JobStandings(database.settings, seen_seconds=seen_seconds).read(
                session
            )
        return [family.samples[0].value for family in families]

    async def queue(created: str) -> None:
        async with database.transaction() as session:
            new = NewJob(new_id(), "counting", 1, {}, None, now())
            await add_job(session, new, most=None)
            await session.execute(
                text(f"UPDATE jobs SET due_at = now() - interval '{created}'")  # noqa: S608 - ours
            )

    async def count(work: Work) -> None:
        async with work.database.transaction() as session:
            await work.save(session, Progress(done_rows=7))
        begun.set()
        await stopping.wait()

    await queue("100 s")
    processes, under_way, waiting, seconds, rows = await told()
    assert (processes, under_way, waiting, rows) == (0, 0, 1, 0)
    assert 100 <= seconds < 200
    async with database.transaction() as session:
        # Whoever had it is dead: its lease is over.
        await session.execute(text("UPDATE jobs SET state = 'running', fence = 1"))
    assert (await told())[1:3] == [0, 1]
    begun, stopping = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(JobRunner(database, {"counting": count}).run(stopping))
        await begun.wait()
        assert await told() == [1, 1, 0, 0, 7]
        # One that stands still keeps its connection.
        assert (await told(seen_seconds=0))[0] == 0
        stopping.set()


def test_the_figures_of_dead_processes_become_one_file_and_are_counted_all_the_same(
    tmp_path: Path,
) -> None:
    untyped: Any = mmap_dict
    collecting: Any = multiprocess

    def ended() -> int:
        with subprocess.Popen(["/bin/true"]) as process:
            return process.pid

    def write(number: int, value: float) -> None:
        key = untyped.mmap_key("cups", "cups_total", ["tea"], ["green"], "Cups poured")
        file = untyped.MmapedDict(str(tmp_path / f"counter_{number}.db"))
        file.write_value(key, value, 0.0)
        file.close()

    def told() -> list[tuple[str, dict[str, str], float]]:
        families = collecting.MultiProcessCollector(None, str(tmp_path)).collect()
        return [(one.name, one.labels, one.value) for family in families for one in family.samples]

    write(os.getpid(), 1)
    for value in (2, 4, 8):
        write(ended(), value)
        (tmp_path / f"gauge_livemostrecent_{ended()}.db").touch()
        # Killed before it had written anything.
        (tmp_path / f"counter_{ended()}.db").touch()
        fold_dead(tmp_path)
        left = sorted(file.name for file in tmp_path.iterdir())
        assert left == sorted(["counter_0.db", f"counter_{os.getpid()}.db"])
    assert told() == [("cups_total", {"tea": "green"}, 15)]
