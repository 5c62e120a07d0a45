"""Which phone tables a registry was written by, and going over from one to the next."""

import re
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Kind

from .points import PointKeys

_READ = text("SELECT version FROM phone_tables")
_WRITE = text("UPDATE phone_tables SET version = :version")
_LOCK = text("LOCK TABLE phone_tables IN ACCESS EXCLUSIVE MODE")


class PhoneTablesUnfit(Exception):  # noqa: N818 - a state of the database, told to the operator
    """The registry was written by other phone tables; the message says what to run."""


async def fit_phone_tables(session: AsyncSession, keys: PointKeys) -> None:
    """Refuse a registry whose phones were brought to their normal form by other tables.

    One that holds no phone takes this process's.

    Raises:
        PhoneTablesUnfit: somebody may be suppressed under a form that these tables do not give.
    """
    if await session.scalar(_READ) == keys.tables:
        return
    fence = await raise_fence(session)
    if fence.version == keys.tables:
        return
    if await session.scalar(
        text("SELECT EXISTS (SELECT FROM contact_points WHERE kind = :phone)"),
        {"phone": Kind.PHONE},
    ):
        raise PhoneTablesUnfit(
            f"The registry's phone numbers were read by tables {fence.version or 'unknown'}, this "
            f"process reads them by {keys.tables}: optout renormalise"
        )
    await session.execute(_WRITE, {"version": keys.tables})


async def is_behind(session: AsyncSession, keys: PointKeys) -> bool:
    """Tell whether a registry was written by older tables than this process's, or unknown ones."""
    version = str(await session.scalar(_READ))
    return _order(version) < _order(keys.tables)


def _order(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


@dataclass(frozen=True, slots=True)
class Fence:
    """A moment at which nobody was writing: by which tables, and the last contact point."""

    version: str
    last: int


async def raise_fence(session: AsyncSession) -> Fence:
    """Wait for everybody who writes, and let nobody write or ask until the commit.

    Whoever writes has read the version and holds that read until its commit.
    """
    await session.execute(_LOCK)
    version = await session.scalar(_READ)
    last = await session.scalar(text("SELECT coalesce(max(id), 0) FROM contact_points"))
    return Fence(version or "", last or 0)


async def set_phone_tables(session: AsyncSession, version: str) -> None:
    """Say by which tables the registry is written; empty: by none, so that nobody writes."""
    await session.execute(_WRITE, {"version": version})
