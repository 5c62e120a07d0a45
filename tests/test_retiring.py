"""``optout rekey --retire``: nothing stays sealed under an old key, and then it may go."""

import asyncio
import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import LargeBinary, text

from app.cli.rekey import EVERYTHING
from app.delivery.endpoints import find_endpoint, rotate_secret
from app.files import StoredFile
from app.files.storage import Storage
from app.parties import inbound_secret
from app.platform.clock import now
from app.platform.db import Base, Database
from app.platform.keyring import KeyRing
from app.platform.resealing import StillNeeded, retire
from app.platform.vault import KeysUnfit, Vault, register_keys
from tests.acts import Registry, phone
from tests.conftest import DIGEST_KEYS, SEALING_KEYS
from tests.receivers import register
from tests.servers import optout
from tests.test_parties import CHANNEL, PARTY, made

if TYPE_CHECKING:
    import subprocess

OLD = SEALING_KEYS
NEW = f"2:{base64.b64encode(bytes([7]) * 32).decode()}"
NOT_SEALED = {
    "acknowledgements.hash",
    "consent_wordings.sha256",
    "contact_points.digest",
    "files.sha256",
    "idempotency_keys.key_digest",
    "idempotency_keys.request_digest",
    "imports.sha256",
    "inbound_events.key",
    "inbound_events.request",
    "inbound_confirmations.digest",
    "inbound_tokens.digest",
    "inbound_tokens.request",
    "journal_entries.commitment",
    "journal_entries.hash",
    "journal_head.hash",
    "key_check.value",
    "keys.digest",
    "sessions.digest",
    "tickets.digest",
    "tries.what",
}
"""Columns of bytes that hold digests and the like; every other one must be sealed."""
NOTHING_SEALED_HERE = {
    "consent_wordings",
    "consents",
    "contact_profile_versions",
    "contact_profiles",
    "contracts",
    "imports",
    "inbound_events",
    "mails",
    "users",
}
"""Tables in which ``full`` seals nothing."""


def test_every_column_of_bytes_is_known_to_be_sealed_or_not() -> None:
    of_bytes = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    sealed = [column.name for column in EVERYTHING]
    assert of_bytes - NOT_SEALED == set(sealed)
    assert len(sealed) == len(set(sealed))


