"""What callers send to intake and checks over the wire, and what they get."""

from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from app.journal import Scope, follow
from app.platform.db import Database
from tests.test_keys import with_database
from tests.test_parties import CHANNEL, PARTY, TIME, made

EVERY = ["voice", "sms", "messaging", "email", "post"]
PHONE = {"kind": "phone", "value": "06 39 98 00 01"}
PHONE_MASKED = {"kind": "phone", "masked": "+33 6 •• •• •• 01"}
EMAIL = {"kind": "email", "value": "Jeanne@Example.com"}
EMAIL_MASKED = {"kind": "email", "masked": "j•••@example.com"}
LETTER = {"kind": "letter", "reference": "box 7"}
BRANDS = ("choucroute", "sauerkraut")
CHANNELS = ("dakar", "web")
MONDAY, TUESDAY = (f"2026-03-0{day}T09:00:00.000000Z" for day in (2, 3))
FULL = {
    "identifiers": [PHONE, EMAIL],
    "media": ["voice", "email"],
    "brand": "choucroute",
    "reason": "refusal",
    "occurred_at": "2026-03-02T10:00:00+01:00",
    "channel": "dakar",
    "recorded_by": "agent 7",
    "reference": "call-1",
    "evidence": {"kind": "call_recording", "reference": "rec-1", "sha256": "ab" * 32},
}


async def register(admin: httpx.AsyncClient) -> None:
    """Register a party, two brands and two channels."""
    await made(admin, "/v1/parties", PARTY)
    for slug in BRANDS:
        await made(admin, "/v1/brands", {"slug": slug, "name": slug})
    for slug in CHANNELS:
        await made(admin, "/v1/channels", CHANNEL | {"slug": slug, "inbound": None})


async def post(
    client: httpx.AsyncClient, path: str, body: object, **headers: str
) -> httpx.Response:
    """Send a body; headers are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(path, json=body, headers=named)


async def objected(client: httpx.AsyncClient, **body: object) -> dict[str, Any]:
    """Record an opt-out of ``PHONE`` by the channel ``dakar``, unless the body says else."""
    sent = {"identifiers": [PHONE], "channel": "dakar"} | body
    receipt: dict[str, Any] = (await made(client, "/v1/opt-outs", sent)).json()
    return receipt


async def reinstated(client: httpx.AsyncClient, **body: object) -> httpx.Response:
    """Send a reinstatement of ``PHONE`` by the channel ``dakar``, unless the body says else."""
    sent = {"identifier": PHONE, "channel": "dakar", "evidence": LETTER} | body
    return await client.post("/v1/reinstatements", json=sent)


async def asked(client: httpx.AsyncClient, **body: object) -> dict[str, Any]:
    """Check ``PHONE`` for a call, unless the body says else."""
    sent = body if "phone" in body or "email" in body else {"phone": PHONE["value"]} | body
    answer = await client.post("/v1/checks", json={"medium": "voice"} | sent)
    assert answer.status_code == 200, answer.text
    decision: dict[str, Any] = answer.json()
    return decision


async def decided(client: httpx.AsyncClient, **body: object) -> str:
    """Tell the decision alone."""
    return str((await asked(client, **body))["decision"])


async def searched(
    client: httpx.AsyncClient, identifier: dict[str, str] | None = None
) -> dict[str, Any]:
    """Look one contact point up."""
    answer = await client.post("/v1/suppressions/search", json={"identifier": identifier or PHONE})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def drop(body: dict[str, Any], *members: str) -> dict[str, Any]:
    """Take away ids and times, which must be of the wire's forms."""
    left = dict(body)
    for member in members:
        value = left.pop(member)
        if member.endswith("_at") or member in ("since", "valid_until"):
            assert TIME.fullmatch(value), (member, value)
        else:
            assert UUID(value).version == 7
    return left


async def count(database: Database, table: str) -> int:
    """Count the rows of a table."""
    async with database.reading() as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608 - a constant


async def followed_by(database: Database, *scopes: Scope) -> None:
    """Register databases 1, 2 and so on."""
    for number, scope in enumerate(scopes, start=1):
        await with_database(database, f"crm-{number}")
        async with database.transaction() as session:
            await follow(session, number, scope, after=0, pushed=True)
