"""The alert rules in ``deploy/``: each names what is told, and promtool sees them fire."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import REGISTRY

from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.doors import open_door
from tests.receivers import acknowledged, hasty, receiver, register, working
from tests.test_metrics import read, scraped

RULES = Path(__file__).parents[1] / "deploy" / "alerts.yml"


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


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


def clock_off(instance: str, seconds: int) -> dict[str, Any]:
    """Expect the alert of one machine's clock."""
    (said,) = [rule["annotations"] for rule in rules() if rule["alert"] == "OptoutClockOff"]
    filled = said["summary"].replace("{{ $labels.instance }}", instance)
    return {
        "exp_labels": {"instance": instance, "severity": "warning"},
        "exp_annotations": {**said, "summary": filled.replace("{{ $value }}", str(seconds))},
    }


def of_jobs(alert: str, at: str, severity: str) -> dict[str, Any]:
    """Expect an alert of jobs, in the words of its rule."""
    (said,) = [rule["annotations"] for rule in rules() if rule["alert"] == alert]
    fired = {"exp_labels": {"severity": severity}, "exp_annotations": said}
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
                    {"series": 'optout_clock_ahead_seconds{instance="a"}', "values": "-29x5 -31x9"},
                    {"series": 'optout_clock_ahead_seconds{instance="b"}', "values": "29x14"},
                    {"series": 'optout_jobs_processes{instance="a"}', "values": "1x5 0x80"},
                    {"series": 'optout_jobs_processes{instance="b"}', "values": "1x5 0x80"},
                    {"series": "optout_jobs_under_way", "values": "0x5 1x80"},
                    {"series": "optout_jobs_done_rows", "values": "0x5 1+1x4 5x80"},
                    {"series": door % ("silent", "a"), "values": "0x5 1x20"},
                    {"series": door % ("silent", "b"), "values": "0x5 1x20"},
                    {"series": door % ("refusing", "a"), "values": "0x5 1x20"},
                ],
                "alert_rule_test": [
                    {"eval_time": "5m", "alertname": "OptoutDatabaseLagging", "exp_alerts": []},
                    {"eval_time": "7m", "alertname": "OptoutClockOff", "exp_alerts": []},
                    {
                        "eval_time": "9m",
                        "alertname": "OptoutClockOff",
                        "exp_alerts": [clock_off("a", -31)],
                    },
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
                    *(
                        {"eval_time": at, "alertname": alert, "exp_alerts": []}
                        for at, alert in (("6m", "OptoutJobsStopped"), ("65m", "OptoutJobStuck"))
                    ),
                    of_jobs("OptoutJobsStopped", "9m", "critical"),
                    of_jobs("OptoutJobStuck", "72m", "warning"),
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
