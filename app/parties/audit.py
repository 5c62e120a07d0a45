"""The audit: who changed a brand, a party, a channel, a database, a key, and who read in bulk.

Nobody follows it, so it is no part of the journal. An entry is written in the transaction of the
change that it tells; nothing edits or deletes one, and a trigger of the table refuses whoever
tries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.ids import new_id

from .tables import AuditRow

Action = Literal[
    "brand.changed",
    "brand.created",
    "channel.changed",
    "channel.created",
    "checks.read",
    "complaint.answered",
    "consents.listed",
    "contact-import.voided",
    "contact-point.looked-up",
    "contact-point.shown",
    "database.changed",
    "database.deleted",
    "database.paused",
    "database.poison-policy",
    "database.recall-redirected",
    "database.redirected",
    "database.registered",
    "database.replayed",
    "database.resumed",
    "database.secret-rotated",
    "import.queued",
    "import.voided",
    "inbound-events.listed",
    "inbound-review.confirmed",
    "inbound-reviews.listed",
    "inbound.replayed",
    "key.created",
    "key.revoked",
    "key.unusual-use",
    "links.revoked",
    "opt-out.voided",
    "opt-outs.listed",
    "party.changed",
    "party.created",
    "scrub.queued",
    "scrub.read",
    "snapshot.cut-short",
    "snapshot.read",
    "snapshot.sent",
    "user.changed",
    "user.created",
    "user.disabled",
    "user.invited",
    "user.password-chosen",
    "user.reset-asked",
    "user.second-factor-forgotten",
    "user.signed-in",
    "user.signed-out",
]
"""Everything that the audit tells of; a new one needs its words in both languages of the pages."""

CLI = "cli"
"""The actor of what was done by a command on the machine itself."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act; ``actor_name`` is the name of the key that did it, if a key did."""

    id: UUID
    at: datetime
    actor: str
    actor_name: str | None
    action: str
    subject: str
    detail: Mapping[str, Any]


async def note(
    session: AsyncSession, actor: str, action: Action, subject: str, at: datetime, **detail: object
) -> None:
    """Write down an act: ``caller.actor``, ``"brand.created"``, ``"brand:sauerkraut"``.

    ``detail`` is stored as JSON and shown to auditors: never a contact point, never a secret.
    """
    session.add(
        AuditRow(
            id=new_id(), at=at, actor=actor, action=action, subject=subject, detail=dict(detail)
        )
    )
    await session.flush()


@dataclass(frozen=True, slots=True)
class Acts:
    """Which acts to list; None: whatever it was. ``until`` is excluded."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def list_audit(
    session: AsyncSession,
    wanted: Acts,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[AuditEntry]:
    """List acts, the latest first, from the one after ``after``, its time and its id."""
    # Only what is asked for stands in the statement: a condition that may be null uses no index.
    given = {name: getattr(wanted, name) for name in _CONDITIONS}
    given |= dict(zip(("at", "id"), after or (None, None), strict=True))
    conditions = [condition for name, condition in _CONDITIONS.items() if given[name] is not None]
    conditions += ["(a.at, a.id) < (:at, :id)"] if after else []
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = await session.execute(
        text(f"""
            SELECT page.*, k.name FROM (
                SELECT a.* FROM audit a {where} ORDER BY a.at DESC, a.id DESC LIMIT :limit
            ) page
            LEFT JOIN keys k ON k.id = CASE
                WHEN page.actor ~ '^key:[0-9a-f-]{{36}}$' THEN CAST(substr(page.actor, 5) AS uuid)
            END
            ORDER BY page.at DESC, page.id DESC
        """),  # noqa: S608 - of parts that stand here
        {"limit": limit} | {name: value for name, value in given.items() if value is not None},
    )
    return [
        AuditEntry(act.id, act.at, act.actor, act.name, act.action, act.subject, act.detail)
        for act in rows
    ]


_CONDITIONS = {
    "actor": "a.actor = :actor",
    "action": "a.action = :action",
    "subject": "a.subject = :subject",
    "since": "a.at >= :since",
    "until": "a.at < :until",
}
