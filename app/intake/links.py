"""Preference links: who holds one may suppress at once; what it is about is sealed in the link.

Nothing is stored for a link, so that a million mails need no million rows. A link for the
preferences page and one for the single click are sealed for their purpose: neither opens the
other's door.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import Kind, Media
from app.platform.vault import Unsealable, Vault

Purpose = Literal["preferences", "one-click", "confirmation"]
_LONGEST = 16_384


class BadLink(Exception):  # noqa: N818 - it says what the link is
    """The link was altered, is too old, was revoked, or is for another purpose."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is about; brand 0 is every brand, no media: those that its addresses carry."""

    identifiers: Sequence[Identifier]
    brand: int
    media: Media
    issued_at: datetime

    @property
    def carried(self) -> Media:
        """Tell for which media the link's contact points, and the link itself, stand."""
        carried = Media(0)
        for one in self.identifiers:
            carried |= one.kind.carries
        return carried & self.media if self.media else carried

    @property
    def clicked(self) -> Media:
        """Tell what a single click suppresses: the link's media, else its addresses' own."""
        own = Media(0)
        for one in self.identifiers:
            own |= Media.EMAIL if one.kind is Kind.EMAIL else one.kind.carries
        return self.media or own


def seal_link(vault: Vault, link: Link, purpose: Purpose) -> str:
    """Write a link's token: it reveals nothing, and no two are alike."""
    told = [
        int(link.issued_at.timestamp()),
        link.brand,
        int(link.media),
        [[int(one.kind), one.value] for one in link.identifiers],
    ]
    return seal_token(vault, told, purpose)


def seal_token(vault: Vault, told: object, purpose: Purpose) -> str:
    """Write JSON as a token of one purpose."""
    plain = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    return urlsafe_b64encode(vault.seal(plain, _context(purpose))).rstrip(b"=").decode()


async def open_link(
    session: AsyncSession, vault: Vault, token: str, purpose: Purpose, *, days: int, at: datetime
) -> Link:
    """Read a link of one purpose, issued in the last so many days and not revoked since.

    Raises:
        BadLink: it is none of these.
    """
    issued, brand, media, identifiers = open_token(vault, token, purpose)
    link = Link(
        [Identifier(Kind(kind), value) for kind, value in identifiers],
        brand,
        Media(media),
        datetime.fromtimestamp(issued, UTC),
    )
    await require_fresh(session, link.issued_at, lasts=timedelta(days=days), at=at)
    return link


async def require_fresh(
    session: AsyncSession, issued_at: datetime, *, lasts: timedelta, at: datetime
) -> None:
    """See that a token is not too old, and was issued after all were revoked last.

    Raises:
        BadLink: it is not.
    """
    revoked_at = await session.scalar(text("SELECT max(before) FROM link_revocations"))
    if issued_at < at - lasts or (revoked_at is not None and issued_at < revoked_at):
        raise BadLink


async def revoke_links(session: AsyncSession, *, before: datetime) -> None:
    """Let no link count any more that was issued before a time."""
    await session.execute(
        text("INSERT INTO link_revocations (before) VALUES (:before) ON CONFLICT DO NOTHING"),
        {"before": before},
    )


def open_token(vault: Vault, token: str, purpose: Purpose) -> Any:  # noqa: ANN401 - JSON
    """Read what a token of one purpose tells.

    Raises:
        BadLink: it is none.
    """
    if len(token) > _LONGEST:
        raise BadLink
    try:
        sealed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        return json.loads(vault.unseal(sealed, _context(purpose)))
    except (ValueError, Unsealable):
        raise BadLink from None


def _context(purpose: Purpose) -> bytes:
    return f"link/{purpose}".encode()
