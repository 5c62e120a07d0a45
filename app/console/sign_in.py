"""Signing in and out: password, second factor, invitation, the account's own page."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import (
    BadTicket,
    Limit,
    TooManyTries,
    User,
    Visit,
    WeakPassword,
    WrongCredentials,
    address_block,
    begin_enrolment,
    begin_session,
    check_code,
    check_password,
    count_try,
    end_session,
    end_sessions,
    find_ticket,
    find_user_by_login,
    hash_password,
    issue_ticket,
    list_sessions,
    pass_second_factor,
    redeem_ticket,
    require_strength,
)
from app.parties import TheVault, note
from app.platform.clock import now
from app.platform.db import database_of
from app.platform.mails import is_mailable
from app.platform.refusals import NotFound
from app.platform.vault import Vault

from .doors import Form, browser_of, landing, onward, sign_in_browser, sign_out_browser, signed_in
from .letters import mail_ticket
from .pages import go, page, pages, words_for

door = pages("/sign-in")
account = pages("/account")
invited = pages("/invited")
leaving = pages("/sign-out")

_LOST_FROM = Limit(10, timedelta(hours=1))
_LOST = Limit(3, timedelta(hours=1))
_RESET_LASTS = timedelta(hours=1)

Half = Annotated[Visit, signed_in(half=True)]
Signed = Annotated[Visit, signed_in()]


@door.get("")
async def show_sign_in(request: Request) -> Response:
    """Ask for login and password."""
    visit = (await browser_of(request)).visit
    if visit is not None:
        return go(request, landing(request, visit.user.role) if visit.whole else _on(request))
    return await page(request, "sign_in.html", refused=None, login="")


@door.post("")
async def sign_in(request: Request, fields: Form) -> Response:
    """Take login and password."""
    at, database = now(), database_of(request)
    login, password = fields.get("login", "").strip()[:200], fields.get("password", "")
    place = request.client.host if request.client else ""
    try:
        user = await check_password(database, login, password, place=place, at=at)
    except (TooManyTries, WrongCredentials) as refusal:
        refused = "tries" if isinstance(refusal, TooManyTries) else "credentials"
        status = 429 if refused == "tries" else 401
        return await page(request, "sign_in.html", status=status, refused=refused, login=login)
    whole = not (user.second_factor or _must_enrol(request, user))
    async with database.transaction() as session:
        token = await begin_session(
            session, user.id, whole=whole, browser=request.headers.get("user-agent", ""), at=at
        )
        if whole:
            await note(session, user.actor, "user.signed-in", f"user:{user.id}", at)
    response = go(request, landing(request, user.role) if whole else _on(request))
    sign_in_browser(request, response, token)
    return response


def _on(request: Request) -> str:
    """Write the address of the second step; what the first one was called with goes along."""
    return f"/sign-in/code{onward(request)}"


def _must_enrol(request: Request, user: User) -> bool:
    return bool(user.role.needs_second_factor and request.app.state.settings.require_second_factor)


@door.get("/code")
async def show_code(request: Request, visit: Half, vault: TheVault) -> Response:
    """Ask for a code of the second factor, or have one set up."""
    if visit.whole:
        return go(request, landing(request, visit.user.role))
    if visit.user.second_factor:
        return await page(request, "code.html", refused=None)
    return await _show_enrolment(request, visit, vault, refused=None)


@door.post("/code")
async def take_code(request: Request, visit: Half, vault: TheVault, fields: Form) -> Response:
    """Take a code, the first one of a new second factor too."""
    at, database, code = now(), database_of(request), fields.get("code", "")
    try:
        await check_code(database, vault, visit.user, code, at=at)
    except (TooManyTries, WrongCredentials) as refusal:
        refused = "tries" if isinstance(refusal, TooManyTries) else "code"
        if visit.user.second_factor:
            return await page(request, "code.html", status=401, refused=refused)
        return await _show_enrolment(request, visit, vault, refused=refused)
    async with database.transaction() as session:
        token = await pass_second_factor(session, visit, at=at)
        await note(session, visit.user.actor, "user.signed-in", visit.user.actor, at)
    response = go(request, landing(request, visit.user.role))
    sign_in_browser(request, response, token)
    return response


async def _show_enrolment(
    request: Request, visit: Visit, vault: TheVault, *, refused: str | None
) -> Response:
    async with database_of(request).transaction() as session:
        enrolment = await begin_enrolment(session, vault, visit.user.id, visit.user.login)
    import segno  # noqa: PLC0415 - whoever enrols needs it once

    picture = segno.make(enrolment.uri, error="m").svg_data_uri(scale=5, border=2)
    return await page(
        request,
        "enrol.html",
        status=401 if refused else 200,
        refused=refused,
        secret=enrolment.secret,
        picture=picture,
    )


@door.get("/lost")
async def show_lost(request: Request) -> Response:
    """Ask for the login whose password is lost, where mail can be sent."""
    return await page(request, "lost.html", state="ask", mails=request.app.state.settings.mails)


@door.post("/lost")
async def send_lost(request: Request, vault: TheVault, fields: Form) -> Response:
    """Mail a new link, if there is such a user; the answer is the same whether or not."""
    at, settings = now(), request.app.state.settings
    login = fields.get("login", "").strip().lower()[:200]
    block = address_block(request.client.host if request.client else "")
    async with database_of(request).transaction() as session:
        within = await count_try(session, f"lost-from/{block}", _LOST_FROM, at=at)
        if within and await count_try(session, f"lost/{login}", _LOST, at=at) and settings.mails:
            with suppress(NotFound):
                await _mail_reset(session, request, vault, login, at)
    state = "done" if within else "tries"
    return await page(
        request, "lost.html", status=200 if within else 429, state=state, mails=settings.mails
    )


async def _mail_reset(
    session: AsyncSession, request: Request, vault: Vault, login: str, at: datetime
) -> None:
    user = await find_user_by_login(session, login)
    if user.disabled_at is not None or not is_mailable(user.login):
        return
    ticket = await issue_ticket(session, user.id, at=at, lasts=_RESET_LASTS)
    await note(session, user.actor, "user.reset-asked", user.actor, at)
    await mail_ticket(
        session,
        vault,
        user,
        ticket,
        words=words_for(request),
        settings=request.app.state.settings,
        at=at,
        lasts=_RESET_LASTS,
    )


@invited.get("/{ticket}")
async def show_ticket(ticket: str, request: Request) -> Response:
    """Ask whoever was invited, or lost a password, to choose one; opening it changes nothing."""
    async with database_of(request).reading() as session:
        try:
            found = await find_ticket(session, ticket, at=now())
        except BadTicket:
            return await page(request, "refused.html", status=404, why="ticket")
    return await page(request, "password.html", ticket=ticket, user=found.user, refused=None)


@invited.post("/{ticket}")
async def choose_password(ticket: str, request: Request, fields: Form) -> Response:
    """Take the password that was chosen, which uses the ticket up."""
    at, database, password = now(), database_of(request), fields.get("password", "")
    try:
        async with database.reading() as session:
            user = (await find_ticket(session, ticket, at=at)).user
        require_strength(password, user.login)
        hashed = await hash_password(password)
        async with database.transaction() as session:
            await redeem_ticket(session, ticket, hashed, at=at)
            await note(session, user.actor, "user.password-chosen", user.actor, at)
    except BadTicket:
        return await page(request, "refused.html", status=404, why="ticket")
    except WeakPassword as weak:
        return await page(
            request, "password.html", status=422, ticket=ticket, user=user, refused=weak.why
        )
    return go(request, "/sign-in?chosen=1")


@account.get("")
async def show_account(request: Request, visit: Signed) -> Response:
    """Show who is signed in, and where else."""
    async with database_of(request).reading() as session:
        sessions = await list_sessions(session, visit.user.id, at=now())
    return await page(request, "account.html", sessions=sessions)


@account.post("/sessions/{id}/end")
async def end_one(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Signed,
    fields: Form,
) -> Response:
    """Sign one of one's own browsers out."""
    del fields  # read, so that its token was judged
    async with database_of(request).transaction() as session:
        await end_session(session, visit.user.id, id)
    return go(request, "/account")


@account.post("/sessions/end")
async def end_all(request: Request, visit: Signed, fields: Form) -> Response:
    """Sign oneself out everywhere."""
    del fields  # read, so that its token was judged
    async with database_of(request).transaction() as session:
        await end_sessions(session, visit.user.id)
    return go(request, "/sign-in")


@leaving.post("")
async def sign_out(request: Request, visit: Half, fields: Form) -> Response:
    """Sign this browser out."""
    del fields  # read, so that its token was judged
    async with database_of(request).transaction() as session:
        await end_session(session, visit.user.id, visit.session)
    response = go(request, "/sign-in")
    sign_out_browser(request, response)
    return response
