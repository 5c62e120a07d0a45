"""A registry restored from a base backup, as operators do it: who followed it knows, and mends."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from app.platform.embedded import Embedded
from tests.acts import phone
from tests.faults.crowd import prepare
from tests.receivers import Table, acknowledged, receiver, register
from tests.servers import Served, optout, serving
from tests.test_parties import problem

pytestmark = pytest.mark.own_postgres

LOOPBACK = "127.0.0.1/32"


async def object_to(admin: httpx.AsyncClient, *people: int) -> int:
    """Record an opt-out of each person: the last position."""
    for person in people:
        body = {"kind": "phone", "value": phone(person).value}
        answer = await admin.post("/v1/opt-outs", json={"identifiers": [body], "channel": "dakar"})
        assert answer.status_code == 201, answer.text
    return int(answer.json()["position"])


async def back_up(folder: Path, to: Path) -> None:
    """Copy the data of a server that runs, as PostgreSQL's manual says."""
    embedded = Embedded(folder)
    command = [
        *(str(embedded.binaries / "pg_basebackup"), "-h", str(embedded.folder.sockets)),
        *("-U", "optout", "-X", "stream", "-c", "fast", "-D", str(to)),
    ]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=120)


async def pulling(served: Served, admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Make a client with the key of the database that pulls."""
    key = {"name": f"for {served.url}", "scopes": ["journal:read"], "database": "puller"}
    made = (await admin.post("/v1/keys", json=key)).json()["key"]
    headers = {"Authorization": f"Bearer {made}"}
    return httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30)


def applied(table: Table, lines: str) -> Table:
    """Apply the lines of a snapshot."""
    for line in lines.splitlines():
        table.apply(json.loads(line))
    return table


def named(table: Table) -> set[str]:
    """Name whom a table suppresses."""
    return {value for _, value, _ in table.suppressed}


def people(*numbers: int) -> set[str]:
    """Name people as the registry does."""
    return {phone(number).value for number in numbers}


async def test_after_a_base_backup_is_restored_a_lost_cursor_is_410_and_everybody_converges(
    tmp_path: Path,
) -> None:
    folder, copy = tmp_path / "data", tmp_path / "copy"
    async with receiver() as crm:
        with serving(folder, OPTOUT_INTERNAL_NETWORKS=LOOPBACK) as served:
            async with served.admin() as admin:
                await prepare(admin)
                await register(admin, crm.url)
                await register(admin, slug="puller")
                await acknowledged(admin, await object_to(admin, 1, 2))
                # Objections go on while the copy is made, and some of them are in it.
                await asyncio.gather(back_up(folder, copy), object_to(admin, 3, 4, 5))
                await acknowledged(admin, await object_to(admin, 6, 7))
                async with await pulling(served, admin) as puller:
                    lost = (await puller.get("/v1/journal")).json()["next_cursor"]
        shutil.rmtree(folder / "postgres")
        copy.rename(folder / "postgres")
        with serving(folder, OPTOUT_INTERNAL_NETWORKS=LOOPBACK) as served:
            async with served.admin() as admin:
                # As many as were lost, and more: a position alone would look right.
                last = await object_to(admin, *range(11, 19))
                await acknowledged(admin, last)
                async with await pulling(served, admin) as puller:
                    forked = await puller.get("/v1/journal", params={"cursor": lost})
                    told = problem(forked)
                    assert (forked.status_code, told["type"]) == (410, "/problems/journal-forked")
                    snapshot = await puller.get(told["snapshot"])
                    theirs = applied(Table(), snapshot.text)
                    later = await object_to(admin, 21)
                    cursor = {"cursor": snapshot.headers["journal-cursor"]}
                    page = (await puller.get("/v1/journal", params=cursor)).json()
                    for entry in page["entries"]:
                        theirs.apply(entry)
                    await acknowledged(admin, later)
                    whole = named(applied(Table(), (await puller.get("/v1/snapshot")).text))
    assert named(theirs) == whole
    assert people(1, 2, *range(11, 19), 21) <= whole <= people(1, 2, 3, 4, 5, *range(11, 19), 21)
    # What the restore lost stays blocked where it was told: nobody is called who objected.
    assert named(Table.of(crm.told)) == whole | people(3, 4, 5, 6, 7)
    verified = optout("verify", folder=folder)
    assert (verified.returncode, verified.stdout.strip()[-5:]) == (0, "whole"), verified.stderr
