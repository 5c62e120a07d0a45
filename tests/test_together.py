"""Opt-outs that come together end as if each had come alone."""

from sqlalchemy import text

from app.identifiers import Identifier
from app.intake.opt_outs import OptOut
from app.intake.receipts import accept, accept_many
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Media, Reason
from app.platform.clock import now
from app.platform.db import Database
from app.platform.ids import new_id
from tests.acts import CHANNEL, KEY, Registry, minute, phone

ROWS = """
SELECT * FROM (
    SELECT 'ground' AS what, g.id AS n, (c.id - :first) AS who, g.brand, g.media, g.lifted AS more,
           g.reason, g.occurred_at, g.verified::text || g.channel AS rest
    FROM grounds g JOIN contact_points c ON c.id = g.point
    UNION ALL
    SELECT 'entry', position, point - :first, brand, media, version, reason, occurred_at,
           change::text || lane || kind || touches FROM journal_entries
    UNION ALL
    SELECT 'state', position, point - :first, brand, media, version, told, since, ''
    FROM suppressions
    UNION ALL
    SELECT 'withdrawal', 0, point - :first, brand, media, 0, reason, occurred_at, ''
    FROM withdrawals
) rows WHERE who BETWEEN 0 AND 9 ORDER BY what, who, brand, n, more
"""


def opt_outs(first: int) -> list[tuple[OptOut, list[Identifier]]]:
    """Tell the same opt-outs of people from a number on."""
    at = now()
    said: list[tuple[list[int], int, Media, Reason, int]] = [
        ([0], EVERY_BRAND, EVERY_MEDIUM, Reason.UNSUBSCRIBE, 10),
        ([1, 2], EVERY_BRAND, Media.SMS, Reason.STOP_KEYWORD, 3),
        ([0], EVERY_BRAND, Media.VOICE, Reason.REFUSAL, 2),
        ([2, 0], EVERY_BRAND, Media.VOICE, Reason.CONSENT_WITHDRAWN, 30),
        ([3], EVERY_BRAND, EVERY_MEDIUM, Reason.COMPLAINT, 1),
        ([3], EVERY_BRAND, EVERY_MEDIUM, Reason.COMPLAINT, 1),
    ]
    return [
        (
            OptOut(new_id(), at, minute(when), CHANNEL, reason, media, brand, KEY),
            [phone(first + number) for number in numbers],
        )
        for numbers, brand, media, reason, when in said
    ]


async def test_opt_outs_that_come_together_end_as_if_each_had_come_alone(
    database: Database,
) -> None:
    registry = Registry(database)
    ends = []
    for first, together in ((0, False), (100, True)):
        for number in range(5):
            await registry.object(phone(first + number), media=Media.EMAIL, at=minute(0))
        # Who came back between: what occurred before stands no more, what came after does.
        await registry.reinstate(phone(first), at=minute(5))
        await registry.reinstate(phone(first + 3), at=minute(5), media=Media.SMS)
        async with database.transaction() as session:
            if together:
                await accept_many(session, registry.keys, opt_outs(first))
            else:
                for opt_out, people in opt_outs(first):
                    await accept(session, registry.keys, opt_out, people)
        async with database.reading() as session:
            digest = registry.keys.digests.digest(phone(first))[1]
            one = await session.scalar(
                text("SELECT id FROM contact_points WHERE digest = :digest"), {"digest": digest}
            )
            rows = await session.execute(text(ROWS), {"first": one})
            ends.append([(row[0], *row[2:]) for row in rows])
            kept = await session.scalar(text("SELECT count(*) FROM opt_outs"))
            assert kept == len(ends) * (5 + 6)
    assert ends[0] == ends[1]
    assert {row[0] for row in ends[0]} == {"entry", "ground", "state", "withdrawal"}
