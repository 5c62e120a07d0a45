"""The audit, searched by who, what, about what and when; and the settings that are in force."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from app.accounts import Role, Visit, name_users
from app.parties import Acts, AuditEntry, list_audit
from app.platform.clock import now
from app.platform.db import database_of
from app.settings import shown_settings

from .doors import signed_in
from .lists import PAGE, Asked
from .pages import page, pages

audit = pages("/audit")
in_force = pages("/settings")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]

_BY_USER = "user:"


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
    return await page(request, "audit.html", rows=shown, next=following, people=people, at=now())


def _users_in(rows: list[AuditEntry]) -> list[UUID]:
    named = {part for row in rows for part in (row.actor, row.subject)}
    return [UUID(part.removeprefix(_BY_USER)) for part in named if part.startswith(_BY_USER)]


@in_force.get("")
async def show_settings(request: Request, visit: Officer) -> Response:
    """List every setting as it is in force in this process; of a secret that it is set."""
    del visit
    rows = shown_settings(request.app.state.settings)
    return await page(request, "settings.html", rows=rows)
