"""An example of a database that is told by webhooks: verify, apply, commit, and only then say 2xx.

Run as ``uvicorn fastapi_receiver:app``; README.md beside this says the rest. The list is the table
``suppressions`` of one SQLite file; whoever is about to contact somebody calls ``is_blocked``.
"""
# ruff: noqa: INP001 - one file to be copied, not a package

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from standardwebhooks import Webhook, WebhookVerificationError

SCHEMA = """
CREATE TABLE IF NOT EXISTS suppressions (
    kind TEXT NOT NULL, value TEXT NOT NULL, brand TEXT NOT NULL,
    media TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (kind, value, brand)
);
CREATE TABLE IF NOT EXISTS progress (
    id INTEGER PRIMARY KEY CHECK (id = 1), journal TEXT, through INTEGER NOT NULL
);
INSERT OR IGNORE INTO progress VALUES (1, NULL, 0);
"""
# An entry is the whole state of a contact point and brand: the highest version counts, in whatever
# order and however often entries arrive. Empty media block nothing, and keep the version.
KEEP = """
INSERT INTO suppressions VALUES (:kind, :value, :brand, :media, :version, :position)
ON CONFLICT DO UPDATE
SET media = excluded.media, version = excluded.version, position = excluded.position
WHERE excluded.version > version
"""
MOST_BYTES = 1_048_576
"""Of a body; the registry sends 256 KiB, and one larger entry at most."""

app = FastAPI(openapi_url=None)
webhook = Webhook(os.environ["SIGNING_SECRET"])
path = Path(os.environ.get("RECEIVER_TABLE", "suppressions.sqlite"))


@app.post("/hook")
async def receive(request: Request) -> Response:
    """Take one message, whoever sent it."""
    body = bytearray()
    # Before the signature is verified nobody is trusted, so that a long body is not read.
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return Response(status_code=413, headers={"Connection": "close"})
    try:
        # The bytes as they came: JSON written anew would not fit the signature. A time more than
        # five minutes off is refused, so that nothing can be replayed later.
        message = webhook.verify(bytes(body), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return Response(status_code=401)
    if message["type"] != "suppressions.changed":
        return Response(status_code=204)
    return await run_in_threadpool(apply, message["data"])


def apply(data: dict[str, Any]) -> Response:
    """Keep a batch in one transaction: the answer, when it is committed."""
    with changing() as connection:
        journal, through = connection.execute("SELECT journal, through FROM progress").fetchone()
        if is_forked(connection, data, journal, through):
            # The registry pauses this database and tells a person: README.md says what to do.
            return Response(status_code=410)
        if data["lane"] == "main":
            if data["previous"] > through:
                # A batch is missing; the registry goes back to this position.
                return JSONResponse({"expected_position": through + 1}, status_code=409)
            connection.execute(
                "UPDATE progress SET journal = ?, through = ?",
                (data["journal"], max(through, data["to"])),
            )
        connection.executemany(KEEP, rows(data["entries"]))
    return Response(status_code=204)


def is_forked(
    connection: sqlite3.Connection, data: dict[str, Any], journal: str | None, through: int
) -> bool:
    """Tell whether the registry was restored to an older state than what is kept here.

    Its journal is another one, or ends before what was applied, or tells a version anew.
    """
    if journal not in (None, data["journal"]):
        return True
    # An early batch of the express lane may have been written before one of the main lane.
    if data["lane"] == "main" and data["head"] < through:
        return True
    told_otherwise = """
        SELECT 1 FROM suppressions WHERE kind = :kind AND value = :value AND brand = :brand
        AND version = :version AND position <> :position
    """
    return any(connection.execute(told_otherwise, row).fetchone() for row in rows(data["entries"]))


def rows(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Read entries as rows; a value that the registry has destroyed tells nobody.

    ``identifier.erased`` is kept like the others: erase what else you hold about that person, and
    go on blocking the contact point, or you would contact them again.
    """
    for entry in entries:
        if entry["identifier"]["value"] is not None:
            yield {
                "kind": entry["identifier"]["kind"],
                "value": entry["identifier"]["value"],
                "brand": entry["brand"] or "",
                "media": "|".join(entry["media"]),
                "version": entry["version"],
                "position": entry["position"],
            }


def is_blocked(kind: str, value: str, medium: str, brand: str) -> bool:
    """Tell whether somebody must not be contacted; ``value`` as the registry writes it.

    Nobody may be before the first batch is in.
    """
    with closing(opened()) as connection:
        if connection.execute("SELECT journal FROM progress").fetchone() == (None,):
            return True
        found = connection.execute(
            "SELECT media FROM suppressions WHERE kind = ? AND value = ? AND brand IN ('', ?)",
            (kind, value, brand),
        )
        return any(medium in media.split("|") for (media,) in found)


def opened() -> sqlite3.Connection:
    """Open the file, made if there is none, for its owner only: it holds contact points."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


@contextmanager
def changing() -> Iterator[sqlite3.Connection]:
    """Hold the file's one write transaction for a block: committed, or undone if it fails."""
    with closing(opened()) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


# A path that cannot be written is known at the start.
opened().close()
