"""A person's copy of what they consented to: a page by a link, without an account, to be kept."""

from datetime import datetime
from typing import Any

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

from app.contacts import MENTIONS, Consent, evidence_until
from app.intake import open_copy
from app.parties import TheDirectory, TheVault, find_party, list_brands
from app.platform.clock import now
from app.platform.db import database_of

from .pages import page, pages, words_for

copies = pages("/copy")


@copies.get("/{token}")
async def show_copy(
    token: str, request: Request, vault: TheVault, directory: TheDirectory
) -> Response:
    """Show a consent to whoever holds the link to its copy: all but the evidence of machines."""
    shown = await _copy(request, vault, directory, token, at=now())
    return await page(request, "copy.html", address=f"/copy/{token}", **shown)


@copies.get("/{token}/consent.txt")
async def keep_copy(
    token: str, request: Request, vault: TheVault, directory: TheDirectory
) -> Response:
    """Give the same as a file that the person keeps (Directive 2011/83/EU, 2(10))."""
    shown = await _copy(request, vault, directory, token, at=now())
    words = words_for(request)
    colon = words("page.colon")
    one: Consent = shown["consent"]
    lines = [
        words("copy.title"),
        "",
        words(
            "copy.agreed",
            brand=shown["brand"],
            medium=words(f"media.{one.medium.word}"),
            object=one.object,
        ),
        words("copy.when") + colon + f"{words.local(one.given_where)} ({one.given_where:%z})",
        words("copy.how") + colon + words(f"act.{one.positive_act.word}"),
        words("copy.state") + colon + words("consent." + shown["state"]),
        "",
        words("copy.told"),
        words("copy.version", version=one.wording.version),
        "",
        one.wording.text or "",
        "",
    ]
    headers = {"Content-Disposition": 'attachment; filename="consent.txt"'}
    return PlainTextResponse("\r\n".join(lines), headers=headers)


async def _copy(
    request: Request, vault: TheVault, directory: TheDirectory, token: str, *, at: datetime
) -> dict[str, Any]:
    async with database_of(request).reading() as session:
        consent = await open_copy(session, vault, token)
        brands = {one.id: one.name for one in await list_brands(session, limit=32_767)}
        parties = {
            number: (await find_party(session, await directory.party_slug(number))).name
            for number in (consent.collected_by, consent.called_by)
            if number is not None
        }
    made = {(one.name or "").lower(): one in consent.mentions for one in MENTIONS}
    return {
        "consent": consent,
        "brand": brands[consent.brand],
        "parties": parties,
        "state": consent.state(at),
        "made": [word for word, done in made.items() if done],
        "not_made": [word for word, done in made.items() if not done],
        "kept_until": evidence_until(consent.given_at),
    }
