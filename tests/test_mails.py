"""Mails: sealed until they are sent, sent once, given up in time, never in the clear."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import text

from app.platform.clock import now
from app.platform.db import Database
from app.platform.mails import forget_mails, is_mailable, post_mail
from app.platform.vault import Vault
from app.settings import Settings
from tests.conftest import SEALING_KEYS
from tests.mailing import mail_server, mailed_by, sent
from tests.peers import Authority
from tests.receivers import until, working

TO, SUBJECT, BODY = "camille@example.com", "À confirmer", "Bonjour,\n\nhttp://127.0.0.1/c/abc\n"


async def post(database: Database, to: str = TO, *, lasts: timedelta = timedelta(hours=1)) -> None:
    """Put a mail into the outbox."""
    vault = Vault.parse(SEALING_KEYS)
    async with database.transaction() as session:
        at = now()
        await post_mail(session, vault, to, SUBJECT, BODY, at=at, ends_at=at + lasts)


async def waiting(database: Database) -> int:
    """Count what is in the outbox."""
    async with database.reading() as session:
        return int(await session.scalar(text("SELECT count(*) FROM mails")) or 0)


async def make_due(database: Database) -> None:
    """Let the next tries be due."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE mails SET due_at = now()"))


async def alarms(database: Database) -> list[str]:
    """List what the operators hear."""
    async with database.reading() as session:
        return list(await session.scalars(text("SELECT type FROM alarms ORDER BY id")))


async def test_the_worker_sends_a_mail_as_it_was_written_and_keeps_nothing_of_it(
    database: Database,
) -> None:
    await post(database)
    async with mail_server() as mailbox:
        async with working(mailed_by(database.settings, mailbox.port)):
            await until(lambda: bool(mailbox.taken))
        assert await waiting(database) == 0
    (mail,) = mailbox.taken
    assert (mail["From"], mail["To"], mail["Subject"]) == ("registry@example.com", TO, SUBJECT)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n") == BODY
    assert mailbox.recipients == [TO]


async def test_a_mail_that_waits_is_sealed(database: Database) -> None:
    await post(database)
    async with database.reading() as session:
        kept = bytes(await session.scalar(text("SELECT sealed FROM mails")))
    assert not any(word.encode() in kept for word in ("camille", "example", "confirmer", "/c/abc"))


async def test_a_server_that_does_not_take_it_is_tried_again_and_the_operators_hear_of_it(
    database: Database,
) -> None:
    await post(database)
    async with mail_server() as mailbox:
        mailbox.says = "451 come again"
        for _ in range(4):
            await sent(database, mailbox)
            await make_due(database)
        assert await alarms(database) == ["mail.failing"]
        mailbox.says = "250 taken"
        assert len(await sent(database, mailbox)) == 1
    assert await waiting(database) == 0
    assert await alarms(database) == ["mail.failing", "mail.recovered"]


async def test_a_recipient_that_there_is_not_is_given_up_and_holds_up_no_other(
    database: Database,
) -> None:
    await post(database, "nobody@example.com")
    await post(database, TO)
    async with mail_server() as mailbox:
        mailbox.says_to_recipient = "550 nobody of that name"
        await sent(database, mailbox)
    assert mailbox.recipients == ["nobody@example.com", TO]
    assert await waiting(database) == 0
    assert await alarms(database) == []


async def test_a_server_that_stalls_is_left_at_the_deadline(database: Database) -> None:
    await post(database)
    async with mail_server() as mailbox:
        mailbox.stalled.set()
        async with asyncio.timeout(20):
            await sent(database, mailbox, smtp_deadline_seconds=0.3)
        assert mailbox.taken == []
    assert await waiting(database) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_nothing_is_sent_in_the_clear_to_a_server_without_tls(
    tls: str, database: Database
) -> None:
    await post(database)
    async with mail_server() as mailbox:
        assert await sent(database, mailbox, smtp_tls=tls, smtp_deadline_seconds=2.0) == []
        assert mailbox.recipients == []
    assert await waiting(database) == 1


async def test_tls_is_insisted_on_and_a_certificate_that_nobody_vouches_for_is_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(database)
    authority = Authority(tmp_path)
    async with mail_server(authority.server("127.0.0.1")) as mailbox:
        assert await sent(database, mailbox, smtp_tls="starttls") == []
        await make_due(database)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.written()))
        assert len(await sent(database, mailbox, smtp_tls="starttls")) == 1
    assert mailbox.over_tls == [True]


async def test_a_mail_past_its_time_is_deleted_and_not_sent(database: Database) -> None:
    await post(database, lasts=timedelta(seconds=-1))
    async with mail_server() as mailbox:
        assert await sent(database, mailbox) == []
    async with database.transaction() as session:
        assert await forget_mails(session) == 1


@pytest.mark.parametrize(
    ("address", "mailable"),
    [
        ("camille@example.com", True),
        ("a..b+c@xn--bcher-kva.example", True),
        ("é@example.com", True),
        ("a@example.com,b@example.com", False),
        ("a\r\nRCPT TO:<b@example.com>@example.com", False),
        ("<a>@example.com", False),
        ('"a b"@example.com', False),
        (f"{'a' * 65}@example.com", False),
        ("a@b@example.com", False),
    ],
)
def test_an_address_is_one_mailbox_or_is_not_written_to(address: str, mailable: bool) -> None:  # noqa: FBT001 - a table
    assert is_mailable(address) is mailable


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_host": "mail.example.com"},
        {"smtp_host": "m", "smtp_sender": "a@example.com", "smtp_tls": "perhaps"},
        {"smtp_host": "m", "smtp_sender": "A <a@example.com>"},
        {
            "smtp_host": "m",
            "smtp_sender": "a@example.com",
            "smtp_tls": "none",
            "smtp_password": SecretStr("secret-word"),
        },
    ],
)
def test_settings_that_would_mail_in_the_clear_or_from_nobody_are_refused(
    given: dict[str, object],
) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(given)
    assert "secret-word" not in str(refused.value)
