"""What a route needs to take files and to give them back: where they are kept."""

from typing import Annotated

from fastapi import Depends, Request

from .storage import Storage


async def _storage_of(request: Request) -> Storage:
    storage = request.app.state.storage
    if not isinstance(storage, Storage):
        raise TypeError("the app was started without a place for files")
    return storage


TheStorage = Annotated[Storage, Depends(_storage_of)]