async def run(
    url: str, folder: Path, *words: str, **keys: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the operator with these keys."""
    return await asyncio.to_thread(
        optout,
        *words,
        folder=folder,
        OPTOUT_DATABASE_URL=url,
        OPTOUT_DIGEST_KEYS=DIGEST_KEYS,
        OPTOUT_SEALING_KEYS=keys.pop("sealing"),
        **keys,
    )


async def secrets_of(database: Database, ring: str) -> dict[str, Any]:
    """Open everything that is sealed here but contact points, with these keys alone."""
    vault = Vault.parse(ring)
    async with database.reading() as session:
        endpoint = await find_endpoint(session, vault, 1)
        inbound = await inbound_secret(session, vault, "mailer")
        (file,) = await session.scalars(text("SELECT id FROM files"))
    storage = Storage(database, vault, None)
    return {
        "signing": endpoint.signing_secret,
        "retiring": endpoint.retiring_secret,
        "identifier": endpoint.identifier_key,
        "inbound": inbound,
        "name": (await storage.find(file)).name,
        "chunk": await storage.read_chunk(file, 0),
    }


@pytest.fixture
async def full(database: Database, admin: httpx.AsyncClient) -> Database:
    """Seal something in every column."""
    await made(admin, "/v1/parties", PARTY | {"slug": "sahel-calls"})
    await made(admin, "/v1/channels", CHANNEL)
    await register(admin, delivery={"mode": "pull", "identifier_format": "hmac-sha256"})
    await Registry(database).object(*(phone(number) for number in range(30)))
    vault = Vault.parse(OLD)
    async with database.transaction() as session:
        await rotate_secret(session, vault, 1, at=now())
    storage = Storage(database, vault, None)
    file = await storage.create()
    await storage.write_chunk(file, 0, b"a chunk")
    await storage.complete(StoredFile(file, 7, b"\0" * 32, "people.csv"))
    return database


async def test_everything_opens_with_the_new_key_alone_and_the_old_one_may_go(
    full: Database, database_url: str, tmp_path: Path
) -> None:
    before = await secrets_of(full, OLD)
    assert None not in before.values()
    ran = await run(database_url, tmp_path, "rekey", "--retire", "1", sealing=f"{NEW},{OLD}")
    assert ran.returncode == 0, ran.stderr
    assert "6 other values were sealed anew.\nSealing key 1 is retired" in ran.stderr
    assert await secrets_of(full, NEW) == before
    ran = await run(database_url, tmp_path, "rekey", sealing=NEW)
    assert ran.returncode == 0, "a process without the old key starts"
    assert "0 other values" in ran.stderr
    settings = full.settings.model_copy(update={"sealing_keys": SecretStr(NEW)})
    registry = Registry(Database(full.url, settings, full.write_engine, full.read_engine))
    again = await registry.object(phone(1))
    assert [one.masked for one in again.suppressed] == ["+33 6 •• •• •• 01"]


async def test_a_key_that_is_needed_is_not_retired(
    full: Database, database_url: str, tmp_path: Path
) -> None:
    both = f"{NEW},{OLD}"
    for words, ring, said in (
        (("--retire", "1"), f"{OLD},{NEW}", "Sealing key 1 is the one that writes"),
        (("--retire", "3"), both, "Nothing was ever sealed under a key 3 here."),
    ):
        ran = await run(database_url, tmp_path, "rekey", *words, sealing=ring)
        assert (ran.returncode, said in ran.stderr) == (1, True), ran.stderr
    folder = tmp_path / "files" / "one"
    folder.mkdir(parents=True)
    (folder / "0").write_bytes(Vault.parse(OLD).seal(b"a chunk", b""))
    kept = {"OPTOUT_FILES_DIR": str(folder.parent)}
    ran = await run(database_url, tmp_path, "rekey", "--retire", "1", sealing=both, **kept)
    assert (ran.returncode, "1 pieces of files" in ran.stderr) == (1, True), ran.stderr
    async with full.reading() as session:
        retired = await session.scalars(text("SELECT retired_at FROM key_check"))
        assert set(retired) == {None}


async def test_each_column_by_itself_keeps_a_key(full: Database) -> None:
    vault = Vault.parse(f"{NEW},{OLD}")
    told = []
    for column in EVERYTHING:
        if column.table not in NOTHING_SEALED_HERE:
            with pytest.raises(StillNeeded) as refused:
                async with full.transaction() as session:
                    await retire(session, vault, 1, [column], at=now())
            told.append(str(refused.value).partition(" are sealed under key 1")[0])
    assert told == [
        "30 values of contact_points.sealed",
        "1 values of endpoints.signing_secret",
        "1 values of endpoints.retiring_secret",
        "1 values of endpoints.identifier_key",
        "1 values of channels.inbound_secret",
        "1 values of files.name",
        "1 values of file_chunks.sealed",
    ]


async def fits(database: Database, *keys: str) -> None:
    """Start as a process does that has these keys."""
    async with database.transaction() as session:
        await register_keys(session, "sealing", KeyRing.parse(",".join(keys)))


async def test_a_retired_key_may_stand_behind_lack_and_never_be_first_or_another(
    full: Database, database_url: str, tmp_path: Path
) -> None:
    ran = await run(database_url, tmp_path, "rekey", "--retire", "1", sealing=f"{NEW},{OLD}")
    assert ran.returncode == 0, ran.stderr
    await fits(full, NEW)
    await fits(full, NEW, OLD)
    await fits(full, NEW)
    with pytest.raises(KeysUnfit, match="sealing key 1 was retired"):
        await fits(full, OLD, NEW)
    with pytest.raises(KeysUnfit, match="sealing key 1 of this process is not the one"):
        await fits(full, NEW, f"1:{base64.b64encode(bytes([9]) * 32).decode()}")
    with pytest.raises(KeysUnfit, match="sealing key 2, which this process was not given"):
        await fits(full, f"3:{base64.b64encode(bytes([9]) * 32).decode()}")
