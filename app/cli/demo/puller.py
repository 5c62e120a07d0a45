"""A database that pulls: a snapshot first, then the feed by long poll, each page acknowledged.

Run as ``python -m app.cli.demo.puller TABLE URL``; the key stands in ``REGISTRY_KEY``.
"""

import json
import os
import sys
import time
from pathlib import Path

import httpx

from app.cli.demo.table import Table, rows_of
from app.platform.supervision import end_with_supervisor

WAIT_SECONDS = 5


def follow(registry: httpx.Client, table: Table) -> None:
    """Apply the journal as it grows, until a request fails."""
    acknowledged = None
    while True:
        cursor = _mark(table) or begin_again(registry, table)
        if cursor != acknowledged:
            applied = {"cursor": cursor}
            registry.post("/v1/acknowledgements", json=applied).raise_for_status()
            acknowledged = cursor
        asked = {"cursor": cursor, "wait": str(WAIT_SECONDS)}
        answer = registry.get("/v1/journal", params=asked)
        if answer.status_code == httpx.codes.GONE:
            # The journal is another one, or this database is told more: the list is taken anew.
            begin_again(registry, table)
            continue
        page = answer.raise_for_status().json()
        with table.changing() as change:
            change.apply(rows_of(page["entries"]))
            change.move_mark(page["next_cursor"])


def begin_again(registry: httpx.Client, table: Table) -> str:
    """Put the registry's list in the place of the table's: the cursor to go on from."""
    with registry.stream("GET", "/v1/snapshot") as answer, table.changing() as change:
        cursor = answer.raise_for_status().headers["Journal-Cursor"]
        change.empty()
        change.apply(rows_of(map(json.loads, answer.iter_lines())))
        change.move_mark(cursor)
    return cursor


def _mark(table: Table) -> str | None:
    with table.changing() as change:
        return change.mark()


def main() -> None:
    """Follow until the process is ended; what failed is tried again from where the table is."""
    end_with_supervisor()
    path, url = sys.argv[1:]
    with httpx.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {os.environ['REGISTRY_KEY']}"},
        timeout=WAIT_SECONDS + 10,
        trust_env=False,
    ) as registry:
        table = Table(Path(path))
        while True:
            try:
                follow(registry, table)
            except httpx.HTTPError as error:
                print(type(error).__name__, file=sys.stderr)  # noqa: T201 - its log
                time.sleep(1)


if __name__ == "__main__":
    main()
