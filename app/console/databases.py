"""The databases that are told: how each stands, and what the officer and the admin do about it."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Request, Response

from app.accounts import Role, Visit
from app.delivery import (
    DatabaseIn,
    Ping,
    add_database,
    list_attempts,
    pause_database,
    ping_database,
    remove_database,
    renew_secret,
    replay_database,
    require_allowed,
    resume_database,
)
from app.journal import ALL_MEDIA, Kind, list_parked, read_head
from app.parties import (
    TheDirectory,
    find_database,
    list_brands,
    list_parties,
)
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.problems import Problem
from app.points import PointKeys, ThePointKeys

from .doors import Form, signed_in
from .forms import BadForm, faults_of, picked, read_form, slug_of, typed
from .pages import go, page, pages, words_for
from .registered import WORDS, Row, read_row, read_rows

databases = pages("/databases")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]
Admin = Annotated[Visit, signed_in(Role.ADMIN)]

_PAGE = 50
_SHOWN = 20
_CHOICES = 10_000


@databases.get("")
async def show_databases(request: Request, visit: Officer, keys: ThePointKeys) -> Response:
    """List them, those first that somebody must look at."""
    del visit
    asked = request.query_params
    async with database_of(request).reading() as session:
        rows = await read_rows(session, keys.vault, at=now())
    found = [row for row in rows if _wanted(row, asked)]
    begin = int(asked["from"]) if asked.get("from", "").isdecimal() else 0
    return await page(
        request,
        "databases.html",
        rows=found[begin : begin + _PAGE],
        found=len(found),
        all=len(rows),
        begin=begin,
        next=begin + _PAGE if begin + _PAGE < len(found) else None,
        parties=sorted({row.party.slug: row.party.name for row in rows if row.party}.items()),
        states=[(word, words_for(request)(f"state.{word}")) for word in WORDS],
    )


def _wanted(row: Row, asked: Mapping[str, str]) -> bool:
    sought = asked.get("q", "").strip().casefold()
    return (
        (asked.get("state", "") in ("", row.word))
        and asked.get("party", "") in ("", row.standing.database.party)
        and (sought in row.name.casefold() or sought in row.slug)
    )


@databases.get("/new")
async def show_registering(request: Request, visit: Admin) -> Response:
    """Ask what a database is called, what it is used for and how it is told."""
    del visit
    first = {"first": "1"} if "first" in request.query_params else {}
    return await _ask(request, said=_FIRST | first, faults={})


_FIRST = {
    **{f"media.{medium.word}": "on" for medium in ALL_MEDIA},
    **{f"kinds.{kind.word}": "on" for kind in Kind},
    "delivery.mode": "webhook",
    "delivery.zone": "public",
    "start": "beginning",
    "delivery.identifier_format": "plain",
}
"""What stands in the form before anybody has typed."""


async def _ask(request: Request, *, said: Mapping[str, str], faults: Mapping[str, str]) -> Response:
    async with database_of(request).reading() as session:
        parties = await list_parties(session, limit=_CHOICES)
        brands = await list_brands(session, limit=_CHOICES)
    t = words_for(request)
    return await page(
        request,
        "database_new.html",
        status=422 if faults else 200,
        said=said,
        faults=faults,
        parties=parties,
        party_choices=[(one.slug, one.name) for one in parties],
        brands=brands,
        brand_choices=[(one.slug, one.name) for one in brands],
        media_choices=[(one.word, t(f"media.{one.word}")) for one in ALL_MEDIA],
        kind_choices=[(one.word, t(f"kind.{one.word}")) for one in Kind],
    )


@databases.post("/new")
async def register(
    request: Request,
    visit: Admin,
    keys: ThePointKeys,
    directory: TheDirectory,
    fields: Form,
) -> Response:
    """Register a database; its secrets are shown this once, beside a ping to send."""
    at, database = now(), database_of(request)
    try:
        asked = read_form(DatabaseIn, _said(fields))
        settings, weak = request.app.state.settings, asked.delivery.accept_weak
        require_allowed(asked.delivery.way, settings, accept_weak=weak)
        new = await asked.database(directory)
        async with database.transaction() as session:
            made, secrets = await add_database(
                session, keys.vault, new, actor=visit.user.actor, at=at
            )
    except (BadForm, Problem) as refusal:
        return await _ask(request, said=fields, faults=faults_of(refusal))
    return await page(
        request,
        "database_issued.html",
        database=made,
        secrets=secrets,
        mode=new.way.mode,
        ping=None,
        first="first" in fields,
    )


def _said(fields: Mapping[str, str]) -> dict[str, Any]:
    name, pulled = typed(fields, "name"), fields.get("delivery.mode") == "pull"
    return {
        "slug": typed(fields, "slug") or slug_of(name),
        "name": name,
        "party": typed(fields, "party"),
        "media": picked(fields, "media"),
        "brands": picked(fields, "brands") or None,
        "kinds": picked(fields, "kinds"),
        "start": typed(fields, "start"),
        "delivery": {
            "mode": typed(fields, "delivery.mode"),
            "url": None if pulled else typed(fields, "delivery.url"),
            "zone": typed(fields, "delivery.zone"),
            "identifier_format": typed(fields, "delivery.identifier_format"),
            "accept_weak": "delivery.accept_weak" in fields,
        },
    }


@databases.get("/{slug}")
async def show_database(
    slug: str, request: Request, visit: Officer, keys: ThePointKeys, directory: TheDirectory
) -> Response:
    """Show how a database stands, what was tried, and what it refuses."""
    del visit
    return await _show(request, slug, keys, directory)


async def _show(
    request: Request,
    slug: str,
    keys: PointKeys,
    directory: TheDirectory,
    ping: Ping | None = None,
    secret: str | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    async with database_of(request).reading() as session:
        database = await find_database(session, slug)
        row = await read_row(session, keys.vault, database, at=now())
        attempts = await list_attempts(session, database.id, before=None, limit=_SHOWN)
        parked = await list_parked(session, database.id, after=0, limit=_SHOWN)
        head = (await read_head(session)).position
    scope = row.standing.follower.scope
    brands = None
    if scope.brands is not None:
        brands = [await directory.brand_slug(brand) for brand in scope.brands]
    return await page(
        request,
        "database.html",
        status=422 if faults else 200,
        row=row,
        brands=brands,
        kinds=[kind.word for kind in Kind if kind in scope.kinds],
        attempts=attempts,
        parked=parked,
        head=head,
        ping=ping,
        secret=secret,
        faults=faults or {},
    )


@databases.post("/{slug}/ping")
async def send_ping(
    slug: str,
    request: Request,
    visit: Officer,
    keys: ThePointKeys,
    directory: TheDirectory,
    fields: Form,
) -> Response:
    """Ask a database whether it is there, and show what came of it."""
    del visit, fields
    async with database_of(request).reading() as session:
        database = await find_database(session, slug)
    ping: Ping = await ping_database(database_of(request), keys.vault, database)
    if request.headers.get("hx-request"):
        return await page(request, "ping.html", ping=ping)
    return await _show(request, slug, keys, directory, ping=ping)


@databases.post("/{slug}/pause")
async def pause(slug: str, request: Request, visit: Officer, fields: Form) -> Response:
    """Tell a database nothing more until it is resumed."""
    async with database_of(request).reading() as session:
        database = await find_database(session, slug)
    await pause_database(database_of(request), database, actor=visit.user.actor, at=now())
    return _back(request, slug, fields)


@databases.post("/{slug}/resume")
async def resume(
    slug: str, request: Request, visit: Officer, session: Session, fields: Form
) -> Response:
    """Go on telling a database; one that fails is tried now."""
    database = await find_database(session, slug)
    await resume_database(session, database, actor=visit.user.actor, at=now())
    return _back(request, slug, fields)


@databases.post("/{slug}/rotate-secret")
async def rotate(
    slug: str,
    request: Request,
    visit: Admin,
    keys: ThePointKeys,
    directory: TheDirectory,
    fields: Form,
) -> Response:
    """Make a new signing secret, and show it this once."""
    del fields
    async with database_of(request).transaction() as session:
        database = await find_database(session, slug)
        secret = await renew_secret(session, keys.vault, database, actor=visit.user.actor, at=now())
    return await _show(request, slug, keys, directory, secret=secret)


@databases.post("/{slug}/replay")
async def replay(
    slug: str,
    request: Request,
    visit: Admin,
    session: Session,
    keys: ThePointKeys,
    directory: TheDirectory,
    fields: Form,
) -> Response:
    """Tell a database again, from a position on."""
    database, first = await find_database(session, slug), typed(fields, "first", most=18)
    if not first.isdecimal() or not int(first):
        return await _show(request, slug, keys, directory, faults={"first": "fault.form"})
    await replay_database(session, database, first=int(first), actor=visit.user.actor, at=now())
    return _back(request, slug, fields)


@databases.post("/{slug}/delete")
async def delete(
    slug: str,
    request: Request,
    visit: Admin,
    session: Session,
    keys: ThePointKeys,
    directory: TheDirectory,
    fields: Form,
) -> Response:
    """Tell a database no more, once its name was typed."""
    if typed(fields, "confirmed") != slug:
        return await _show(request, slug, keys, directory, faults={"confirmed": "fault.confirmed"})
    await remove_database(session, slug, actor=visit.user.actor, at=now())
    return go(request, "/databases")


_PLACES = {"overview": "/overview", "databases": "/databases"}


def _back(request: Request, slug: str, fields: Mapping[str, str]) -> Response:
    return go(request, _PLACES.get(fields.get("back", ""), f"/databases/{slug}"))
