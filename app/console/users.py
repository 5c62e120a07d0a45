"""The people who sign in: listed, let in, given another role, let in no more."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import (
    USER_STATES,
    Among,
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
from app.parties import (
    Action,
    TheVault,
    find_channel,
    list_channels,
    list_parties,
    note,
    party_number,
)
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.mails import is_mailable
from app.platform.vault import Vault

from .doors import Form, NotForYou, signed_in
from .forms import BadForm, typed
from .letters import link_to, mail_ticket
from .lists import PAGE, Asked
from .pages import go, page, pages, words_for
from .words import Words

users = pages("/users")

Admin = Annotated[Visit, signed_in(Role.ADMIN)]

_ALL = 10_000
_ANY_PLACE = "any"


@users.get("")
async def show_users(request: Request, visit: Admin) -> Response:
    """List everybody by login, the disabled ones too; by role, state, and whom they record for."""
    del visit
    t, asked = words_for(request), Asked(request)
    after = asked.after(str)
    async with database_of(request).reading() as session:
        places = await _places(session)
        among = Among(
            role=next((one for one in Role if one.word == asked.text("role")), None),
            state=next((one for one in USER_STATES if one == asked.text("state")), None),
            place=_sought(places, asked.text("place")),
        )
        # By the id: a login may be an e-mail address, which the address of a page must not hold.
        login = "" if after is None else (await find_user(session, UUID(after[0]))).login
        rows = await list_users(session, among, after=login, limit=PAGE + 1)
    shown, following = asked.page(rows, lambda user: (str(user.id),))
    return await page(
        request,
        "users.html",
        rows=shown,
        next=following,
        places={given[:2]: given[2] for given in places.values()},
        place_choices=[(_ANY_PLACE, t("users.any_channel")), *_choices(places, t)],
        roles=[(role.word, t(f"role.{role.word}")) for role in Role],
        states=[(state, t(f"users.is_{state}")) for state in USER_STATES],
    )


def _sought(
    places: Mapping[str, tuple[int | None, int | None, str]], place: str | None
) -> tuple[int | None, int | None] | None:
    if place == _ANY_PLACE:
        return (None, None)
    return places[place][:2] if place is not None and place in places else None


@users.get("/new")
async def ask_for_user(request: Request, visit: Admin) -> Response:
    """Ask who is to be let in."""
    del visit
    return await _ask(request, {"role": "agent"}, {})


async def _ask(request: Request, said: Mapping[str, str], faults: Mapping[str, str]) -> Response:
    t = words_for(request)
    async with database_of(request).reading() as session:
        places = await _places(session)
    return await page(
        request,
        "user_new.html",
        status=422 if faults else 200,
        said=said,
        faults=faults,
        roles=[(role.word, t(f"role.{role.word}"), t(f"role.{role.word}_means")) for role in Role],
        places=_choices(places, t),
    )


@users.post("/new")
async def let_in(request: Request, visit: Admin, vault: TheVault, fields: Form) -> Response:
    """Let somebody in: the link by which they choose a password is mailed, or shown this once."""
    at, login, name = now(), typed(fields, "login", most=200), typed(fields, "name", most=120)
    faults = {
        field: "fault.missing" for field, said in (("login", login), ("name", name)) if not said
    }
    if faults:
        return await _ask(request, fields, faults)
    try:
        async with database_of(request).transaction() as session:
            role, (channel, party) = _role(fields), await _place(session, fields)
            new = NewUser(login, name, role, channel, party)
            user = await create_user(session, new, at=at)
            await note(
                session, visit.user.actor, "user.created", user.actor, at, role=user.role.word
            )
            link = await _issue(session, request, vault, user)
    except LoginTaken:
        return await _ask(request, fields, {"login": "fault.login-taken"})
    except BadForm as refusal:
        return await _ask(request, fields, refusal.faults)
    return await page(request, "user_invited.html", user=user, link=link)


def _role(fields: Mapping[str, str]) -> Role:
    """Read a role.

    Raises:
        BadForm: there is no such role.
    """
    try:
        return Role.of(fields.get("role", ""))
    except KeyError:
        raise BadForm({"role": "fault.form"}) from None


async def _place(session: AsyncSession, fields: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Find the number of the channel, or of the party, that somebody records for."""
    kind, _, slug = typed(fields, "place").partition(":")
    if kind == "channel":
        return (await find_channel(session, slug)).id, None
    return None, (await party_number(session, slug)) if kind == "party" else None


async def _places(session: AsyncSession) -> dict[str, tuple[int | None, int | None, str]]:
    """List every channel and every party as a form names it: its numbers, its name."""
    channels = await list_channels(session, limit=_ALL)
    parties = await list_parties(session, limit=_ALL)
    return {f"channel:{one.slug}": (one.id, None, one.name) for one in channels} | {
        f"party:{one.slug}": (None, one.id, one.name) for one in parties
    }


def _choices(
    places: Mapping[str, tuple[int | None, int | None, str]], t: Words
) -> list[tuple[str, str]]:
    return [
        (place, t(f"users.place_{place.partition(':')[0]}", name=name))
        for place, (_, _, name) in places.items()
    ]


async def _issue(session: AsyncSession, request: Request, vault: Vault, user: User) -> str | None:
    """Make a new link and mail it; where that cannot be, give it, to be shown once."""
    at, settings = now(), request.app.state.settings
    ticket = await issue_ticket(session, user.id, at=at)
    if not settings.mails or not is_mailable(user.login):
        return link_to(settings, f"/invited/{ticket}")
    words = words_for(request)
    await mail_ticket(session, vault, user, ticket, words=words, settings=settings, at=at)
    return None


def _require_another(visit: Visit, user: UUID) -> None:
    """See that nobody takes their own role or account away: an administrator must be left."""
    if visit.user.id == user:
        raise NotForYou


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
        places = await _places(session)
    numbers = (user.channel, user.party)
    own = next((place for place, given in places.items() if given[:2] == numbers), "")
    return await page(
        request,
        "user.html",
        user=user,
        said={"role": user.role.word, "place": own},
        roles=[(role.word, t(f"role.{role.word}"), t(f"role.{role.word}_means")) for role in Role],
        places=_choices(places, t),
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
    _require_another(visit, id)
    user, role = await find_user(session, id), _role(fields)
    channel, party = await _place(session, fields)
    await change_user(session, user.id, role=role, channel=channel, party=party)
    await _note(session, visit, "user.changed", user, role=role.word)
    return go(request, f"/users/{id}")


@users.post("/{id}/invite")
async def invite(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Admin,
    vault: TheVault,
    fields: Form,
) -> Response:
    """Mail or show a new link by which somebody chooses a password, who lost it or was late."""
    del fields
    async with database_of(request).transaction() as session:
        user = await find_user(session, id)
        await _note(session, visit, "user.invited", user)
        link = await _issue(session, request, vault, user)
    return await page(request, "user_invited.html", user=user, link=link)


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
    _require_another(visit, id)
    user = await find_user(session, id)
    await disable_user(session, user.id, at=now())
    await _note(session, visit, "user.disabled", user)
    return go(request, f"/users/{id}")


async def _note(
    session: AsyncSession, visit: Visit, action: Action, user: User, **detail: object
) -> None:
    await note(session, visit.user.actor, action, user.actor, now(), **detail)
