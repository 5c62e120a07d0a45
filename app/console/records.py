"""What a person who holds a link sees of the records about them, and the copies they ask for."""

from uuid import UUID

from fastapi import Request, Response

from app.contacts import find_consent, note_copy
from app.identifiers import mask
from app.intake import seal_copy
from app.parties import TheDirectory, TheVault
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.refusals import NotFound
from app.points import DefaultRegion, ThePointKeys, find_point

from .doors import Form
from .lawful import law_in_force, shown_with, what_is_lawful
from .pages import go, page, pages, words_for
from .people import open_held

records = pages("/p")

_MOST = 4
"""Contact points of a link whose records are shown."""
_THE_PERSON = 0


@records.get("/{token}/records")
async def show_records(
    token: str,
    request: Request,
    keys: ThePointKeys,
    vault: TheVault,
    directory: TheDirectory,
    region: DefaultRegion,
) -> Response:
    """Show a person whether they may be contacted now, and what that rests on."""
    at, words, law = now(), words_for(request), await law_in_force(request)
    found = []
    async with database_of(request).reading() as session:
        link = await open_held(session, request, vault, token, "preferences")
        for identifier in link.identifiers[:_MOST]:
            lawful = await what_is_lawful(
                session,
                keys,
                identifier,
                law,
                language=words.language,
                region=region,
                at=at,
            )
            shown = await shown_with(lawful, directory, words.zone)
            found.append({"name": mask(identifier), **shown})
    return await page(request, "records.html", address=f"/p/{token}", found=found)


@records.post("/{token}/copies")
async def ask_for_copy(
    token: str,
    request: Request,
    session: Session,
    keys: ThePointKeys,
    vault: TheVault,
    fields: Form,
) -> Response:
    """Note that the person asks for a copy of a consent, and lead them to it."""
    link = await open_held(session, request, vault, token, "preferences")
    try:
        number = UUID(fields.get("consent", ""))
    except ValueError:
        raise NotFound("There is no such consent.") from None
    consent = await find_consent(session, vault, number, channel=None)
    own = [await find_point(session, keys, one) for one in link.identifiers]
    if consent.point not in own:
        raise NotFound("There is no such consent.")
    await note_copy(session, consent.id, key=_THE_PERSON, at=now())
    return go(request, f"/copy/{seal_copy(vault, consent.id)}")
