"""What a route needs to read contact points: the keys, and the region of national numbers."""

from typing import Annotated

from fastapi import Depends, Request

from .points import PointKeys


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
