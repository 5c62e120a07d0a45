"""Letters: what people are mailed, in their language; short, plain, with one link each.

A letter is put into the outbox within the transaction of what it tells.
"""

from datetime import datetime, timedelta
from urllib.parse import urljoin

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import LASTS, User
from app.intake import Confirmation, seal_confirmation
from app.journal import EVERY_BRAND
from app.parties import list_brands
from app.platform.mails import is_mailable, post_mail
from app.platform.vault import Vault
from app.settings import Settings

from .pages import words_for
from .words import Words


def link_to(settings: Settings, path: str) -> str:
    """Write the whole address of a page, as people reach it."""
    return urljoin((settings.public_url or settings.url).rstrip("/") + "/", path.lstrip("/"))


async def mail_confirmation(
    session: AsyncSession, request: Request, vault: Vault, asked: Confirmation
) -> None:
    """Ask an address to confirm; nothing is sent to one that cannot be written to."""
    if not is_mailable(asked.address.value):
        return
    words, settings = words_for(request), request.app.state.settings
    if asked.opt_out is not None:
        letter, brand = "verify", ""
    elif asked.brand == EVERY_BRAND:
        letter, brand = "allow_all", ""
    else:
        letter, brand = "allow", await _brand_name(session, asked.brand)
    await post_mail(
        session,
        vault,
        asked.address.value,
        words(f"mail.{letter}_subject"),
        words(
            f"mail.{letter}",
            brand=brand,
            link=link_to(settings, f"/c/{seal_confirmation(vault, asked)}"),
        ),
        at=asked.asked_at,
        ends_at=asked.asked_at + asked.lasts,
    )


async def mail_ticket(
    session: AsyncSession,
    vault: Vault,
    user: User,
    ticket: str,
    *,
    words: Words,
    settings: Settings,
    at: datetime,
    lasts: timedelta = LASTS,
) -> None:
    """Send somebody the link by which they choose a password; their login is their address.

    Raises:
        ValueError: it is none that can be written to.
    """
    letter = "reset" if user.ready else "invite"
    await post_mail(
        session,
        vault,
        user.login,
        words(f"mail.{letter}_subject"),
        words(f"mail.{letter}", link=link_to(settings, f"/invited/{ticket}")),
        at=at,
        ends_at=at + lasts,
    )


async def _brand_name(session: AsyncSession, number: int) -> str:
    return next(one.name for one in await list_brands(session, limit=1, after=number - 1))
