"""Recording what a provider's event says, by the same ways as what everybody says.

It adds, or takes back what its own channel laid, and never touches what another one recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import EVERY_BRAND, Media, Reason
from app.platform.ids import new_id
from app.points import Point, PointKeys, claim_points, lock_points
from app.registry import Ground, Lifting, grounds_on, lift_bounces, lift_some

from .dialects import Act, Outcome
from .inbound_events import Arrival, Done, Door, claim_confirmation, note_done
from .opt_outs import OptOut, find_opt_outs
from .people import NO_KEY
from .receipts import accept_many

_MOST = 500
_LONGEST = 200


async def record_events(
    session: AsyncSession, keys: PointKeys, door: Door, arrivals: Sequence[Arrival]
) -> list[Done]:
    """Do what some events ask, in their order, and write down what became of each.

    Objections that follow one another are recorded together.
    """
    await _lock(session, keys, arrivals)
    done: list[Done] = []
    for objects, run in groupby(arrivals, key=_objects):
        if objects:
            done += await _object(session, keys, door, list(run))
        else:
            done += [await _record(session, keys, door, one) for one in run]
    await note_done(session, done)
    return done


async def _lock(session: AsyncSession, keys: PointKeys, arrivals: Sequence[Arrival]) -> None:
    """Lock all contact points of some events in their one order, before the first is changed.

    Else two requests about the same people would each hold what the other waits for.
    """
    named = {who for one in arrivals for who in one.identifiers}
    new = {who for one in arrivals if _objects(one) for who in one.identifiers}
    if named:
        await lock_points(session, keys, named)
    if new:
        await claim_points(session, keys, new)


def _objects(arrival: Arrival) -> bool:
    return arrival.act.reason is not None and not arrival.reason


async def _record(session: AsyncSession, keys: PointKeys, door: Door, arrival: Arrival) -> Done:
    """Do what one event asks that is no objection."""
    if arrival.event is None or arrival.reason:
        return Done(arrival.id, Outcome.REFUSED, arrival.reason)
    if arrival.act is Act.REQUEST:
        return Done(arrival.id, Outcome.WAITING, "asks-to-be-contacted")
    if arrival.act is Act.UNCLEAR:
        return Done(arrival.id, Outcome.WAITING, "not-understood")
    if arrival.act is Act.NOTHING:
        return Done(arrival.id, Outcome.DROPPED)
    if arrival.occurred_at is None:
        return Done(arrival.id, Outcome.REFUSED, "no-time")
    act = _Act(session, keys, door, arrival, arrival.occurred_at)
    return await (act.resubscribe() if arrival.act is Act.RESUBSCRIBE else act.deliver())


async def _object(
    session: AsyncSession, keys: PointKeys, door: Door, arrivals: Sequence[Arrival]
) -> list[Done]:
    opt_outs = [(_opt_out(door, one), one.identifiers) for one in arrivals]
    await accept_many(session, keys, opt_outs)
    return [
        Done(
            one.id,
            Outcome.RECORDED,
            "to-be-reviewed" if one.event is not None and one.event.review else "",
            opt_out.id,
            await _confirmation(session, keys, door, one),
        )
        for one, (opt_out, _) in zip(arrivals, opt_outs, strict=True)
    ]


def _opt_out(door: Door, arrival: Arrival) -> OptOut:
    return OptOut(
        new_id(),
        door.at,
        arrival.occurred_at or door.at,
        door.channel,
        arrival.act.reason or Reason.OBJECTION,
        arrival.media,
        arrival.brand,
        NO_KEY,
        evidence=_evidence(door, arrival),
        verified=arrival.event is None or arrival.event.verified,
        # Whoever presses a button against spam has written to nobody.
        answered_at=door.at if arrival.act is Act.COMPLAINT else None,
    )


async def _confirmation(
    session: AsyncSession, keys: PointKeys, door: Door, arrival: Arrival
) -> str:
    """Tell what the person is to be answered, if nobody at this channel ever was; else nothing."""
    event = arrival.event
    if event is None or not event.confirms or not arrival.identifiers:
        return ""
    words = door.options.get(f"confirmation_{event.language}", door.options.get("confirmation"))
    if not isinstance(words, str):
        return ""
    return words if await claim_confirmation(session, keys, door, arrival.identifiers[0]) else ""


def _evidence(door: Door, arrival: Arrival) -> dict[str, str]:
    kind = "other" if arrival.event is None else arrival.event.evidence
    reference = f"inbound:{arrival.id} {_hint(arrival)}".strip()
    return {"kind": kind, "reference": reference, "sha256": door.request.hex()}


def _hint(arrival: Arrival) -> str:
    """Name the group or list that an event is about, empty where it is about none."""
    hint = None if arrival.event is None else arrival.event.brand_hint
    return (hint or "")[:_LONGEST]


def _hint_of(opt_out: OptOut) -> str:
    """Read the group or list from the evidence of an opt-out that came by a door."""
    reference = str((opt_out.evidence or {}).get("reference", ""))
    return reference.partition(" ")[2] if reference.startswith("inbound:") else ""


@dataclass(frozen=True, slots=True)
class _Act:
    """An act that may lift something, by one that occurred at a time that is known."""

    session: AsyncSession
    keys: PointKeys
    door: Door
    arrival: Arrival
    occurred_at: datetime

    async def resubscribe(self) -> Done:
        """Lift what the same channel laid before, for the same brand; all of it, or nothing."""
        if self.arrival.event is not None and not self.arrival.event.by_person:
            return self._done(Outcome.REFUSED, "not-by-the-person")
        ends = [await self._take_back(*found) for found in (await self._locked()).items()]
        refused = [why for outcome, why in ends if outcome is Outcome.REFUSED]
        if len(refused) == len(ends):
            return self._done(Outcome.REFUSED, refused[0] if refused else "nothing-stands")
        return self._done(Outcome.LIFTED, next((why for _, why in ends if why), ""))

    async def deliver(self) -> Done:
        """Lift hard bounces alone: the mail has arrived."""
        changed = False
        for point in (await self._locked()).values():
            lifting = self._lifting(EVERY_BRAND, Media.EMAIL)
            changed |= bool(await lift_bounces(self.session, lifting, point))
        return self._done(Outcome.LIFTED) if changed else self._done(Outcome.DROPPED)

    async def _take_back(self, _who: Identifier, point: Point) -> tuple[Outcome, str]:
        standing = [
            ground
            for ground in await grounds_on(self.session, point.id, most=_MOST)
            if ground.voided_at is None and ground.media & ~ground.lifted & self.arrival.media
        ]
        own = await self._own(standing)
        if any(ground.occurred_at >= self.occurred_at for ground in own):
            return Outcome.REFUSED, "objection-is-newer"
        if not own:
            return Outcome.REFUSED, _why_not(standing, self.arrival.brand)
        lifting = self._lifting(self.arrival.brand, self.arrival.media)
        await lift_some(self.session, lifting, point, {ground.opt_out for ground in own})
        return Outcome.LIFTED, "others-stand" if len(own) < len(standing) else ""

    async def _own(self, standing: list[Ground]) -> list[Ground]:
        """Choose what this channel laid for this brand, and of it what was about the same list.

        Who comes back to one list has not come back to another one of the same brand.
        """
        laid_here = [
            ground
            for ground in standing
            if (ground.channel, ground.brand) == (self.door.channel, self.arrival.brand)
            and ground.reason is not Reason.HARD_BOUNCE
        ]
        opt_outs = await find_opt_outs(self.session, {ground.opt_out for ground in laid_here})
        hint = _hint(self.arrival)
        return [
            ground
            for ground in laid_here
            if ground.opt_out in opt_outs and _hint_of(opt_outs[ground.opt_out]) == hint
        ]

    async def _locked(self) -> dict[Identifier, Point]:
        return await lock_points(self.session, self.keys, self.arrival.identifiers)

    def _lifting(self, brand: int, media: Media) -> Lifting:
        return Lifting(
            new_id(),
            brand,
            media,
            self.door.channel,
            NO_KEY,
            self.occurred_at,
            self.door.at,
            _evidence(self.door, self.arrival),
        )

    def _done(self, outcome: Outcome, why: str = "") -> Done:
        return Done(self.arrival.id, outcome, why)


def _why_not(standing: list[Ground], brand: int) -> str:
    if not standing:
        return "nothing-stands"
    if brand != EVERY_BRAND and any(ground.brand == EVERY_BRAND for ground in standing):
        return "wider-objection-stands"
    return "laid-elsewhere"
