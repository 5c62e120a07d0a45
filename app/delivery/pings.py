"""Pings: one signed request that asks a database whether it is there."""

from dataclasses import dataclass, replace

import pydantic_core

from app.platform.clock import now
from app.platform.http import Outbound, Unreachable
from app.platform.ids import new_id
from app.platform.wire import wire_time
from app.settings import Settings

from .answers import clock_fault
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


async def ping(
    endpoint: Endpoint, *, journal: str, settings: Settings, newest_secret: bool = False
) -> Ping:
    """Send a ping to a database, past the same guard and with the same signature as a delivery.

    With ``newest_secret`` a rotated one does not sign beside it, so that the answer tells whether
    the database knows the new one. Must not run inside a transaction: it takes as long as the
    database takes.
    """
    if endpoint.way.url is None:
        detail = "this database pulls, so there is nowhere to send a ping"
        return Ping(delivered=False, error="pull", detail=detail)
    at = now()
    rotating = newest_secret and len(endpoint.secrets_at(at)) > 1
    if rotating:
        endpoint = replace(endpoint, retiring_secret=None)
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
    delivered = 200 <= answer.status < 300  # noqa: PLR2004 - "2xx" in the contract
    told = [] if delivered else [f"the database answered {answer.status}"]
    if rotating:
        told.append(
            "it takes the new signing secret"
            if delivered
            else "the ping was signed by the new secret alone; deliveries carry the old one too"
        )
    if fault := clock_fault(answer.headers, now()):
        told.append(fault)
    return Ping(
        delivered,
        answer.status,
        answer.duration,
        None if delivered else f"status-{answer.status}",
        "; ".join(told) or None,
    )
