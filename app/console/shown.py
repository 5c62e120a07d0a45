"""What the pages show of a person and of an opt-out: names for numbers, nothing that decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.delivery import read_errors
from app.identifiers import Identifier, country_of, spelled
from app.intake import History, OptOut, read_history, read_propagation
from app.journal import EVERY_BRAND, who_was_told
from app.parties import (
    Directory,
    find_brand,
    find_channel,
    list_brands,
    list_databases,
    list_parties,
)
from app.points import OpenedPoint

_EVERYBODY = 10_000


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

    @property
    def brands(self) -> list[str]:
        """Name the brands for which something is suppressed that is not for all."""
        return [one.brand for one in self.suppressed if one.brand is not None]

    @classmethod
    async def of(
        cls,
        session: AsyncSession,
        identifier: Identifier,
        history: History,
        directory: Directory,
    ) -> "Standing":
        """Show a contact point to whoever typed it."""
        name, country = spelled(identifier), country_of(identifier)
        return await _standing(session, name, country, history, directory)


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
    return await _standing(session, ", ".join(names), None, history, directory)


async def _standing(
    session: AsyncSession,
    name: str,
    country: str | None,
    history: History,
    directory: Directory,
) -> Standing:
    names = {one.id: one.name for one in await list_brands(session, limit=_EVERYBODY)}
    suppressed = [
        Suppressed(
            None if state.brand == EVERY_BRAND else names.get(state.brand, ""),
            state.media.words,
            state.since,
        )
        for state in history.states
        if state.media
    ]
    standing = [act.channel for act in history.acts if act.standing]
    told_by = None
    if standing:
        told_by = (await find_channel(session, await directory.channel_slug(standing[-1]))).name
    return Standing(name, country, suppressed, told_by)


async def named(
    session: AsyncSession, directory: Directory, *, channel: int, brand: int
) -> tuple[str, str | None]:
    """Name a channel and a brand as people do; the brand is None where it is every one."""
    said = (await find_channel(session, await directory.channel_slug(channel))).name
    if brand == EVERY_BRAND:
        return said, None
    return said, (await find_brand(session, await directory.brand_slug(brand))).name


@dataclass(frozen=True, slots=True)
class Knowing:
    """How many databases know how something stands now, of those that must."""

    count: int
    of: int


async def who_know(session: AsyncSession, history: History, brand: int | None = None) -> Knowing:
    """Count who was told how a contact point stands now, for every brand or for one."""
    told = await who_was_told(
        session, {one.position for one in history.states if brand in (None, one.brand)}
    )
    return Knowing(sum(one.acknowledged_at is not None for one in told), len(told))


@dataclass(frozen=True, slots=True)
class Row:
    """One database, and how it stands there; ``seconds`` since the recording.

    Of one that fails ``why`` is the last error, in a word, and ``waits`` the seconds to the next
    try.
    """

    name: str
    party: str
    status: str
    seconds: float
    why: str | None
    waits: float


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
    parties = {one.slug: one.name for one in await list_parties(session, limit=_EVERYBODY)}
    failing = any(hop.status == "failing" for hop in propagation.hops)
    errors = await read_errors(session) if failing else {}
    rows = [
        Row(
            known[hop.follower].name,
            parties[known[hop.follower].party],
            hop.status,
            hop.lag,
            errors.get(hop.follower, "").partition(":")[0] or None,
            max(0.0, (hop.due_at - at).total_seconds()),
        )
        for hop in propagation.hops
        if hop.follower in known
    ]
    return Told(rows, propagation.time_to_silence)


_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome"}
_BROWSERS["Safari"] = "Safari"  # last, for all of them say it
_SYSTEMS = {"Android": "Android", "iPhone": "iOS", "iPad": "iOS", "Windows": "Windows"}
_SYSTEMS |= {"Mac OS": "macOS", "Linux": "Linux"}


def browser_name(agent: str) -> str:
    """Name a browser as its owner would, by what it says of itself; empty where it says nothing."""
    found = [
        next((name for mark, name in names.items() if mark in agent), "")
        for names in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(name for name in found if name)
