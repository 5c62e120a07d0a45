"""``optout rekey``: a rotation in two steps, as the README tells it, on a real database."""

import asyncio
import base64
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import text

from app.platform.db import Database
from app.points import PointKeys, find_point
from app.settings import Settings
from tests.acts import Registry, phone
from tests.conftest import DIGEST_KEYS, SEALING_KEYS
from tests.servers import optout

NEW_KEY = f"2:{base64.b64encode(bytes([9]) * 32).decode()}"


async def rekeyed(database_url: str, folder: Path, digest_keys: str) -> str:
    ran = await asyncio.to_thread(
        optout,
        "rekey",
        folder=folder,
        OPTOUT_DATABASE_URL=database_url,
        OPTOUT_DIGEST_KEYS=digest_keys,
        OPTOUT_SEALING_KEYS=SEALING_KEYS,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


async def test_people_are_found_under_the_new_key_alone_after_rekeying(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await Registry(database).object(*(phone(number) for number in range(30)))
    both = f"{NEW_KEY},{DIGEST_KEYS}"
    told = await rekeyed(database_url, tmp_path, both)
    assert "under the first keys" in told
    new = PointKeys.from_settings(
        Settings(digest_keys=SecretStr(NEW_KEY), sealing_keys=SecretStr(SEALING_KEYS))
    )
    async with database.reading() as session:
        numbers = await session.scalars(text("SELECT DISTINCT key_number FROM contact_points"))
        assert numbers.all() == [2]
        digests = [new.digests.digest(phone(number))[1] for number in range(30)]
        found = await session.scalars(
            text("SELECT digest FROM contact_points WHERE digest = ANY(:digests)"),
            {"digests": digests},
        )
        assert sorted(found) == sorted(digests)


async def test_rekeying_twice_changes_nobody(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await Registry(database).object(phone(1))
    both = f"{NEW_KEY},{DIGEST_KEYS}"
    await rekeyed(database_url, tmp_path, both)
    await rekeyed(database_url, tmp_path, both)
    keys = PointKeys.from_settings(
        Settings(digest_keys=SecretStr(both), sealing_keys=SecretStr(SEALING_KEYS))
    )
    async with database.reading() as session:
        assert await find_point(session, keys, phone(1)) is not None
        assert await session.scalar(text("SELECT count(*) FROM contact_points")) == 1
