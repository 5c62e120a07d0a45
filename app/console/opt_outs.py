"""Opt-outs for the officer: what came in, and of each its evidence, its effect and who was told."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Role, Visit, name_users
from app.intake import (
    Filter,
    Hop,
    Receipt,
    answer_complaint,
    due_on,
    find_opt_out,
    list_opt_outs,
    points_of,
    read_propagation,
    read_receipt,
    read_undone,
    void,
)
from app.journal import ALL_MEDIA, Entry, Media, Reason, read_entries
from app.parties import (
    Directory,
    RegisteredDatabase,
    TheDirectory,
    TheReads,
    list_brands,
    list_channels,
    list_databases,
    list_parties,
)
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.points import PointKeys, ThePointKeys
from app.registry import Ground, grounds_laid_by, preview_void

from .doors import Form, signed_in
from .forms import typed
from .lists import PAGE, Asked
from .pages import go, page, pages, words_for
from .shown import named

opt_outs = pages("/opt-outs")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]

_CHOICES = 10_000
_USUAL = timedelta(days=30)
_PREVIEWED = 1_000
_UNDONE = 50


@opt_outs.get("")
async def show_opt_outs(request: Request, visit: Officer, reads: TheReads) -> Response:
    """List what came in, the latest first; of the last 30 days unless another day is asked for."""
    at, asked = now(), Asked(request)
    since = asked.day("since") or at - _USUAL
    after = asked.after(UUID)
    async with database_of(request).reading() as session:
        channels = await list_channels(session, limit=_CHOICES)
        brands = await list_brands(session, limit=_CHOICES)
        wanted = Filter(
            channel=next((one.id for one in channels if one.slug == asked.text("channel")), None),
            reason=next((one for one in Reason if one.word == asked.text("reason")), None),
            brand=next((one.id for one in brands if one.slug == asked.text("brand")), None),
            since=since,
            until=asked.day("until", over=True),
        )
        rows = await list_opt_outs(
            session, wanted, before=None if after is None else after[0], limit=PAGE + 1
        )
    t, (shown, following) = words_for(request), asked.page(rows, lambda row: (row.id,))
    await reads.note(
        visit.user, "opt-outs.listed", "opt-outs", rows=len(shown), purpose=None, at=at
    )
    return await page(
        request,
        "opt_outs.html",
        rows=shown,
        next=following,
        since=since,
        channels={one.id: one for one in channels},
        brands={one.id: one for one in brands},
        channel_choices=[(one.slug, one.name) for one in channels],
        brand_choices=[(one.slug, one.name) for one in brands],
        reason_choices=[(one.word, t(f"reason.{one.word}")) for one in Reason],
        all_media=len(ALL_MEDIA),
    )


@dataclass(frozen=True, slots=True)
class Laid:
    """What an opt-out laid on one contact point, which is masked, and what stands there now."""

    masked: str
    ground: Ground
    now: Media
    version: int
    entry: Entry | None

    @property
    def stands(self) -> Media:
        """Tell for which media the ground itself stands."""
        return Media(0) if self.ground.voided_at else self.ground.media & ~self.ground.lifted


@dataclass(frozen=True, slots=True)
class Heard:
    """How one database stands with an opt-out."""

    database: RegisteredDatabase
    hop: Hop


@opt_outs.get("/{id}")
async def show_opt_out(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> Response:
    """Show an opt-out whole: its evidence, its grounds, who was told, what voiding would change."""
    del visit
    return await _show(request, id, keys, directory, faults={})


async def _show(
    request: Request,
    number: UUID,
    keys: PointKeys,
    directory: Directory,
    *,
    faults: dict[str, str],
) -> Response:
    at = now()
    async with database_of(request).reading() as session:
        opt_out = await find_opt_out(session, number, channel=None)
        channel, brand = await named(
            session, directory, channel=opt_out.channel, brand=opt_out.brand
        )
        parties = await list_parties(session, limit=_CHOICES)
        receipt = await read_receipt(session, keys, opt_out)
        laid = await _laid(session, keys, receipt)
        propagation = await read_propagation(session, opt_out, at=at)
        known = {one.id: one for one in await list_databases(session)}
        preview = await preview_void(session, number, most=_PREVIEWED)
        undone = await read_undone(session, [one.ground for one in laid], most=_UNDONE)
        users = await name_users(session, [opt_out.user] if opt_out.user else [])
    return await page(
        request,
        "opt_out.html",
        status=422 if faults else 200,
        opt_out=opt_out,
        position=receipt.position,
        laid=laid,
        undone=undone,
        masked={one.ground.point: one.masked for one in laid},
        heard=[
            Heard(known[hop.follower], hop) for hop in propagation.hops if hop.follower in known
        ],
        silence=propagation.time_to_silence,
        channel=channel,
        parties={one.slug: one.name for one in parties},
        at=at,
        brand=brand,
        recorder=users.get(opt_out.user) if opt_out.user else opt_out.recorded_by,
        preview=preview,
        due=due_on(opt_out.recorded_at, request.app.state.settings.time_zone),
        all_media=[medium.word for medium in ALL_MEDIA],
        faults=faults,
    )


async def _laid(session: AsyncSession, keys: PointKeys, receipt: Receipt) -> list[Laid]:
    grounds = await grounds_laid_by(session, receipt.opt_out.id)
    points = await points_of(session, keys, receipt.opt_out.id)
    entries = await read_entries(session, [ground.position for ground in grounds])
    by_position = {entry.position: entry for entry in entries}
    return [
        Laid(point.masked, ground, now.media, now.version, by_position.get(ground.position))
        for point, ground, now in zip(points, grounds, receipt.suppressed, strict=True)
    ]


@opt_outs.post("/{id}/void")
async def void_opt_out(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    session: Session,
    keys: ThePointKeys,
    directory: TheDirectory,
    fields: Form,
) -> Response:
    """Void an opt-out that was a mistake, for a reason that somebody gave."""
    reason = typed(fields, "reason", most=500)
    if not reason:
        return await _show(request, id, keys, directory, faults={"reason": "fault.missing"})
    opt_out = await find_opt_out(session, id, channel=None)
    await void(session, opt_out.id, by=visit.user.actor, reason=reason, at=now())
    return go(request, f"/opt-outs/{id}")


@opt_outs.post("/{id}/answered")
async def answer(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    session: Session,
    fields: Form,
) -> Response:
    """Note that a complaint was answered."""
    del fields
    opt_out = await find_opt_out(session, id, channel=None)
    await answer_complaint(session, opt_out.id, by=visit.user.actor, at=now())
    return go(request, f"/opt-outs/{id}")
