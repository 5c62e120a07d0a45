"""The reference against the app: whatever Schemathesis thinks of, sent with an admin's key.

All its checks, data that fits the reference and data that does not: no 500, no status and no
answer that the reference does not describe.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig
from schemathesis.python.asgi import ASGIClient, shutdown_lifespans
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp

from app.main import create_app
from app.parties import NewKey, create_key
from app.platform.clock import now
from app.platform.db import Database
from app.settings import Settings
from tests.copies import execute

AnyCase = schemathesis.Case[Any]
LONGEST_POLL = 25
KEY = "optout_" + "A" * 43
SCHEMA = schemathesis.openapi.from_dict(
    create_app(Settings()).openapi(),
    config=SchemathesisConfig.from_dict(
        {
            # The key is given; a random one would be overwritten anyway.
            "generation": {"with-security-parameters": False},
            # Of what no schema can say, some is given, or no request would come through.
            "dictionaries": {
                "channels": {"values": ["web"]},
                "parties": {"values": ["acme"]},
                "brands": {"values": ["sauerkraut"]},
                "numbers": {"values": ["+33199000001", "+33199000002", "01 99 00 00 03"]},
                "phone": {"values": ["phone"]},
                "regions": {"values": ["FR"]},
            },
            "parameters": {
                place: {"dictionary": name, "probability": 0.75}
                for name, places in {
                    "channels": ["body.channel"],
                    "parties": ["body.party"],
                    "brands": ["body.brand"],
                    "numbers": [
                        "body.phone",
                        "body.identifier.value",
                        "body.identifiers[*].value",
                        "body.items[*].phone",
                    ],
                    "phone": ["body.identifier.kind", "body.identifiers[*].kind"],
                    "regions": [
                        "body.region",
                        "body.identifier.region",
                        "body.identifiers[*].region",
                    ],
                }.items()
                for place in places
            },
            "auth": {"openapi": {"key": {"bearer": KEY}}},
            # 422: what no schema can say (an unusable number, an unknown brand) fits it too;
            # 403: a key that is bound makes no wider one.
            "checks": {
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "403", "404", "409", "422"]
                }
            },
        }
    ),
)

FURNITURE: dict[str, Any] = {
    "/v1/brands": {"slug": "sauerkraut", "name": "Sauerkraut"},
    "/v1/parties": {
        "slug": "acme",
        "name": "Acme",
        "kind": "subcontractor",
        "country": "FR",
        "contact_email": "acme@example.com",
    },
    "/v1/channels": {"slug": "web", "name": "Web", "kind": "web", "party": "acme"},
    "/v1/databases": {
        "slug": "dialler",
        "name": "Dialler",
        "party": "acme",
        "delivery": {"mode": "pull"},
    },
}
"""What stands in the registry from the beginning."""

QUESTIONS: dict[str, Any] = {
    "POST /v1/checks": {"phone": "+33199000001", "medium": "voice", "brand": "sauerkraut"},
    "POST /v1/reinstatements": {
        "identifier": {"kind": "phone", "value": "+33199000009"},
        "occurred_at": "2026-01-31T09:30:00Z",
        "channel": "web",
        "evidence": {"kind": "web_form", "reference": "1"},
    },
}
"""Bodies that chance does not find."""


@SCHEMA.hook
def before_add_examples(context: schemathesis.HookContext, examples: list[Any]) -> None:
    """Ask what is known to be answered, beside what chance brings."""
    operation = context.operation
    if operation is not None and operation.label in QUESTIONS:
        body = QUESTIONS[operation.label]
        examples.append(operation.Case(body=body, media_type="application/json"))


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: AnyCase, __: dict[str, Any]) -> None:
    """Wait for nobody: a long poll is answered as a short one."""
    wait = str(case.query.get("wait", ""))
    if wait.isdecimal() and 0 < int(wait) <= LONGEST_POLL:
        case.query["wait"] = 0


class Later:
    """Stands for the app in what is collected, before there is a database to run it on."""

    app: ASGIApp

    async def __call__(self, *asgi: Any) -> None:  # noqa: ANN401 - as the app takes them
        """Pass on to the app."""
        await self.app(*asgi)


SCHEMA.app = LATER = Later()


@asynccontextmanager
async def writing(settings: Settings) -> AsyncIterator[AsyncSession]:
    """Write to the registry past the app."""
    assert settings.database_url is not None
    database = Database.open(settings.database_url.get_secret_value(), settings)
    async with database.transaction() as session:
        yield session
    await database.close()


async def make_key(settings: Settings) -> None:
    """Make a key of scope admin, which has no quota; its text was fixed before the app was."""
    async with writing(settings) as session:
        new = NewKey("schemathesis", ("admin",), None, None)
        await create_key(session, new, actor="tests", at=now())
        await session.execute(text("UPDATE keys SET digest = sha256(:key)"), {"key": KEY.encode()})


async def bind_key(settings: Settings) -> None:
    """Bind it to the database, so that it may follow the journal too; known after a second."""
    async with writing(settings) as session:
        await session.execute(text("UPDATE keys SET database = (SELECT id FROM databases)"))
    await asyncio.sleep(1)


@pytest.fixture(scope="module")
def _app(postgres: URL, template: str, settings: Settings) -> Iterator[None]:
    """Run the app on a registry of its own, in a thread of Schemathesis."""
    name = f"{template}_reference"
    asyncio.run(execute(postgres, f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    url = postgres.set(database=name).render_as_string(hide_password=False)
    settings = settings.model_copy(update={"database_url": SecretStr(url)})
    asyncio.run(make_key(settings))
    LATER.app = create_app(settings)
    with ASGIClient(LATER) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        for path, body in FURNITURE.items():
            assert client.post(path, json=body).status_code == 201
    asyncio.run(bind_key(settings))
    yield
    shutdown_lifespans()
    asyncio.run(execute(postgres, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.mark.usefixtures("_app")
@SCHEMA.parametrize()
@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_app_does_what_its_reference_says(case: AnyCase) -> None:
    case.call_and_validate()
