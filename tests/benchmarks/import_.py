"""``import`` and ``import-interference``: a file of opt-outs, alone and beside live ones."""

import asyncio
import csv
import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import httpx

from . import seeds
from .harness import Goal, Row, compare, row
from .intake import opt_out
from .load import Target
from .people import STRANGERS, written
from .programs import Program, Receivers, optout_serve, receivers
from .propagation import late, object_steadily
from .push import register
from .registries import Registries, Registry
from .senders import A_SECOND

if TYPE_CHECKING:
    from app.platform.db import RawConnection

_PAIRS = 5
_SECONDS = 10
_POLL = 0.2
_FEW, _MANY = 1_000, 2_000_000
_FILE = 1_000_000
"""Rows of the file beside which people object one by one."""
_TABLES = ("contact_points", "grounds", "suppressions", "journal_entries")


def run(registries: Registries, size: int) -> Row:
    """Compare a file of ``size`` rows with COPY of the ready rows into the same tables.

    Both begin with a small registry; the rows that are copied are those that the import left.
    """
    with registries.copied(_FEW, "import") as registry, optout_serve(registry) as ours:
        key = registry.make_key("admin")
        people = count(_FEW)

        def imported() -> float:
            file = _file([next(people) for _ in range(size)])
            began = time.perf_counter()
            _await_end(ours, key, _send(ours, key, file))
            return size / (time.perf_counter() - began)

        def copied() -> float:
            with registries.copied(_FEW, "import_floor") as floor:
                return asyncio.run(_copied(registry, floor, size))

        taken = compare(imported, copied, pairs=1 if size > _MANY else _PAIRS)
    return row("import", taken, unit="opt-outs/s", goal=Goal(0.25))


async def _copied(registry: Registry, floor: Registry, size: int) -> float:
    """Copy what the last import left into tables that hold little: rows a second."""
    async with registry.opened() as source, floor.opened() as target:
        reading, writing = await source.connect("bench"), await target.connect("bench")
        try:
            # Ten million rows of one statement take longer than a caller may.
            await writing.execute("SET statement_timeout = 0")
            seconds = [await _copy(reading, writing, table, size) for table in _TABLES]
        finally:
            await reading.close()
            await writing.close()
    return size / sum(seconds)


async def _copy(reading: "RawConnection", writing: "RawConnection", table: str, size: int) -> float:
    order = {"contact_points": "id", "suppressions": "position"}.get(table, "position")
    columns = [
        record["column_name"]
        for record in await reading.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1", table
        )
    ]
    with tempfile.TemporaryFile() as ready:
        names = ", ".join(columns)
        query = f"SELECT {names} FROM {table} ORDER BY {order} DESC LIMIT {size}"  # noqa: S608 - our own names
        await reading.copy_from_query(query, output=ready, format="binary", timeout=3_600)
        ready.seek(0)
        began = time.perf_counter()
        await writing.copy_to_table(
            table, source=ready, columns=columns, format="binary", timeout=3_600
        )
        return time.perf_counter() - began


def run_interference(registries: Registries, size: int) -> Row:
    """Compare the propagation of live opt-outs during an import with the same when idle."""
    people = count((1 + STRANGERS) * size)
    with (
        registries.copied(size, "interference") as registry,
        receivers(1) as peers,
        optout_serve(registry) as ours,
    ):
        key = registry.make_key("admin")
        register(ours, key, peers.ports)

        target = ours.target("/v1/opt-outs", registry.make_key("opt-outs:write"))

        def live() -> float:
            return _propagation(target, peers, people)

        def beside_an_import() -> float:
            with _importing(ours, key, [next(people) for _ in range(min(size, _FILE))]):
                return live()

        live()
        taken = compare(beside_an_import, live, pairs=_PAIRS)
    return row("import-interference", taken, unit="ms (p99)", goal=Goal(3, at_most=True))


def _propagation(target: Target, peers: Receivers, people: Iterator[int]) -> float:
    peers.forget()
    bodies = [opt_out(next(people)) for _ in range(A_SECOND * _SECONDS)]
    receipts = asyncio.run(object_steadily(target, bodies))
    peers.await_position(max(receipts))
    return late(receipts, peers)


@contextmanager
def _importing(ours: Program, key: str, people: list[int]) -> Iterator[None]:
    number = _send(ours, key, _file(people))
    try:
        _await_rows(ours, key, number, 1)
        yield
    finally:
        _await_end(ours, key, number)


def _file(people: list[int]) -> bytes:
    text = io.StringIO()
    lines = csv.writer(text, delimiter=";")
    lines.writerow(("id", "telephone", "ville"))
    lines.writerows((f"c{one}", written(one), "Lyon") for one in people)
    return text.getvalue().encode()


def _send(ours: Program, key: str, file: bytes) -> str:
    answer = httpx.post(
        f"{ours.url}/v1/imports",
        content=file,
        params={"channel": seeds.CHANNEL},
        headers={"Authorization": f"Bearer {key}"},
        timeout=600,
    )
    return str(answer.raise_for_status().json()["id"])


def _await_rows(ours: Program, key: str, number: str, rows: int) -> bool:
    """Wait until so many rows are done, or all."""
    headers = {"Authorization": f"Bearer {key}"}
    # One client: to make one a look takes a fifth of a core from what is measured.
    with httpx.Client(base_url=ours.url, headers=headers, timeout=60) as client:
        while True:
            one = client.get(f"/v1/imports/{number}").raise_for_status().json()
            if one["state"] == "failed":
                raise RuntimeError(f"the import failed: {one['detail']}")
            if one["state"] == "done" or one["done_rows"] >= rows:
                return bool(one["state"] == "done")
            time.sleep(_POLL)


def _await_end(ours: Program, key: str, number: str) -> None:
    while not _await_rows(ours, key, number, 2**62):
        pass
