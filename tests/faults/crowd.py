"""Many people objecting at once, and what they hold afterwards."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.desk import CHANNELS
from tests.test_parties import CHANNEL, PARTY, made


def number(person: int) -> str:
    """Name a person of fiction by number, of whom there are ten thousand."""
    return f"+3363998{person:04}"


async def prepare(admin: httpx.AsyncClient) -> None:
    """Register a party and a channel."""
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/channels", CHANNEL | {"slug": CHANNELS[0], "inbound": None})


@dataclass
class Crowd:
    """What came of many opt-outs: the receipts held, and every other answer."""

    receipts: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: list[httpx.Response] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)

    async def object(self, client: httpx.AsyncClient, person: int) -> None:
        """Send one person's objection once."""
        body = {"identifiers": [{"kind": "phone", "value": number(person)}], "channel": "dakar"}
        try:
            answer = await client.post("/v1/opt-outs", json=body)
        except httpx.TransportError as error:
            self.broken[type(error).__name__] += 1
            return
        if answer.status_code == httpx.codes.CREATED:
            self.receipts[person] = answer.json()
        else:
            self.refused.append(answer)

    async def hold(self, admin: httpx.AsyncClient) -> None:
        """See that each receipt is in the registry and blocks."""
        assert self.receipts
        kept: set[str] = set()
        query: dict[str, str] | None = {"limit": "500"}
        while query is not None:
            page = (await admin.get("/v1/opt-outs", params=query)).json()
            kept |= {item["id"] for item in page["items"]}
            following = page["next_cursor"]
            query = None if following is None else {"limit": "500", "cursor": following}
        assert kept >= {receipt["id"] for receipt in self.receipts.values()}
        items = [{"phone": number(person)} for person in self.receipts]
        body = {"medium": "voice", "items": items}
        answer = (await admin.post("/v1/checks/batch", json=body)).json()
        assert answer["counts"] == {"allow": 0, "block": len(items), "unusable": 0}
        positions = [receipt["position"] for receipt in self.receipts.values()]
        assert len(set(positions)) == len(positions)
        assert max(positions) <= answer["position"]


async def until(happened: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something, but not for ever."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - what happens elsewhere sets no event
            await asyncio.sleep(0.02)
