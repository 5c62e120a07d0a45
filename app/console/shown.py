"""What the pages show of a person and of an opt-out: names for numbers, nothing that decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier, country_of, spelled
from app.intake import History, OptOut, read_history, read_propagation
from app.journal import EVERY_BRAND, who_was_told
from app.parties import Directory, list_databases
from app.points import OpenedPoint


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What is suppressed for one brand, None for every one."""

    brand: str | None
    media: Sequence[str]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands about one contact point, which is named as its reader may see it."""

    name: str
    country: str | None
    suppressed: Sequence[Suppressed]
    told_by: str | None

    @property
    def media(self) -> list[str]:
        """List the media that are suppressed for every brand."""
        return [word for one in self.suppressed if one.brand is None for word in one.media]

    @classmethod
    async def of(cls, identifier: Identifier, history: History, directory: Directory) -> "Standing":
        """Show a contact point to whoever typed it."""
        return await _standing(spelled(identifier), country_of(identifier), history, directory)


async def shown(
    session: AsyncSession, directory: Directory, points: Sequence[OpenedPoint], *, whole: bool
) -> Standing:
    """Show contact points that are on record: how the first one stands, and the names of all.

    They are masked; who shows them ``whole`` has noted in the audit who sees them.
    """
    history = await read_history(session, points[0].id, channel=None)
    names = [
        spelled(one.identifier) if whole and one.identifier is not None else one.masked
        for one in points
    ]
    return await _standing(", ".join(names), None, history, directory)


async def _standing(
    name: str, country: str | None, history: History, directory: Directory
) -> Standing:
    suppressed = [
        Suppressed(
            None if state.brand == EVERY_BRAND else await directory.brand_slug(state.brand),
            state.media.words,
            state.since,
        )
        for state in history.states
        if state.media
    ]
    standing = [act.channel for act in history.acts if act.standing]
    told_by = await directory.channel_slug(standing[-1]) if standing else None
    return Standing(name, country, suppressed, told_by)


@dataclass(frozen=True, slots=True)
class Knowing:
    """How many databases know what is suppressed now, of those that must."""

    count: int
    of: int


async def who_know(session: AsyncSession, history: History) -> Knowing:
    """Count who was told of what is suppressed now, however it came."""
    told = await who_was_told(session, {one.position for one in history.states if one.media})
    return Knowing(sum(one.acknowledged_at is not None for one in told), len(told))


@dataclass(frozen=True, slots=True)
class Row:
    """One database, and how it stands there; ``seconds`` since the recording."""

    name: str
    party: str
    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Told:
    """Who has been told of an opt-out."""

    rows: Sequence[Row]
    seconds: float | None

    @property
    def silent(self) -> bool:
        """Tell whether there is nobody left to tell."""
        return all(row.status == "acknowledged" for row in self.rows)

    @property
    def count(self) -> int:
        """Count those who have been told."""
        return sum(row.status == "acknowledged" for row in self.rows)

    @property
    def latest(self) -> float:
        """Tell after how many seconds the last one so far was told."""
        return max((row.seconds for row in self.rows if row.status == "acknowledged"), default=0.0)


async def told(session: AsyncSession, opt_out: OptOut, *, at: datetime) -> Told:
    """Tell database by database who has been told of an opt-out."""
    propagation = await read_propagation(session, opt_out, at=at)
    known = {one.id: one for one in await list_databases(session)}
    rows = [
        Row(known[hop.follower].name, known[hop.follower].party, hop.status, hop.lag)
        for hop in propagation.hops
        if hop.follower in known
    ]
    return Told(rows, propagation.time_to_silence)
