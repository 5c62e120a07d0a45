"""Pages hold at any size: no statement of theirs reads a table that grows with the people."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event

from app.accounts import Role
from app.platform.db import Database
from app.points import PointKeys
from tests.benchmarks.seeds import fill
from tests.conftest import Caller
from tests.officers import browser_of
from tests.people import CHANNEL, leads_to, let_in, open_channel, record, signed_in, submit
from tests.receivers import register

NUMBER = "+33639980031"
_GROWING = {"contact_points", "grounds", "journal_entries", "opt_outs", "suppressions"}


@contextmanager
def statements() -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """Note what every engine of this process executes meanwhile."""
    noted: list[tuple[str, tuple[Any, ...]]] = []

    def note(*given: Any) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        _, _, statement, parameters, *_ = given
        if statement.split()[0] in ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE"):
            noted.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield noted
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def scans(plan: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """List the nodes of a plan that read a table, and which."""
    if isinstance(plan, list):
        for one in plan:
            yield from scans(one)
    elif isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan["Node Type"], plan["Relation Name"]
        for one in plan.values():
            yield from scans(one)


@pytest.fixture
async def agent(caller: Caller, admin: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    """Sign somebody in to a registry in which 5,000 people have objected."""
    await fill(database, PointKeys.from_settings(database.settings), 5_000)
    await open_channel(admin)
    await register(admin, None)
    await let_in(database, "agent-42", Role.SUPERVISOR, channel=CHANNEL)
    browser = await caller()
    assert leads_to(await signed_in(browser, "agent-42")) == "/desk"
    return browser


async def test_no_page_reads_a_whole_table(
    agent: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database, caller: Caller
) -> None:
    officer = await browser_of(caller, database, Role.OFFICER)
    people = [{"kind": "phone", "value": NUMBER}]
    made = (await admin.post("/v1/preference-links", json={"identifiers": people})).json()
    person, click = (httpx.URL(made[name]).path for name in ("url", "one_click_url"))
    with statements() as noted:
        opt_out = await record(agent, NUMBER)
        for page in ("/desk", f"/desk/opt-outs/{opt_out}", f"/desk/opt-outs/{opt_out}/told"):
            assert (await agent.get(page)).status_code == 200
        recorded = f"/desk/opt-outs/{opt_out}"
        await submit(agent, recorded, f"{recorded}/take-back", reason="mistyped")
        await submit(agent, person, stop="all")
        await submit(agent, person, **{"shown:": "1", "may-voice:": "on"})
        await submit(agent, "/objection", who=NUMBER, scope="all")
        await agent.post(click, data={"List-Unsubscribe": "One-Click"})
        for page in ("/channels", f"/opt-outs/{opt_out}"):
            assert (await officer.get(page)).status_code == 200
    assert len(noted) > 100
    connection = await database.connect("plans")
    try:
        for statement, parameters in {(one, repr(two)): (one, two) for one, two in noted}.values():
            (row,) = await connection.fetch(f"EXPLAIN (FORMAT JSON) {statement}", *parameters)
            whole = [table for how, table in scans(json.loads(row[0])) if how == "Seq Scan"]
            assert not _GROWING.intersection(whole), (statement, whole)
    finally:
        await connection.close()
