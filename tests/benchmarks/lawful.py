"""``check-law``, ``check-batch-law``, ``scrub-law``: what it costs to ask the law too.

A quarter of those who are asked about objected, a quarter is on record with a consent and two
calls, and of the others nothing is known. Of a file's rows one in seven is on record.
"""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from app.contacts import (
    Mention,
    NewAttempt,
    NewConsent,
    Origin,
    PositiveAct,
    SourceKind,
    Wording,
    record_attempts,
    record_consents,
)
from app.identifiers import Identifier
from app.journal import Kind, Media
from app.parties import CLI, create_brand
from app.platform.clock import now
from app.points import PointKeys

from .check import compared_with_bare
from .harness import Goal, Row, compare, row
from .load import SECONDS, WARM_UP_SECONDS, press
from .people import national, written
from .programs import optout_serve
from .registries import Registries, Registry
from .scrub import scrub_pairs

_QUESTIONS = 50_000
_LINES = 10_000
_CONNECTIONS = 2
_ON_RECORD = 200_000
_AT_ONCE = 10_000
_OBJECT = "heat pumps"
_LAW = {"brand": "lawful", "campaign": {"object": _OBJECT}}
_PLAIN = {"brand": "plain", "campaign": {"object": _OBJECT}}


def run(registries: Registries, size: int) -> Row:
    """Compare a check that asks the law with a route that answers without having looked."""
    with _on_record(registries, size) as registry:
        asked = [json.dumps({"phone": phone, "medium": "voice", **_LAW}) for phone in _phones(size)]
        taken, note = compared_with_bare(registry, asked)
    return row("check-law", taken, unit="checks/s", goal=Goal(0.5), note=note)


def run_batch(registries: Registries, size: int) -> Row:
    """Compare batches that ask the law with batches that do not, of the same people."""
    phones = list(_phones(size))
    batches = [phones[first : first + _LINES] for first in range(0, len(phones), _LINES)]
    with _on_record(registries, size) as registry, optout_serve(registry) as ours:
        target = ours.target("/v1/checks/batch", registry.make_key("checks"))

        def answered(said: Mapping[str, object], seconds: int = SECONDS) -> float:
            bodies = [
                json.dumps({"medium": "voice", **said, "items": [{"phone": one} for one in batch]})
                for batch in batches
            ]
            load = press(target, bodies, seconds=seconds, connections=_CONNECTIONS)
            return load.per_second * _LINES

        for said in (_LAW, _PLAIN):
            # The first who asks the law waits for it to be loaded.
            answered(said, 2 * WARM_UP_SECONDS + SECONDS)
        taken = compare(lambda: answered(_LAW), lambda: answered(_PLAIN))
    return row("check-batch-law", taken, unit="numbers/s", goal=Goal(0.5))


def run_scrub(registries: Registries, size: int) -> Row:
    """Compare a scrub that asks the law with one that does not, of the same file."""
    with _on_record(registries, size) as registry:
        said = {"campaign": json.dumps({"object": _OBJECT})}
        taken = scrub_pairs(registry, size, {**said, "brand": "lawful"}, {**said, "brand": "plain"})
    return row("scrub-law", taken, unit="rows/s", goal=Goal(0.5))


def _phones(size: int) -> Iterator[str]:
    chance = random.Random(size)  # noqa: S311 - repeatable, and nothing secret
    for _ in range(_QUESTIONS):
        who = chance.randrange(4)
        if who == 0:
            yield written(chance.randrange(size))
        elif who == 1:
            yield written(size + chance.randrange(_ON_RECORD))
        else:
            yield written(size + _ON_RECORD + chance.randrange(size))


@contextmanager
def _on_record(registries: Registries, size: int) -> Iterator[Registry]:
    """Give a copy in which many strangers are on record, and a brand is covered by the law."""
    with registries.copied(size, "lawful") as registry:
        asyncio.run(_record(registry, size))
        yield registry


async def _record(registry: Registry, size: int) -> None:
    keys = PointKeys.from_settings(registry.settings)
    at = now()
    async with registry.opened() as database:
        async with database.transaction() as session:
            await create_brand(session, "plain", name="Plain", actor=CLI, at=at)
            brand = await create_brand(
                session, "lawful", name="Lawful", coverage="law", actor=CLI, at=at
            )
        for first in range(size, size + _ON_RECORD, _AT_ONCE):
            people = [
                Identifier(Kind.PHONE, f"+33{national(index)}")
                for index in range(first, first + _AT_ONCE)
            ]
            async with database.transaction() as session:
                origin = Origin(1, None, at)
                await record_consents(
                    session, keys, [_consent(one, brand.id) for one in people], origin
                )
                calls = [
                    NewAttempt(one, Media.VOICE, at - timedelta(days=days), brand.id)
                    for one in people
                    for days in (2, 9)
                ]
                await record_attempts(session, keys, calls, origin)
        connection = await database.connect("seeds")
        await connection.execute("VACUUM (ANALYZE)", timeout=3_600)
        await connection.close()


def _consent(person: Identifier, brand: int) -> NewConsent:
    return NewConsent(
        person,
        brand,
        _OBJECT,
        Media.VOICE,
        now() - timedelta(days=60),
        0,
        None,
        Wording(b"\1" * 32, "v1", "May we call you?"),
        Mention(31),
        PositiveAct.TICKED_BOX,
        SourceKind.FORM,
        told={"evidence": {"kind": "call_recording", "reference": "rec-1"}},
    )
