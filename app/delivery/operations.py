"""The operations address: alarms go there as signed webhooks, until each is taken.

What is sent is what databases are sent: Standard Webhooks, past the guard of
``app.platform.http``, spaced out after failures. An alarm is tried for as long as it is kept.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from random import SystemRandom
from typing import Self

import pydantic_core

from app.platform.alarms import Alarm, note_failed, note_sent, take_alarm
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.http import (
    Destination,
    ForbiddenDestination,
    Outbound,
    Unreachable,
    Zone,
    parse_destination,
)
from app.platform.logs import get_logger
from app.platform.wire import wire_time
from app.settings import Settings, SettingUnfit

from .alarms import watch
from .answers import next_delay
from .measures import note_worker
from .signatures import sign

_EVERY = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Operations:
    """Where the operators are told, and by which secret."""

    destination: Destination
    secret: str = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Read it from the settings; None: nobody is told.

        Raises:
            SettingUnfit: the address may not be sent to.
        """
        if settings.operations_url is None or settings.operations_secret is None:
            return None
        zone = Zone(settings.operations_zone)
        try:
            destination = parse_destination(settings.operations_url, zone, settings)
        except ForbiddenDestination as error:
            raise SettingUnfit(f"OPTOUT_OPERATIONS_URL: {error.detail}") from None
        return cls(destination, settings.operations_secret.get_secret_value())


async def watch_for_operators(
    database: Database, operations: Operations | None, stopping: asyncio.Event
) -> None:
    """Look where databases stand and send what the operators must hear of, until told to stop."""
    while not stopping.is_set():
        try:
            await watch(database, now())
            note_worker()
            if operations is not None:
                await send_alarms(database, operations, stopping)
        except Unavailable as error:
            log.warning("alarms wait for the database", reason=error.detail)
        try:
            await asyncio.wait_for(stopping.wait(), _EVERY)
        except TimeoutError:
            continue


async def send_alarms(database: Database, operations: Operations, stopping: asyncio.Event) -> None:
    """Send the alarms that are due, one after another, each taken by one worker at a time."""
    outbound = Outbound(database.settings)
    # Longer than a request, so that nobody else sends it meanwhile.
    wait = timedelta(seconds=2 * database.settings.delivery_deadline_seconds)
    try:
        while not stopping.is_set():
            async with database.transaction() as session:
                alarm = await take_alarm(session, wait=wait)
            if alarm is None:
                return
            error = await _send(outbound, operations, alarm, database.settings)
            async with database.transaction() as session:
                if error is None:
                    await note_sent(session, alarm)
                else:
                    delay = next_delay(alarm.tries, SystemRandom())
                    await note_failed(session, alarm, error=error, wait=delay)
                    log.warning("the operators were not reached", alarm=alarm.type, reason=error)
    finally:
        await outbound.aclose()


async def _send(
    outbound: Outbound, operations: Operations, alarm: Alarm, settings: Settings
) -> str | None:
    """Send one alarm; tells what went wrong, None if it was taken."""
    body = pydantic_core.to_json(
        {"type": alarm.type, "timestamp": wire_time(alarm.at), "data": alarm.data}
    )
    signed = sign([operations.secret], id=f"msg_{alarm.id.hex}", at=now(), body=body)
    headers = {"content-type": "application/json", **signed}
    try:
        answer = await outbound.post(
            operations.destination, body, headers, deadline=settings.delivery_deadline_seconds
        )
    except Unreachable as error:
        return f"{error.kind}: {error.detail}"
    if 200 <= answer.status < 300:  # noqa: PLR2004 - "2xx" in the contract
        return None
    return f"status-{answer.status}: the operations address answered {answer.status}"
