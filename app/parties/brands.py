"""Brands: the names under which people are approached, and may object to each on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from .audit import note
from .slugs import find_row, insert_new, list_rows, rewrite
from .tables import BrandRow, Coverage


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand as it stands."""

    id: int
    slug: str
    name: str
    coverage: Coverage | None
    created_at: datetime


async def create_brand(
    session: AsyncSession,
    slug: str,
    *,
    name: str,
    actor: str,
    at: datetime,
    coverage: Coverage | None = None,
) -> Brand:
    """Register a brand; its checks look at what ``coverage`` says, None: what the setting says.

    Raises:
        AlreadyExists: the slug is taken.
    """
    row = await insert_new(session, BrandRow, slug, name=name, coverage=coverage, created_at=at)
    told = {} if coverage is None else {"coverage": coverage}
    await note(session, actor, "brand.created", f"brand:{slug}", at, name=name, **told)
    return _brand(row)


async def find_brand(session: AsyncSession, slug: str) -> Brand:
    """Find a brand.

    Raises:
        NotFound: there is none.
    """
    return _brand(await find_row(session, BrandRow, slug))


async def list_brands(session: AsyncSession, *, limit: int, after: int = 0) -> Sequence[Brand]:
    """List brands in the order in which they were made, from number ``after``."""
    rows = await list_rows(session, BrandRow, limit=limit, after=after)
    return [_brand(row) for row in rows]


async def change_brand(
    session: AsyncSession, slug: str, new: Mapping[str, Any], *, actor: str, at: datetime
) -> Brand:
    """Give a brand a new ``name`` or ``coverage``. The slug never changes.

    Raises:
        NotFound: there is none.
    """
    row = await find_row(session, BrandRow, slug, lock=True)
    changed = rewrite(row, new)
    if changed:
        await session.flush()
        await note(session, actor, "brand.changed", f"brand:{slug}", at, **changed)
    return _brand(row)


def _brand(row: BrandRow) -> Brand:
    return Brand(row.id, row.slug, row.name, row.coverage, row.created_at)
