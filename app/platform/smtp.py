"""The mail server that the settings name: mails of the outbox go there one after another.

On the ground beside the outbox, whose rooms do not know each other. A server that is slow holds
nobody up but the next mail: each has one deadline, and no transaction is open meanwhile. Without
TLS nothing is sent, unless the settings say so.
"""

import asyncio
import contextlib
import ssl
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from random import SystemRandom

import aiosmtplib

from app.platform.alarms import heal_incident, open_incident
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.logs import get_logger
from app.platform.mails import Mail, delete_mail, plan_mail, take_mail
from app.platform.vault import Vault
from app.settings import Settings

_EVERY = 1.0
_DELAYS = (2, 10, 30, 60, 300)
"""Seconds; for a link that is to be answered within half an hour, later would be too late."""
_SUSPECT = 3
"""Tries of one mail after which the operators hear that none gets through."""
_FAILING, _RECOVERED, _SUBJECT = "mail.failing", "mail.recovered", "smtp"

log = get_logger(__name__)


class NotSent(Exception):  # noqa: N818 - it says what became of the mail
    """A mail was not taken; ``for_good`` where the server would never take it."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        """Say why, in words that name no address."""
        super().__init__(why)
        self.for_good = for_good


async def keep_mailing(database: Database, vault: Vault, stopping: asyncio.Event) -> None:
    """Send what is in the outbox until told to stop; at once over where there is no server."""
    while database.settings.mails and not stopping.is_set():
        try:
            await send_mails(database, vault, stopping)
        except Unavailable as error:
            log.warning("mails wait for the database", reason=error.detail)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _EVERY)


async def send_mails(database: Database, vault: Vault, stopping: asyncio.Event) -> None:
    """Send the mails that are due, each taken by one worker at a time; none without a server."""
    settings = database.settings
    # Longer than its deadline, so that nobody else sends it meanwhile.
    wait = timedelta(seconds=2 * settings.smtp_deadline_seconds)
    while settings.mails and not stopping.is_set():
        async with database.transaction() as session:
            mail = await take_mail(session, vault, wait=wait)
        if mail is None:
            return
        try:
            await send(settings, mail)
        except NotSent as error:
            await _note_failed(database, mail, error)
            if not error.for_good:
                return
        else:
            async with database.transaction() as session:
                await delete_mail(session, mail)
                await heal_incident(session, _FAILING, _SUBJECT, now(), healed=_RECOVERED)


async def _note_failed(database: Database, mail: Mail, error: NotSent) -> None:
    log.warning("a mail was not sent", mail=str(mail.id), tries=mail.tries, reason=str(error))
    async with database.transaction() as session:
        if error.for_good:
            await delete_mail(session, mail)
            return
        longest = _DELAYS[min(mail.tries, len(_DELAYS)) - 1]
        delay = timedelta(seconds=SystemRandom().uniform(longest / 2, longest))
        await plan_mail(session, mail, wait=delay)
        if mail.tries >= _SUSPECT:
            await open_incident(session, _FAILING, _SUBJECT, now(), error=str(error))


async def send(settings: Settings, mail: Mail) -> None:
    """Hand one mail to the server, within the deadline.

    Raises:
        NotSent: it was not taken.
    """
    try:
        async with asyncio.timeout(settings.smtp_deadline_seconds):
            await _hand_over(settings, mail)
    except aiosmtplib.SMTPRecipientsRefused as refusal:
        codes = [one.code for one in refusal.recipients]
        raise NotSent(
            f"the server refuses the recipient: {codes}",
            for_good=min(codes) >= 550,  # noqa: PLR2004 - RFC 5321, 4.2.3
        ) from None
    except ssl.SSLError as error:  # first, for a bad certificate is a ValueError too
        raise NotSent(f"no TLS with the server: {error.reason or 'its certificate'}") from None
    except (aiosmtplib.SMTPNotSupported, ValueError, UnicodeError) as error:
        # What it says may hold the address. TLS that the server lacks may come tomorrow.
        tls = isinstance(error, aiosmtplib.SMTPException) and "TLS" in error.message
        why = "the server offers no TLS" if tls else "the address cannot be written"
        raise NotSent(why, for_good=not tls) from None
    except aiosmtplib.SMTPResponseException as refusal:
        raise NotSent(f"the server answered {refusal.code}") from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NotSent(f"the server was not reached: {type(error).__name__}") from None


async def _hand_over(settings: Settings, mail: Mail) -> None:
    password = settings.smtp_password
    server = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_user,
        password=None if password is None else password.get_secret_value(),
        use_tls=settings.smtp_tls == "implicit",
        start_tls=settings.smtp_tls == "starttls",
        timeout=settings.smtp_deadline_seconds,
    )
    async with server:
        await server.send_message(
            message_of(settings, mail), sender=settings.smtp_sender, recipients=[mail.to]
        )


def message_of(settings: Settings, mail: Mail) -> EmailMessage:
    """Write a mail as it goes over the wire: plain text, and marked as sent by a machine."""
    sender = settings.smtp_sender or ""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.made_at)
    # The same whenever it is tried: a server that has it already may tell.
    message["Message-ID"] = f"<{mail.id.hex}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5
    message.set_content(mail.body)
    return message
