"""Doors for machines, for tests: a channel that a provider speaks to, and what came of it."""

from typing import Any

import httpx

from tests.people import open_channel

SECRET = "hook:p4ssw0rd"  # noqa: S105 - of a provider that does not exist
MAILER = "mailer"


async def open_door(
    admin: httpx.AsyncClient,
    dialect: str,
    *,
    slug: str = MAILER,
    secret: str | None = SECRET,
    **options: object,
) -> str:
    """Open a channel that a provider speaks to: the path of its door."""
    await open_channel(admin, slug)
    inbound = {"dialect": dialect, "secret": secret, "options": options}
    answer = await admin.patch(
        f"/v1/channels/{slug}",
        json={"inbound": {name: one for name, one in inbound.items() if one is not None}},
    )
    assert answer.status_code == 200, answer.text
    return f"/v1/inbound/{dialect}/{slug}"


async def taken(answer: httpx.Response) -> dict[str, int]:
    """Read how many events came to which end, those that none came to left out."""
    assert answer.status_code == 200, answer.text
    return {end: count for end, count in answer.json().items() if count}


async def listed(admin: httpx.AsyncClient, **query: str) -> list[tuple[str, str, str]]:
    """List what events came to, the latest first: act, outcome, reason."""
    answer = await admin.get("/v1/inbound-events", params=query)
    assert answer.status_code == 200, answer.text
    return [(one["act"], one["outcome"], one["reason"]) for one in answer.json()["items"]]


async def door(admin: httpx.AsyncClient, slug: str = MAILER) -> dict[str, Any]:
    """Show one door."""
    items = (await admin.get("/v1/inbound")).json()["items"]
    (found,) = [one for one in items if one["channel"] == slug]
    return dict(found)


async def decision(admin: httpx.AsyncClient, who: str, **more: object) -> str:
    """Ask whether somebody may be mailed, or sent a message."""
    kind, medium = ("email", "email") if "@" in who else ("phone", "sms")
    answer = await admin.post("/v1/checks", json={kind: who, "medium": medium, **more})
    return str(answer.json()["decision"])
