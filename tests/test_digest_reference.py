"""The reference of the digest, followed to the letter by a receiver that knows nothing else."""

import hashlib
import random
from typing import Any

import httpx
import pytest

from app.journal import Media
from app.platform.db import Database
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.receivers import register

Key = tuple[str, str, str | None]


class Stranger:
    """A receiver as somebody else would write it: rows of media, version and position."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Begin with nothing, from the beginning of the feed."""
        self.client = client
        self.rows: dict[Key, tuple[list[str], int, int]] = {}
        self.cursor: str | None = None
        self.head = 0

    async def get(self, path: str, **query: Any) -> dict[str, Any]:  # noqa: ANN401 - a query
        """Ask the registry."""
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def keep(self, entry: dict[str, Any]) -> bool:
        """Keep the highest version; tell whether that was news."""
        identifier = entry["identifier"]
        key = (identifier["kind"], identifier["value"], entry["brand"])
        if identifier["value"] is None or self.rows.get(key, ([], -1, 0))[1] >= entry["version"]:
            return False
        self.rows[key] = (entry["media"], entry["version"], entry["position"])
        return True

    async def follow(self) -> None:
        """Apply the feed until it has no more."""
        more = True
        while more:
            asked = {} if self.cursor is None else {"cursor": self.cursor}
            page = await self.get("/v1/journal", **asked)
            for entry in page["entries"]:
                self.keep(entry)
            self.cursor, self.head, more = page["next_cursor"], page["head"], page["has_more"]

    async def digest(self, first: int, last: int, parts: int) -> dict[str, Any]:
        """Ask for digests of its own."""
        asked = {"from": first, "to": last, "parts": parts, "of": "own"}
        return await self.get("/v1/journal/digest", **asked)

    def is_whole(self, part: dict[str, Any]) -> bool:
        """Compare a part, step 2."""
        inside = [
            (position, version)
            for media, version, position in self.rows.values()
            if media and part["from"] <= position <= part["to"]
        ]
        joined = 0
        for position, version in inside:
            joined ^= int(hashlib.sha256(f"{position}:{version}".encode()).hexdigest(), 16)
        told, erased = ((each["count"], int(each["digest"], 16)) for each in (part, part["erased"]))
        both = (told[0] + erased[0], told[1] ^ erased[1])
        return (len(inside), joined) in (told, both)

    async def mend(self, part: dict[str, Any]) -> int:
        """Mend a part, step 3: how many rows were wrong."""
        length = part["to"] - part["from"] + 1
        fine = await self.digest(part["from"], part["to"], length)
        await self.follow()
        page = await self.get("/v1/journal", cursor=fine["cursor"], limit=1000)
        entries = {entry["position"]: entry for entry in page["entries"]}
        mended = 0
        for one in fine["parts"]:
            at = one["from"]
            if one["count"] and at in entries:
                own = hashlib.sha256(f"{at}:{entries[at]['version']}".encode()).hexdigest()
                mended += one["digest"] == own and self.keep(entries[at])
            elif not one["count"] and not one["erased"]["count"]:
                for key, (media, _, position) in self.rows.items():
                    if media and position == at:
                        self.rows[key] = (media, 0, 0)
                        mended += 1
        return mended

    async def verify(self, parts: int) -> int:
        """Go through all steps: how many rows were wrong."""
        found = 0
        while True:
            await self.follow()
            survey = await self.digest(1, self.head, parts)
            mended = [await self.mend(part) for part in survey["parts"] if not self.is_whole(part)]
            if not any(mended):
                break
            found += sum(mended)
        self.rows = {key: row for key, row in self.rows.items() if row[1] or not row[0]}
        return found

    @property
    def blocked(self) -> dict[Key, tuple[list[str], int, int]]:
        """Tell who is blocked."""
        return {key: row for key, row in self.rows.items() if row[0]}


@pytest.mark.parametrize("media", [None, ["sms"]])
async def test_a_copy_is_mended_by_what_the_reference_says(
    database: Database, admin: httpx.AsyncClient, caller: Caller, media: list[str] | None
) -> None:
    registry = Registry(database)
    chance = random.Random(7)  # noqa: S311 - the same each time
    for number in range(60):
        await registry.object(phone(number % 40), media=Media(1 + chance.randrange(31)))
        if number % 4 == 0:
            await registry.reinstate(phone(chance.randrange(40)))
    given: dict[str, Any] = {} if media is None else {"media": media}
    await register(admin, **given)
    stranger = Stranger(await caller("journal:read", bound_to="crm"))
    await stranger.follow()
    right = stranger.blocked
    assert await stranger.verify(5) == 0

    for spoiled in range(3):
        keys = sorted(stranger.blocked, key=str)
        del stranger.rows[keys[2 * spoiled]]
        key = keys[2 * spoiled + 1]
        stranger.rows[key] = (["post"], 1, spoiled + 1)  # an older state, or none at all
        stranger.rows["phone", f"nobody {spoiled}", None] = (["voice"], 9, 20 + spoiled)
        assert await stranger.verify(5) >= 2
        assert stranger.blocked == right
        assert await stranger.verify(7) == 0
