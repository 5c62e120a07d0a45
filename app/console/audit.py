"""The audit, searched by who, what, about what and when; and the settings that are in force."""

from datetime import datetime
from typing import Annotated, get_args
from uuid import UUID

from fastapi import Request, Response

from app.accounts import Role, Visit, name_users
from app.parties import Action, Acts, AuditEntry, list_audit
from app.platform.db import database_of
from app.settings import shown_settings

from .doors import signed_in
from .lists import PAGE, Asked
from .pages import page, pages, words_for
from .words import Words

audit = pages("/audit")
in_force = pages("/settings")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]

_BY_USER = "user:"
_ACTIONS: tuple[str, ...] = get_args(Action)


@audit.get("")
async def show_audit(request: Request, visit: Officer) -> Response:
    """List who changed what and who read in bulk, the latest first."""
    del visit
    asked = Asked(request)
    wanted = Acts(
        actor=asked.text("actor"),
        action=asked.text("action"),
        subject=asked.text("subject"),
        since=asked.day("since"),
        until=asked.day("until", over=True),
    )
    after = asked.after(datetime, UUID)
    async with database_of(request).reading() as session:
        rows = await list_audit(
            session, wanted, limit=PAGE + 1, after=None if after is None else (after[0], after[1])
        )
        names = await name_users(session, _users_in(rows))
    shown, following = asked.page(rows, lambda act: (act.at, act.id))
    people = {f"{_BY_USER}{user}": name for user, name in names.items()}
    t = words_for(request)
    return await page(
        request,
        "audit.html",
        rows=[(act, people.get(act.subject) or _subject(t, act), _detail(t, act)) for act in shown],
        actions=sorted(((code, t(f"act_of.{code}")) for code in _ACTIONS), key=lambda one: one[1]),
        next=following,
        people=people,
    )


def _subject(t: Words, act: AuditEntry) -> str:
    """Say what an act was about: its kind in the reader's words, then which one."""
    kind, _, which = act.subject.partition(":")
    word = t.texts.get(f"about.{kind}")
    if word is None:
        return act.subject
    return f"{word} {t.texts.get(f'media.{which}', which) if kind == 'medium' else which}".strip()


def _detail(t: Words, act: AuditEntry) -> list[tuple[str, str]]:
    """Say the particulars of an act; one that changed and may not be told has its name alone."""
    changed = act.action.endswith(".changed")
    return [
        (t.texts.get(f"detail.{name}", name), _value(t, act, name, value, changed=changed))
        for name, value in act.detail.items()
        if value is not None or changed
    ]


def _value(t: Words, act: AuditEntry, name: str, value: object, *, changed: bool) -> str:
    if isinstance(value, list):
        said = [_value(t, act, name, one, changed=False) or "\N{EN DASH}" for one in value]
        return (" → " if changed else ", ").join(said)
    if value is None:
        return ""
    if type(value) is int:
        return t.number(value)
    if name == "since":
        return t.when(datetime.fromisoformat(str(value)))
    tables = {"kind": act.action.partition(".")[0], "role": "role", "country": "country"}
    return t.texts.get(f"{tables.get(name)}.{value}", str(value))


def _users_in(rows: list[AuditEntry]) -> list[UUID]:
    named = {part for row in rows for part in (row.actor, row.subject)}
    return [UUID(part.removeprefix(_BY_USER)) for part in named if part.startswith(_BY_USER)]


@in_force.get("")
async def show_settings(request: Request, visit: Officer) -> Response:
    """List every setting as it is in force in this process; of a secret that it is set."""
    del visit
    rows = shown_settings(request.app.state.settings)
    return await page(request, "settings.html", rows=rows)
