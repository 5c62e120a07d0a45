"""A person's copy of a consent: a link that names nobody and opens the page of that one alone."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import Consent, find_consent
from app.platform.refusals import NotFound
from app.platform.vault import Unsealable, Vault

_CONTEXT = b"link/consent-copy"
_LONGEST = 200


def seal_copy(vault: Vault, consent: UUID) -> str:
    """Write the token of a link to a copy: no two are alike."""
    return urlsafe_b64encode(vault.seal(consent.bytes, _CONTEXT)).rstrip(b"=").decode()


async def open_copy(session: AsyncSession, vault: Vault, token: str) -> Consent:
    """Read the consent that a link is about, while its evidence is kept.

    Raises:
        NotFound: the link was altered or is for another purpose, or the evidence is destroyed.
    """
    gone = NotFound("This link does not count any more.")
    if len(token) > _LONGEST:
        raise gone
    try:
        sealed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        number = UUID(bytes=vault.unseal(sealed, _CONTEXT))
    except (ValueError, Unsealable):
        raise gone from None
    found = await find_consent(session, vault, number, channel=None)
    if found.destroyed:
        raise gone
    return found
