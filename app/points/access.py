"""What a route needs to read contact points: the keys, the default region, what is searched."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.identifiers import Identifier
from app.platform.db import ReadSession

from .points import PointKeys, find_point
from .wire import MaskedOut, SearchIn


async def _keys_of(request: Request) -> PointKeys:
    keys = request.app.state.point_keys
    if not isinstance(keys, PointKeys):
        raise TypeError("the app was started without the keys of contact points")
    return keys


ThePointKeys = Annotated[PointKeys, Depends(_keys_of)]


async def _default_region(request: Request) -> str:
    return str(request.app.state.settings.default_region)


DefaultRegion = Annotated[str, Depends(_default_region)]
"""The region of phone numbers in national form, where a request names none."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A contact point that somebody asks about; ``point`` is None if nobody ever heard of it."""

    identifier: Identifier
    point: int | None

    @property
    def masked(self) -> MaskedOut:
        """Show it as an answer does."""
        return MaskedOut.of(self.identifier)


async def _sought(
    body: SearchIn, session: ReadSession, keys: ThePointKeys, region: DefaultRegion
) -> Sought:
    identifier = body.identifier.read(region=region)
    return Sought(identifier, await find_point(session, keys, identifier))


TheSought = Annotated[Sought, Depends(_sought)]
"""What the body of a search asks about. Behind the caller among a route's parameters: nothing is
looked up for whoever may not ask."""
