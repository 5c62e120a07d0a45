"""The audit: who changed a brand, a party, a channel, a database, a key, and who read in bulk.

Nobody follows it, so it is no part of the journal. An entry is written in the transaction of the
change that it tells, and nothing edits or deletes one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.ids import new_id

from .tables import AuditRow

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
    session: AsyncSession, actor: str, action: str, subject: str, at: datetime, **detail: object
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


async def list_audit(
    session: AsyncSession,
    *,
    limit: int,
    before: UUID | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[AuditEntry]:
    """List acts, the latest first, from the one after ``before``; ``until`` is excluded."""
    rows = await session.execute(
        text("""
            SELECT a.*, k.name FROM audit a LEFT JOIN keys k ON a.actor = 'key:' || k.id
            WHERE (CAST(:before AS uuid) IS NULL OR a.id < :before)
              AND (CAST(:actor AS text) IS NULL OR a.actor = :actor)
              AND (CAST(:action AS text) IS NULL OR a.action = :action)
              AND (CAST(:since AS timestamptz) IS NULL OR a.at >= :since)
              AND (CAST(:until AS timestamptz) IS NULL OR a.at < :until)
            ORDER BY a.id DESC LIMIT :limit
        """),
        {
            "limit": limit,
            "before": before,
            "actor": actor,
            "action": action,
            "since": since,
            "until": until,
        },
    )
    return [
        AuditEntry(act.id, act.at, act.actor, act.name, act.action, act.subject, act.detail)
        for act in rows
    ]
