"""The people who sign in: listed, let in, given another role, let in no more."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import (
    LoginTaken,
    NewUser,
    Role,
    User,
    Visit,
    change_user,
    create_user,
    disable_user,
    end_sessions,
    find_user,
    forget_second_factor,
    issue_ticket,
    list_users,
)
from app.parties import find_channel, list_channels, note
from app.platform.clock import now
from app.platform.db import Session, database_of

from .doors import Form, signed_in
from .forms import BadForm, typed
from .letters import link_to
from .lists import PAGE, Asked
from .pages import go, page, pages, words_for

users = pages("/users")

Admin = Annotated[Visit, signed_in(Role.ADMIN)]

_ALL = 10_000


@users.get("")
async def show_users(request: Request, visit: Admin) -> Response:
    """List everybody by login, the disabled ones too."""
    del visit
    asked = Asked(request)
    after = asked.after(str)
    async with database_of(request).reading() as session:
        rows = await list_users(session, after="" if after is None else after[0], limit=PAGE + 1)
        channels = {one.id: one.name for one in await list_channels(session, limit=_ALL)}
    shown, following = asked.page(rows, lambda user: (user.login,))
    return await page(request, "users.html", rows=shown, next=following, channels=channels)


@users.get("/new")
async def ask_for_user(request: Request, visit: Admin) -> Response:
    """Ask who is to be let in."""
    del visit
    return await _ask(request, {"role": "agent"}, {})


async def _ask(request: Request, said: Mapping[str, str], faults: Mapping[str, str]) -> Response:
    t = words_for(request)
    async with database_of(request).reading() as session:
        channels = await list_channels(session, limit=_ALL)
    return await page(
        request,
        "user_new.html",
        status=422 if faults else 200,
        said=said,
        faults=faults,
        roles=[(role.word, t(f"role.{role.word}"), t(f"role.{role.word}_means")) for role in Role],
        channels=[(one.slug, one.name) for one in channels],
    )


@users.post("/new")
async def let_in(request: Request, visit: Admin, fields: Form) -> Response:
    """Let somebody in: the link by which they choose a password is shown this once."""
    at, login, name = now(), typed(fields, "login", most=200), typed(fields, "name", most=120)
    faults = {
        field: "fault.missing" for field, said in (("login", login), ("name", name)) if not said
    }
    if faults:
        return await _ask(request, fields, faults)
    try:
        async with database_of(request).transaction() as session:
            role, channel = await _role_and_channel(session, fields)
            user = await create_user(session, NewUser(login, name, role, channel), at=at)
            await note(
                session, visit.user.actor, "user.created", user.actor, at, role=user.role.word
            )
            ticket = await issue_ticket(session, user.id, at=at)
    except LoginTaken:
        return await _ask(request, fields, {"login": "fault.already-exists"})
    except BadForm as refusal:
        return await _ask(request, fields, refusal.faults)
    return await _invited(request, user, ticket)


async def _role_and_channel(
    session: AsyncSession, fields: Mapping[str, str]
) -> tuple[Role, int | None]:
    """Read both.

    Raises:
        BadForm: there is no such role.
    """
    try:
        role = Role.of(fields.get("role", ""))
    except KeyError:
        raise BadForm({"role": "fault.form"}) from None
    channel = typed(fields, "channel")
    return role, (await find_channel(session, channel)).id if channel else None


async def _invited(request: Request, user: User, ticket: str) -> Response:
    link = link_to(request.app.state.settings, f"/invited/{ticket}")
    return await page(request, "user_invited.html", user=user, link=link)


@users.get("/{id}")
async def show_user(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Admin,
) -> Response:
    """Show somebody, and what can be changed about them."""
    del visit
    t = words_for(request)
    async with database_of(request).reading() as session:
        user = await find_user(session, id)
        channels = await list_channels(session, limit=_ALL)
    own = next((one.slug for one in channels if one.id == user.channel), "")
    return await page(
        request,
        "user.html",
        user=user,
        said={"role": user.role.word, "channel": own},
        roles=[(role.word, t(f"role.{role.word}"), t(f"role.{role.word}_means")) for role in Role],
        channels=[(one.slug, one.name) for one in channels],
    )


@users.post("/{id}/change")
async def change(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Admin,
    session: Session,
    fields: Form,
) -> Response:
    """Give somebody another role and channel; it counts from their next request."""
    user = await find_user(session, id)
    role, channel = await _role_and_channel(session, fields)
    await change_user(session, user.id, role=role, channel=channel)
    await _note(session, visit, "user.changed", user, role=role.word)
    return go(request, f"/users/{id}")


@users.post("/{id}/invite")
async def invite(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Admin,
    fields: Form,
) -> Response:
    """Show a new link by which somebody chooses a password, who lost it or was late."""
    del fields
    async with database_of(request).transaction() as session:
        user = await find_user(session, id)
        await _note(session, visit, "user.invited", user)
        ticket = await issue_ticket(session, user.id, at=now())
    return await _invited(request, user, ticket)


@users.post("/{id}/sign-out")
async def sign_out(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Admin,
    session: Session,
    fields: Form,
) -> Response:
    """Sign somebody out everywhere; with a lost phone, let them set up a new second factor."""
    user = await find_user(session, id)
    if "forget" in fields:
        await forget_second_factor(session, user.id)
        await _note(session, visit, "user.second-factor-forgotten", user)
    await end_sessions(session, user.id)
    await _note(session, visit, "user.signed-out", user)
    return go(request, f"/users/{id}")


@users.post("/{id}/disable")
async def disable(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Admin,
    session: Session,
    fields: Form,
) -> Response:
    """Let somebody in no more."""
    del fields
    user = await find_user(session, id)
    await disable_user(session, user.id, at=now())
    await _note(session, visit, "user.disabled", user)
    return go(request, f"/users/{id}")


async def _note(
    session: AsyncSession, visit: Visit, action: str, user: User, **detail: object
) -> None:
    await note(session, visit.user.actor, action, user.actor, now(), **detail)
