"""Fetching what a dialect needs to verify by, through the guarded client: certificates, mostly.

An address is asked once and remembered: whoever posts nonsense makes the registry ask nobody
twice, and never elsewhere than its dialect allows.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from app.platform.db import Unavailable
from app.platform.http import (
    ForbiddenDestination,
    Outbound,
    Resolver,
    Unreachable,
    Zone,
    parse_destination,
    resolve,
)
from app.settings import Settings

from .dialects import NotGenuine

_DEADLINE = 10.0
_MOST = 64
_AT_ONCE = 4
_DONE = 200

Fetch = Callable[[str], Awaitable[bytes]]


class Fetcher:
    """What one process has fetched, the most recently used last."""

    def __init__(
        self, settings: Settings, *, resolve: Resolver = resolve, fetch: Fetch | None = None
    ) -> None:
        """Keep nothing yet; ``fetch`` replaces the guarded client, ``resolve`` its look-ups."""
        self._settings = settings
        self._resolve = resolve
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._fetch = fetch or self._ask
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    async def all_of(self, addresses: Sequence[str]) -> dict[str, bytes]:
        """Give what lies at some addresses, remembered for as long as others are not asked for.

        Raises:
            NotGenuine: the guard forbids one.
            Unavailable: one does not answer; the provider is to try again.
        """
        found = {}
        for address in addresses:
            if address not in self._kept:
                self._kept[address] = await self._fetch(address)
            self._kept.move_to_end(address)
            found[address] = self._kept[address]
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found

    async def visit(self, addresses: Sequence[str]) -> None:
        """Ask for some addresses, as who confirms a subscription does; raises as ``all_of``."""
        for address in addresses:
            await self._fetch(address)

    async def _ask(self, address: str) -> bytes:
        outbound = Outbound(self._settings, resolve=self._resolve)
        try:
            destination = parse_destination(address, Zone.PUBLIC, self._settings)
            async with self._turns:
                answer = await outbound.get(destination, deadline=_DEADLINE)
        except ForbiddenDestination:
            raise NotGenuine("forbidden-address") from None
        except Unreachable as error:
            if error.kind == "forbidden-destination":
                raise NotGenuine("forbidden-address") from None
            raise _not_had(destination.authority) from None
        finally:
            await outbound.aclose()
        if answer.status != _DONE or answer.cut:
            raise _not_had(destination.authority)
        return answer.body


def _not_had(authority: str) -> Unavailable:
    return Unavailable(
        f"{authority} does not give what the request is verified by. Nothing was recorded.",
        headers={"Retry-After": "30"},
    )
