"""Mails that wait to be sent: an outbox, written in the transaction that promises the mail.

It stands on the ground because rooms that do not know each other send some: those who sign in are
invited, a person who objects is asked to confirm. A page never waits for a mail server, and a
commit that fails sends nothing; the worker sends (``app.platform.smtp``), and what was sent, or is
past its time, is deleted. To whom and what is sealed, for it names a contact point.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Index, Integer, LargeBinary, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base
from app.platform.ids import new_id
from app.platform.resealing import Sealed
from app.platform.vault import Vault

_Instant = TIMESTAMP(timezone=True)
_MAILABLE = re.compile(r"[^\s<>()\[\],;:\\\"@\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,253}")


class MailRow(Base):
    """One mail that was not sent yet; past ``ends_at`` nobody needs it any more."""

    __tablename__ = "mails"
    __table_args__ = (Index("ix_mails_due_at", "due_at"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    made_at: Mapped[datetime] = mapped_column(_Instant)
    due_at: Mapped[datetime] = mapped_column(_Instant, server_default=text("now()"))
    ends_at: Mapped[datetime] = mapped_column(_Instant)
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in plain text; ``tries`` counts the present one."""

    id: UUID
    made_at: datetime
    tries: int
    to: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)


def is_mailable(address: str) -> bool:
    """Tell whether an address can be written to: one mailbox, of characters that need no quoting.

    What people object for may be stranger, and is recorded all the same.
    """
    return _MAILABLE.fullmatch(address) is not None


async def post_mail(
    session: AsyncSession,
    vault: Vault,
    to: str,
    subject: str,
    body: str,
    *,
    at: datetime,
    ends_at: datetime,
) -> None:
    """Put a mail into the outbox.

    Raises:
        ValueError: the address is none that ``is_mailable``.
    """
    if not is_mailable(to):
        raise ValueError("this address cannot be written to")
    mail = new_id()
    plain = json.dumps([to, subject, body], ensure_ascii=False).encode()
    sealed = vault.seal(plain, _context(mail))
    session.add(MailRow(id=mail, made_at=at, ends_at=ends_at, sealed=sealed))
    await session.flush()


async def take_mail(session: AsyncSession, vault: Vault, *, wait: timedelta) -> Mail | None:
    """Take the mail that is due the longest; unless deleted, it is due again after a wait."""
    row = (
        await session.execute(
            text("""
                UPDATE mails SET tries = tries + 1, due_at = now() + :wait
                WHERE id = (
                    SELECT id FROM mails WHERE due_at <= now() AND ends_at > now()
                    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
                ) RETURNING id, made_at, tries, sealed
            """),
            {"wait": wait},
        )
    ).one_or_none()
    if row is None:
        return None
    to, subject, body = json.loads(vault.unseal(row.sealed, _context(row.id)))
    return Mail(row.id, row.made_at, row.tries, to, subject, body)


async def plan_mail(session: AsyncSession, mail: Mail, *, wait: timedelta) -> None:
    """Plan the next try of a mail."""
    await session.execute(
        text("UPDATE mails SET due_at = now() + :wait WHERE id = :id"),
        {"id": mail.id, "wait": wait},
    )


async def delete_mail(session: AsyncSession, mail: Mail) -> None:
    """Delete a mail that was sent, or that its server will never take."""
    await session.execute(text("DELETE FROM mails WHERE id = :id"), {"id": mail.id})


async def longest_wait(session: AsyncSession) -> float:
    """Tell for how many seconds the oldest mail that is still wanted has waited; 0 without one."""
    waited = text("""
        SELECT coalesce(extract(epoch FROM max(now() - made_at)), 0) FROM mails
        WHERE ends_at > now()
    """)
    return float(await session.scalar(waited) or 0)


async def forget_mails(session: AsyncSession, *, most: int = 10_000) -> int:
    """Delete mails that are past their time, at most so many at once; tells how many."""
    deleted = await session.execute(
        text("""
            DELETE FROM mails WHERE id IN (
                SELECT id FROM mails WHERE ends_at <= now() LIMIT :most FOR UPDATE SKIP LOCKED
            ) RETURNING id
        """),
        {"most": most},
    )
    return len(deleted.all())


def _context(mail: UUID) -> bytes:
    return b"mail:" + mail.bytes


SEALED = (Sealed("mails", "sealed", ("id",), lambda row: _context(row.id)),)
"""What a new sealing key must seal anew."""
