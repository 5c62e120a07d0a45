"""The databases as the officer sees them: how each stands, in a word, and what one may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.delivery import Standing, read_standings
from app.journal import ALL_MEDIA, Spread, sample_silence
from app.parties import Party, RegisteredDatabase, list_databases, list_parties
from app.platform.vault import Vault

Word = Literal["failing", "gone", "paused", "behind", "current"]
WORDS: tuple[Word, ...] = ("failing", "gone", "paused", "behind", "current")
_EVERYBODY = 10_000
_BEHIND = 5.0
"""Seconds after which a database that has not answered yet counts as behind."""


@dataclass(frozen=True, slots=True)
class Row:
    """A database, whose it is, and how it stands at a moment; ``spread`` is of what came last."""

    standing: Standing
    party: Party | None
    spread: Spread | None
    at: datetime

    @property
    def slug(self) -> str:
        """Name it as addresses do."""
        return self.standing.database.slug

    @property
    def name(self) -> str:
        """Name it as people do."""
        return self.standing.database.name

    @property
    def word(self) -> Word:
        """Say how it stands."""
        one = self.standing
        if one.follower.paused:
            return "gone" if (one.endpoint.last_error or "").startswith("gone:") else "paused"
        if one.follower.failures or one.parked:
            return "failing"
        return "behind" if one.lag_entries and one.lag_seconds >= _BEHIND else "current"

    @property
    def media(self) -> list[str]:
        """List the words of what it is used for."""
        return [one.word for one in ALL_MEDIA if one in self.standing.follower.scope.media]

    @property
    def waits(self) -> float:
        """Tell for how many seconds more it is left alone before the next try."""
        return max(0.0, (self.standing.follower.due_at - self.at).total_seconds())

    @property
    def trouble(self) -> tuple[int, float]:
        """Rank it, those first that somebody must look at."""
        return WORDS.index(self.word), -self.standing.lag_seconds


async def read_rows(session: AsyncSession, vault: Vault, *, at: datetime) -> list[Row]:
    """Read how every database stands, those first that somebody must look at."""
    databases = await list_databases(session)
    spreads = await sample_silence(session, [one.id for one in databases], at=at)
    rows = await _rows(session, vault, databases, spreads, at)
    return sorted(rows, key=lambda row: row.trouble)


async def read_row(
    session: AsyncSession, vault: Vault, database: RegisteredDatabase, *, at: datetime
) -> Row:
    """Read how one database stands."""
    spreads = await sample_silence(session, [database.id], at=at)
    return (await _rows(session, vault, [database], spreads, at))[0]


async def _rows(
    session: AsyncSession,
    vault: Vault,
    databases: Sequence[RegisteredDatabase],
    spreads: Mapping[int, Spread],
    at: datetime,
) -> list[Row]:
    parties = {one.slug: one for one in await list_parties(session, limit=_EVERYBODY)}
    return [
        Row(one, parties.get(one.database.party), spreads.get(one.database.id), at)
        for one in await read_standings(session, vault, databases, at=at)
    ]
