"""``optout users``: letting people in, by a link printed or mailed, and out again."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from typer.testing import CliRunner, Result

from app.cli import operate, users  # noqa: F401 - they hang their commands on the app
from app.cli.root import app
from app.parties import Acts, list_audit
from app.platform.db import Database
from app.settings import read_settings
from tests.conftest import DIGEST_KEYS, SEALING_KEYS
from tests.mailing import mail_server, sent
from tests.people import CHANNEL, PASSWORD, leads_to, signed_in, submit
from tests.test_parties import TIME


@pytest.fixture
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the command find the test's registry, and a mail server that nobody connects to."""
    for name, value in (
        ("DATABASE_URL", database_url),
        ("DIGEST_KEYS", DIGEST_KEYS),
        ("SEALING_KEYS", SEALING_KEYS),
        ("PUBLIC_URL", "https://optout.example.com"),
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_SENDER", "registry@example.com"),
    ):
        monkeypatch.setenv(f"OPTOUT_{name}", value)
    read_settings.cache_clear()
    yield
    read_settings.cache_clear()


async def optout(*words: str) -> Result:
    """Run the command in this process."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["users", *words])


@pytest.mark.usefixtures("environment")
async def test_somebody_is_let_in_for_a_party_given_another_role_and_let_out(
    browser: httpx.AsyncClient, database: Database
) -> None:
    made = await optout(
        "create", "Agent@example.com", "--name", "An agent", "--role", "agent", "--party", CHANNEL
    )
    assert made.exit_code == 0, made.output
    path = made.stdout.strip().removeprefix("https://optout.example.com")
    assert leads_to(await submit(browser, path, password=PASSWORD)) == "/sign-in"
    assert leads_to(await signed_in(browser, "agent@example.com")) == "/desk"
    for words in (
        ("change", "agent@example.com", "--role", "supervisor", "--channel", CHANNEL),
        ("sign-out", "agent@example.com"),
        ("forget-second-factor", "agent@example.com"),
        ("disable", "agent@example.com"),
    ):
        assert (await optout(*words)).exit_code == 0, words
    assert leads_to(await browser.get("/desk")) == "/sign-in"
    (listed,) = json.loads((await optout("list", "--json")).stdout)
    assert (listed["role"], listed["party"]) == ("supervisor", None)
    assert TIME.fullmatch(listed["disabled_at"]), "as the API writes it"
    async with database.reading() as session:
        acts = await list_audit(session, Acts(actor="cli"), limit=9)
    assert [act.action.removeprefix("user.") for act in reversed(acts)] == [
        "created",
        "changed",
        "signed-out",
        "second-factor-forgotten",
        "disabled",
    ]


@pytest.mark.usefixtures("environment")
async def test_an_invitation_is_mailed_in_the_language_asked_for(database: Database) -> None:
    words = ("--name", "An officer", "--role", "officer", "--mail", "--language", "fr")
    made = await optout("create", "officer@example.com", *words)
    assert (made.exit_code, made.stdout) == (0, ""), made.output
    async with mail_server() as mailbox:
        (mail,) = await sent(database, mailbox)
    assert (mail["To"], mail["Subject"]) == (
        "officer@example.com",
        "Votre invitation à Optout Registry",
    )
    assert "https://optout.example.com/invited/" in mail.get_content()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create", "a", "--name", "A", "--role", "agent", "--mail"), "cannot be|can be written"),
        (("create", "a", "--name", "A", "--role", "agent", "--channel", "x"), "nothing named x"),
        (("create", "a", "--name", "A", "--role", "boss"), "roles are"),
        (("invite", "nobody"), "no user nobody"),
        (
            ("create", "a", "--name", "A", "--role", "agent", "--channel", "x", "--party", "y"),
            "has its party",
        ),
    ],
)
async def test_what_cannot_be_is_refused_and_nobody_is_made(
    words: tuple[str, ...], says: str
) -> None:
    refused = await optout(*words)
    assert refused.exit_code in (1, 2)
    assert any(part in refused.output for part in says.split("|")), refused.output
    assert json.loads((await optout("list", "--json")).stdout) == []


@pytest.mark.usefixtures("environment")
async def test_every_link_is_revoked_by_one_command(admin: httpx.AsyncClient) -> None:
    people = [{"kind": "email", "value": "camille@example.com"}]
    made = (await admin.post("/v1/preference-links", json={"identifiers": people})).json()
    paths = [httpx.URL(made[name]).path for name in ("url", "one_click_url")]
    done = await asyncio.to_thread(CliRunner().invoke, app, ["revoke-links"])
    assert done.exit_code == 0, done.output
    assert [(await admin.get(path)).status_code for path in paths] == [404, 404]
