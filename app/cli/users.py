"""``optout users``: the people who sign in, for whoever runs the registry."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import (
    LoginTaken,
    NewUser,
    Role,
    User,
    change_user,
    create_user,
    disable_user,
    end_sessions,
    find_user_by_login,
    forget_second_factor,
    issue_ticket,
    list_users,
)
from app.parties import CLI, Action, UnknownParty, find_channel, note, party_number
from app.platform.clock import now
from app.platform.mails import is_mailable
from app.platform.refusals import NotFound
from app.points import PointKeys
from app.settings import Settings, read_settings

from .registry import opened, reached
from .root import AsJson, app, fail, print_json, print_rows

users = typer.Typer(help="Invite, list and disable the people who sign in.", no_args_is_help=True)
app.add_typer(users, name="users")

T = TypeVar("T")
Login = Annotated[str, typer.Argument(help="The login, an e-mail address for instance.")]
_ROLES = [role.word for role in Role]
ForChannel = Annotated[str | None, typer.Option("--channel", help="The channel they record as.")]
ForParty = Annotated[
    str | None, typer.Option("--party", help="Or the party, as whose channels they record.")
]
ByMail = Annotated[
    bool, typer.Option("--mail", help="Mail the link to the login instead of printing it.")
]
InLanguage = Annotated[str, typer.Option("--language", help="Of the mail: en or fr.")]


@users.command("create")
def create(
    login: Login,
    *,
    name: Annotated[str, typer.Option(help="The name that colleagues see.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(_ROLES)}.")],
    channel: ForChannel = None,
    party: ForParty = None,
    mail: ByMail = False,
    language: InLanguage = "en",
) -> None:
    """Let somebody in: prints the link by which they choose a password, alone on the last line."""
    if mail:
        _require_mailable(login, language)

    async def made(session: AsyncSession, settings: Settings) -> str:
        number, party_number = await _place(session, channel, party)
        new = NewUser(login, name, _role(role), number, party_number)
        try:
            user = await create_user(session, new, at=now())
        except LoginTaken:
            fail(f"There is a user {login} already.")
        await _note(session, "user.created", user, role=role)
        return await _issue(session, settings, user, language if mail else None)

    _tell(_run(made), mailed=mail)


@users.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """List everybody, the disabled ones too."""

    async def listed(session: AsyncSession, _: Settings) -> list[User]:
        found: list[User] = []
        while page := await list_users(session, after=found[-1].login if found else "", limit=500):
            found += page
        return found

    found = _run(listed)
    if as_json:
        print_json([asdict(user) | {"role": user.role.word} for user in found])
        return
    print_rows(
        ("login", "name", "role", "state", "second factor"),
        [
            (
                user.login,
                user.name,
                user.role.word,
                _state(user),
                "on" if user.second_factor else "",
            )
            for user in found
        ],
    )


@users.command()
def invite(login: Login, *, mail: ByMail = False, language: InLanguage = "en") -> None:
    """Print a new link by which somebody chooses a password, who lost it or was late."""
    if mail:
        _require_mailable(login, language)

    async def invited(session: AsyncSession, settings: Settings) -> str:
        user = await _find(session, login)
        await _note(session, "user.invited", user)
        return await _issue(session, settings, user, language if mail else None)

    _tell(_run(invited), mailed=mail)


@users.command()
def change(
    login: Login,
    *,
    role: Annotated[str, typer.Option(help=f"One of {', '.join(_ROLES)}.")],
    channel: ForChannel = None,
    party: ForParty = None,
) -> None:
    """Give somebody another role, and another channel or party."""

    async def changed(session: AsyncSession, user: User) -> None:
        number, of_party = await _place(session, channel, party)
        await change_user(session, user.id, role=_role(role), channel=number, party=of_party)
        await _note(session, "user.changed", user, role=role)

    _with(login, changed)


@users.command()
def disable(login: Login) -> None:
    """Let somebody in no more, and sign them out everywhere."""

    async def disabled(session: AsyncSession, user: User) -> None:
        await disable_user(session, user.id, at=now())
        await _note(session, "user.disabled", user)

    _with(login, disabled)


@users.command("sign-out")
def sign_out(login: Login) -> None:
    """Sign somebody out everywhere."""

    async def signed_out(session: AsyncSession, user: User) -> None:
        await end_sessions(session, user.id)
        await _note(session, "user.signed-out", user)

    _with(login, signed_out)


@users.command("forget-second-factor")
def forget(login: Login) -> None:
    """Let somebody set up a new second factor, whose phone is lost, and sign them out."""

    async def forgotten(session: AsyncSession, user: User) -> None:
        await forget_second_factor(session, user.id)
        await end_sessions(session, user.id)
        await _note(session, "user.second-factor-forgotten", user)

    _with(login, forgotten)


def _run(act: Callable[[AsyncSession, Settings], Awaitable[T]]) -> T:
    """Do something in one transaction of the registry that the settings name."""

    async def run(settings: Settings) -> T:
        async with opened(settings) as registry, registry.transaction() as session:
            return await act(session, settings)

    with reached() as settings:
        return asyncio.run(run(settings))


def _with(login: str, act: Callable[[AsyncSession, User], Awaitable[T]]) -> T:
    """Do something about the user of a login."""

    async def run(session: AsyncSession, _: Settings) -> T:
        return await act(session, await _find(session, login))

    return _run(run)


async def _find(session: AsyncSession, login: str) -> User:
    try:
        return await find_user_by_login(session, login)
    except NotFound:
        fail(f"There is no user {login}.")


async def _note(session: AsyncSession, action: Action, user: User, **detail: object) -> None:
    await note(session, CLI, action, user.actor, now(), **detail)


async def _place(
    session: AsyncSession, channel: str | None, party: str | None
) -> tuple[int | None, int | None]:
    """Find the numbers of a channel or of a party."""
    if channel is not None and party is not None:
        raise typer.BadParameter("a channel has its party already", param_hint="--party")
    try:
        number = None if channel is None else (await find_channel(session, channel)).id
        return number, None if party is None else await party_number(session, party)
    except (NotFound, UnknownParty):
        fail(f"There is nothing named {channel or party}.")


async def _issue(
    session: AsyncSession, settings: Settings, user: User, language: str | None
) -> str:
    """Make a new link; with a language, put the mail that holds it into the outbox."""
    at = now()
    ticket = await issue_ticket(session, user.id, at=at)
    if language is not None:
        from app.console import mail_ticket, words_of  # noqa: PLC0415 - few commands mail

        vault = PointKeys.from_settings(settings).vault
        words = words_of(language, settings)
        await mail_ticket(session, vault, user, ticket, words=words, settings=settings, at=at)
    return ticket


def _require_mailable(login: str, language: str) -> None:
    """See that a link can be mailed, before anything is changed."""
    if language not in ("en", "fr"):
        raise typer.BadParameter(f"{language}: languages are en, fr", param_hint="--language")
    if not read_settings().mails:
        fail("No mail can be sent: OPTOUT_SMTP_HOST is not set.")
    if not is_mailable(login):
        fail(f"{login} is no address that can be written to.")


def _tell(ticket: str, *, mailed: bool) -> None:
    if mailed:
        typer.echo("The worker sends the link, which counts once, for 48 hours.", err=True)
        return
    typer.echo("The link counts once, for 48 hours:", err=True)
    typer.echo(_link(ticket))


def _role(word: str) -> Role:
    if word not in _ROLES:
        raise typer.BadParameter(f"{word}: roles are {', '.join(_ROLES)}", param_hint="--role")
    return Role.of(word)


def _link(ticket: str) -> str:
    settings = read_settings()
    return f"{(settings.public_url or settings.url).rstrip('/')}/invited/{ticket}"


def _state(user: User) -> str:
    if user.disabled_at is not None:
        return "disabled"
    return "active" if user.ready else "invited"
