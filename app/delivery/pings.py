"""Pings: one signed request that asks a database whether it is there."""

from dataclasses import dataclass

import pydantic_core

from app.platform.clock import now
from app.platform.http import Outbound, Unreachable
from app.platform.ids import new_id
from app.platform.wire import wire_time
from app.settings import Settings

from .endpoints import Endpoint
from .exchange import post


@dataclass(frozen=True, slots=True)
class Ping:
    """What came of a ping; ``duration`` in seconds, None where nothing could be sent."""

    delivered: bool
    status: int | None = None
    duration: float | None = None
    error: str | None = None
    detail: str | None = None


async def ping(endpoint: Endpoint, *, journal: str, settings: Settings) -> Ping:
    """Send a ping to a database, past the same guard and with the same signature as a delivery.

    Must not run inside a transaction: it takes as long as the database takes.
    """
    if endpoint.way.url is None:
        detail = "this database pulls, so there is nowhere to send a ping"
        return Ping(delivered=False, error="pull", detail=detail)
    at = now()
    body = pydantic_core.to_json(
        {"type": "ping", "timestamp": wire_time(at), "data": {"journal": journal}}
    )
    outbound = Outbound(settings)
    try:
        answer = await post(
            outbound, endpoint, body, message=f"msg_{new_id().hex}", at=at, settings=settings
        )
    except Unreachable as error:
        return Ping(delivered=False, error=error.kind, detail=error.detail)
    finally:
        await outbound.aclose()
    if 200 <= answer.status < 300:  # noqa: PLR2004 - "2xx" in the contract
        return Ping(delivered=True, status=answer.status, duration=answer.duration)
    return Ping(
        delivered=False,
        status=answer.status,
        duration=answer.duration,
        error=f"status-{answer.status}",
        detail=f"the database answered {answer.status}",
    )
