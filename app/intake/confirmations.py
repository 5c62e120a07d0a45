"""Confirmations: what somebody asked for without proof, and proves by answering a mail.

The mail goes to the contact point itself, and its link is sealed for this one purpose. An
objection counts before it is confirmed; what lifts one does not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import Kind, Media
from app.platform.ids import new_id
from app.platform.vault import Vault
from app.points import PointKeys
from app.registry import Lifting, verify_grounds

from .links import open_token, require_fresh, seal_token
from .people import NO_KEY, Door
from .reinstatements import reinstate
from .tables import OptOutRow

ASKED_WITHIN = timedelta(minutes=30)
"""How long whoever asked to be written to again may answer."""
VERIFIED_WITHIN = timedelta(days=3)
"""How long an objection of the open form may be confirmed, which counts meanwhile."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What an address confirms: an ``opt_out`` of the open form, or that it may be written to.

    Without an opt-out it asks to be written to again, for ``brand`` (0: every brand).
    """

    asked_at: datetime
    address: Identifier
    brand: int
    opt_out: UUID | None = None

    @property
    def lasts(self) -> timedelta:
        """How long it may be answered."""
        return ASKED_WITHIN if self.opt_out is None else VERIFIED_WITHIN


def seal_confirmation(vault: Vault, asked: Confirmation) -> str:
    """Write the token of a confirmation, for the mail alone."""
    opt_out = None if asked.opt_out is None else str(asked.opt_out)
    told = [asked.asked_at.isoformat(), asked.address.value, asked.brand, opt_out]
    return seal_token(vault, told, "confirmation")


async def open_confirmation(
    session: AsyncSession, vault: Vault, token: str, *, at: datetime
) -> Confirmation:
    """Read a token that still counts.

    Raises:
        BadLink: it is none, was altered, revoked with all links, or is too old.
    """
    asked_at, address, brand, opt_out = open_token(vault, token, "confirmation")
    asked = Confirmation(
        datetime.fromisoformat(asked_at),
        Identifier(Kind.EMAIL, address),
        brand,
        None if opt_out is None else UUID(opt_out),
    )
    await require_fresh(session, asked.asked_at, lasts=asked.lasts, at=at)
    return asked


async def confirm(
    session: AsyncSession, keys: PointKeys, asked: Confirmation, *, channel: int, at: datetime
) -> None:
    """Take an answer: the objection is proven, or those from before it was asked are lifted.

    A second answer changes nothing more.

    Raises:
        ObjectionIsNewer: the person objected after they had asked; their latest word counts.
        WiderObjectionStands: it was asked for one brand, and one for every brand stands by now.
    """
    if asked.opt_out is not None:
        await session.execute(
            update(OptOutRow)
            .where(OptOutRow.id == asked.opt_out, OptOutRow.door == Door.FORM)
            .values(door=Door.CONFIRMED_FORM)
        )
        await verify_grounds(session, asked.opt_out)
        return
    lifting = Lifting(
        new_id(),
        asked.brand,
        Media.EMAIL,
        channel,
        NO_KEY,
        asked.asked_at,
        at,
        {"kind": "email", "reference": "answered a mail to the address"},
    )
    await reinstate(session, keys, lifting, asked.address)
