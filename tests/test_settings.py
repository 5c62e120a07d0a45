"""Settings that are wrong are refused in words that name them, and none of their secrets."""

import asyncio

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import text

from app.platform.db import Database, Unavailable, parse_url
from app.points import PointKeys
from app.settings import Settings, SettingUnfit
from tests.conftest import DIGEST_KEYS, SEALING_KEYS

SSL_REQUEST = (8).to_bytes(4) + (80_877_103).to_bytes(4)
"""How a client of PostgreSQL asks for TLS, before it says anything else."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPTOUT_METRICS_ADDRESS", "9464"),
        ("OPTOUT_METRICS_ADDRESS", "127.0.0.1:99999"),
        ("OPTOUT_TIME_ZONE", "Europe/Pariss"),
        ("OPTOUT_TIME_ZONE", "Europe"),
        ("OPTOUT_DEFAULT_REGION", "ZZ"),
        ("OPTOUT_PUBLIC_URL", "optout.example.com"),
        ("OPTOUT_DELIVERY_LEASE_SECONDS", "30"),
        ("OPTOUT_STATEMENT_TIMEOUT_SECONDS", "9999999999"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [each["loc"] for each in refused.value.errors()] == [
        (name.removeprefix("OPTOUT_").lower(),)
    ]


@pytest.mark.parametrize(
    "url",
    [
        "registry.example.com",
        "mysql://optout:a-secret@127.0.0.1/registry",
        "postgresql://optout:a:b@a-secret:x@127.0.0.1/registry",
        "postgresql://optout:a-secret@127.0.0.1/registry?connect_timeout=5",
    ],
)
def test_an_address_of_no_postgresql_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingUnfit, match="OPTOUT_DATABASE_URL") as refused:
        parse_url(url)
    assert "a-secret" not in str(refused.value)


async def test_what_the_url_says_of_tls_holds_for_every_connection(settings: Settings) -> None:
    asked: list[bytes] = []

    async def refuse_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readexactly(8))
        writer.write(b"N")
        writer.close()

    async with await asyncio.start_server(refuse_tls, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://optout@127.0.0.1:{port}/registry?sslmode=require"
        database = Database.open(url, settings)
        with pytest.raises(Unavailable):
            async with database.reading() as session:
                await session.execute(text("SELECT 1"))
        with pytest.raises(ConnectionError):
            await database.connect("test")
        await database.close()
    assert asked == 2 * [SSL_REQUEST]


@pytest.mark.parametrize(
    ("digest", "sealing", "named"),
    [
        ("1:c2hvcnQ=", SEALING_KEYS, "OPTOUT_DIGEST_KEYS: key 1"),
        (DIGEST_KEYS, "", "OPTOUT_SEALING_KEYS: entry 1"),
        (None, SEALING_KEYS, "OPTOUT_DIGEST_KEYS and OPTOUT_SEALING_KEYS must be set"),
    ],
)
def test_keys_that_cannot_be_read_are_told_by_their_setting(
    settings: Settings, digest: str | None, sealing: str, named: str
) -> None:
    keys = {"digest_keys": digest, "sealing_keys": sealing}
    given = {name: None if text is None else SecretStr(text) for name, text in keys.items()}
    with pytest.raises(ValueError, match=named):
        PointKeys.from_settings(settings.model_copy(update=given))
