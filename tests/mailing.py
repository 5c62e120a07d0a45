"""A mail server of fiction that takes, refuses or stalls, and what a worker hands to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr

from app.platform.db import Database
from app.platform.smtp import send_mails
from app.platform.vault import Vault
from app.settings import Settings


@dataclass
class MailServer:
    """What came; ``says`` is the answer to each message, ``stalled`` holds all of them back."""

    port: int = 0
    says: str = "250 taken"
    says_to_recipient: str = "250 fine"
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Note who is written to."""
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        self.recipients.append(address)
        return self.says_to_recipient

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Take a message."""
        if self.stalled.is_set():
            await asyncio.sleep(30)
        if self.says.startswith("2"):
            message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.taken.append(message)
            self.over_tls.append(session.ssl is not None)
        return self.says


@asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """Listen on loopback; with a context, STARTTLS is offered and insisted on."""
    mailbox, loop = MailServer(), asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(mailbox, tls_context=tls, require_starttls=tls is not None, loop=loop)

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        await server.wait_closed()


def mailed_by(settings: Settings, port: int, **given: object) -> Settings:
    """Hand mail to a server on loopback, in the clear unless told otherwise."""
    return settings.model_copy(
        update={
            "smtp_host": "127.0.0.1",
            "smtp_port": port,
            "smtp_sender": "registry@example.com",
            "smtp_tls": "none",
            "smtp_deadline_seconds": 5.0,
            **given,
        }
    )


async def sent(database: Database, mailbox: MailServer, **given: object) -> list[EmailMessage]:
    """Send what waits in the outbox: all that the server has taken so far."""
    own = replace(database, settings=mailed_by(database.settings, mailbox.port, **given))
    assert isinstance(own.settings.sealing_keys, SecretStr)
    vault = Vault.parse(own.settings.sealing_keys.get_secret_value())
    await send_mails(own, vault, asyncio.Event())
    return mailbox.taken
