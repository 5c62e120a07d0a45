"""Keys of the API: who holds one, what it may do, when it was used; made, shown once, revoked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from app.accounts import Role, Visit
from app.parties import (
    SCOPES,
    Key,
    KeyIn,
    NewKey,
    create_key,
    find_key,
    list_channels,
    list_databases,
    list_keys,
    revoke_key,
)
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.problems import Problem

from .doors import Form, signed_in
from .forms import BadForm, faults_of, last_moment_of, picked, read_form, typed
from .lists import Asked
from .pages import go, page, pages

keys = pages("/keys")

Admin = Annotated[Visit, signed_in(Role.ADMIN)]

_ALL = 10_000
_SHOWN = 200


@keys.get("")
async def show_keys(request: Request, visit: Admin) -> Response:
    """List keys, the latest first; by state, scope, and what they are bound to."""
    del visit
    at, asked = now(), Asked(request)
    async with database_of(request).reading() as session:
        rows = await list_keys(session)
    found = [key for key in reversed(rows) if _wanted(key, asked, at)]
    return await page(
        request,
        "keys.html",
        rows=found[:_SHOWN],
        found=len(found),
        at=at,
        scopes=[(scope, scope) for scope in SCOPES],
        bound=[(one, one) for one in sorted({_bound_to(key) for key in rows} - {""})],
    )


def _bound_to(key: Key) -> str:
    """Name what a key is bound to as the filter does: two rooms' slugs may be the same."""
    if key.channel is not None:
        return f"channel:{key.channel}"
    return "" if key.database is None else f"database:{key.database}"


def _wanted(key: Key, asked: Asked, at: datetime) -> bool:
    in_force = key.is_in_force(at)
    state = {"all": True, "ended": not in_force}.get(asked.text("state") or "", in_force)
    scope = asked.text("scope")
    sought = (asked.text("q") or "").casefold()
    bound = asked.text("bound") in (None, _bound_to(key))
    return state and bound and scope in (None, *key.scopes) and sought in key.name.casefold()


@keys.get("/new")
async def ask_for_key(request: Request, visit: Admin) -> Response:
    """Ask what a key may do and whom it is bound to."""
    del visit
    database = request.query_params.get("database", "")[:64]
    said = {"database": database, "scopes.journal:read": "on"} if database else {}
    return await _ask(request, said, {})


async def _ask(request: Request, said: Mapping[str, str], faults: Mapping[str, str]) -> Response:
    async with database_of(request).reading() as session:
        channels = await list_channels(session, limit=_ALL)
        databases = await list_databases(session)
    return await page(
        request,
        "key_new.html",
        status=422 if faults else 200,
        said=said,
        faults=faults,
        scopes=[(scope, scope) for scope in SCOPES],
        channels=[(one.slug, one.name) for one in channels],
        databases=[(one.slug, one.name) for one in databases],
    )


@keys.post("/new")
async def make_key(request: Request, visit: Admin, fields: Form) -> Response:
    """Make a key, and show it this once."""
    channel, database = typed(fields, "channel") or None, typed(fields, "database") or None
    until, zone = typed(fields, "expires_at"), request.app.state.settings.time_zone
    at = now()
    said = {
        "name": typed(fields, "name"),
        "scopes": picked(fields, "scopes"),
        "channel": channel,
        "database": database,
        "expires_at": last_moment_of(until, zone) if until else None,
    }
    try:
        new = read_form(KeyIn, said).key(channel=channel, database=database)
        _require_to_count(new, at)
        async with database_of(request).transaction() as session:
            issued = await create_key(session, new, actor=visit.user.actor, at=at)
    except (BadForm, Problem) as refusal:
        return await _ask(request, fields, faults_of(refusal))
    return await page(request, "key_issued.html", key=issued.key, text=issued.text)


def _require_to_count(new: NewKey, at: datetime) -> None:
    if new.expires_at is not None and new.expires_at <= at:
        raise BadForm({"expires_at": "fault.in-the-past"})


@keys.post("/{id}/revoke")
async def revoke(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Admin,
    session: Session,
    fields: Form,
) -> Response:
    """End a key for good, within a second everywhere."""
    del fields
    key = await find_key(session, id)
    await revoke_key(session, key, actor=visit.user.actor, at=now())
    return go(request, "/keys")
